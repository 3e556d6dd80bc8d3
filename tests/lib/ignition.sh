#!/bin/bash
# Builds Ignition 2.24.0 from its Go module: the version of Flatcar's stable channel, and the newest that the module proxy has.
# Debian's, which hab's own base runs, is 2.14. Usage: ignition.sh FILE
set -euo pipefail
file=$(realpath -m "$1") version=v2.24.0
[ ! -x "$file" ] || exit 0
. "$(dirname "$0")/install.sh"
install_packages libblkid-dev gcc libc6-dev
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "building Ignition $version"
# Only Fedora's has labels to set.
env -u GOFLAGS CGO_ENABLED=1 GOWORK=off GOTOOLCHAIN=auto GOBIN="$work" go install -trimpath \
    -ldflags "-s -w -X github.com/coreos/ignition/v2/internal/distro.selinuxRelabel=false" "github.com/coreos/ignition/v2/internal@$version"
mkdir -p "$(dirname "$file")"
mv "$work/internal" "$file"
