#!/bin/bash
# What is too slow for every run: the same bytes from an empty cache, a highly available lab that loses a master, and a lab
# that is changed while it runs. As root, after a release build. Prints a line for each claim.
#
#   run.sh            all chapters
#   run.sh life       only the lab that is changed
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/install.sh"
. "$root/tests/lib/claims.sh"
. "$root/tests/lib/lab.sh"

if [ "${1:-}" != life ]; then
    . "$here/bytes.sh"
    . "$here/lost-master.sh"
    . "$here/resets.sh"
    "$netns" stop "$namespace"
fi
. "$here/life.sh"

summary
