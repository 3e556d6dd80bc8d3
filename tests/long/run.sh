#!/bin/bash
# What is too slow for every run: the same bytes from an empty cache, boxes of what others have built, a lab that becomes
# highly available while it works, one that is and loses what it has, one master that becomes three, seven machines that go
# back to a save, a lab that is changed while it runs, one that goes back to a backup, one with container images of its own,
# one with a registry of its own, one with addons, each pod network and those that a user brings, nodes without a shell, labs
# of bases like Flatcar and Fedora CoreOS, and VirtualBox' own program. As root, after a release build. Prints a line for
# each claim.
#
#   run.sh            all chapters
#   run.sh CHAPTER    only one of those below
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/install.sh"
. "$root/tests/lib/claims.sh"
. "$root/tests/lib/lab.sh"

chapters=(bytes upstream available losses masters resets life backup images registry addons networks own-network shell bases virtualbox)
if [ $# -gt 0 ]; then
    if [[ " ${chapters[*]} " != *" $1 "* ]]; then
        echo "usage: run.sh [CHAPTER]; there are ${chapters[*]}" >&2
        exit 2
    fi
    chapters=("$1")
fi
domain() { jq -r --arg name "$1" '.nodes[] | select(.name == $name) | .domain' "$lab/out/nodes.json"; }
# A machine that was started anew has another number.
started() { # nodes...
    local name
    for name in "$@"; do echo "$name $(virsh domid "$(domain "$name")")"; done
}
# Starts the lab that was built, as its user's, in the namespace.
first_up() { # what comes up
    local up
    chown -R "$user:" "$work"
    holds 'the namespace starts' "$netns" start "$namespace"
    up=$SECONDS
    vagrant up --provider=libvirt
    claim "$1 exits 0 when the cluster is Ready ($((SECONDS - up)) s)" $?
}
exists() { kubectl get configmap "$1" >/dev/null 2>&1; }

for chapter in "${chapters[@]}"; do
    # shellcheck source=/dev/null
    . "$here/$chapter.sh"
    "$netns" stop "$namespace"
done

summary
