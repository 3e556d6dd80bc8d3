#!/bin/bash
# What is too slow for every run: the same bytes from an empty cache, and a highly available lab that loses a master.
# As root, after a release build. Prints a line for each claim.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/install.sh"
. "$root/tests/lib/claims.sh"
. "$root/tests/lib/lab.sh"

. "$here/bytes.sh"
. "$here/lost-master.sh"
. "$here/resets.sh"

summary
