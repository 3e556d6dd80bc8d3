#!/bin/bash
# The claims about virtual machines, each seen: the real build through packer, then the real vagrant with libvirt, both
# in a network namespace with no way out; vagrant as an ordinary user. Needs root for the namespace. Prints a line for
# each claim. The files it sources are its chapters, in their order.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/install.sh"
. "$root/tests/lib/claims.sh"

. "$root/tests/lib/lab.sh"

. "$here/build.sh"
. "$here/interrupted.sh"
. "$here/up.sh"
. "$here/nodes.sh"
. "$here/lifecycle.sh"

echo "-- a broken payload"
holds 'a flipped byte in a binary and in an image fail the build by name, and take the boxes away' bash "$here/broken.sh" "$hab" "$lab" "$work"

summary
