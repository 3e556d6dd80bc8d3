#!/bin/bash
# What is too slow for every run: the same bytes from an empty cache, a highly available lab that loses a master, a lab that
# is changed while it runs, and one that goes back to a backup. As root, after a release build. Prints a line for each claim.
#
#   run.sh            all chapters
#   run.sh CHAPTER    only one of life and backup
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/install.sh"
. "$root/tests/lib/claims.sh"
. "$root/tests/lib/lab.sh"

chapter=${1:-}
case $chapter in
'' | life | backup) ;;
*)
    echo "usage: run.sh [life | backup]" >&2
    exit 2
    ;;
esac
domain() { jq -r --arg name "$1" '.nodes[] | select(.name == $name) | .domain' "$lab/out/nodes.json"; }
# A machine that was started anew has another number.
started() { # nodes...
    local name
    for name in "$@"; do echo "$name $(ns_root virsh -q -c qemu:///system domid "$(domain "$name")")"; done
}
exists() { kubectl get configmap "$1" >/dev/null 2>&1; }

if [ -z "$chapter" ]; then
    . "$here/bytes.sh"
    . "$here/lost-master.sh"
    . "$here/resets.sh"
    "$netns" stop "$namespace"
fi
if [ -z "$chapter" ] || [ "$chapter" = life ]; then
    . "$here/life.sh"
    "$netns" stop "$namespace"
fi
if [ -z "$chapter" ] || [ "$chapter" = backup ]; then
    . "$here/backup.sh"
fi

summary
