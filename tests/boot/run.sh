#!/bin/bash
# The claims about virtual machines, each seen: the real build through packer, then the real vagrant with libvirt, both
# in a network namespace with no way out; vagrant as an ordinary user. Needs root for the namespace. Prints a line for
# each claim. The files it sources are its chapters, in their order.
#
#   run.sh            all chapters
#   run.sh --keep     the lab as well, built, started and saved for the chapters one by one
#   run.sh CHAPTER    one of reset, outside, nodes, look, halt, older or destroy, with that lab, from its save
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/install.sh"
. "$root/tests/lib/claims.sh"

kept='' chapter=''
case ${1:-} in
'') ;;
--keep) kept=kept ;;
reset | outside | nodes | look | halt | older | destroy) kept=kept chapter=$1 ;;
*)
    echo "usage: run.sh [--keep | reset | outside | nodes | look | halt | older | destroy]" >&2
    exit 2
    ;;
esac
. "$root/tests/lib/lab.sh"

# Each chapter begins with the lab as it was when it was saved.
from_the_save() { holds 'the lab is back at its save' ns_user "$hab" --quiet -C "$lab" reset; }

if [ -n "$chapter" ]; then
    if [ ! -e "$lab/private/saves/ready.json" ]; then
        echo "there is no lab that is kept: run tests/boot/run.sh --keep first" >&2
        exit 1
    fi
    holds 'the namespace starts' "$netns" start "$namespace"
    from_the_save
    booted='of another run'
    # shellcheck disable=SC1090 # one of the files below
    . "$here/$chapter.sh"
    summary
    exit
fi
[ -z "$kept" ] || rm -rf "${lab:?}" "$namespace"

. "$here/build.sh"
[ -n "$kept" ] || . "$here/interrupted.sh"
. "$here/up.sh"
if [ -n "$kept" ]; then
    holds 'hab save' ns_user "$hab" -C "$lab" save
    summary
    exit
fi
. "$here/reset.sh"
for chapter in outside nodes look halt older destroy; do
    from_the_save
    # shellcheck disable=SC1090 # one of the files beside this one
    . "$here/$chapter.sh"
    consoles
done

echo "-- a broken payload"
holds 'a flipped byte in a binary and in an image fail the build by name, and take the boxes away' bash "$here/broken.sh" "$hab" "$lab" "$work"

summary
