#!/bin/bash
# Every shell script in the repository, the node's included, without a warning.
# Below tests/golden are copies.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- test demo '.ci/run' '*.sh' ':!tests/golden')
shellcheck --shell=bash --exclude=SC1091,SC2001,SC2016,SC2034,SC2100,SC2153,SC2154,SC2181 "${scripts[@]}"
# These run before bash is there.
shellcheck --shell=dash images/base/debian/initramfs/init images/base/debian/rootfs/usr/lib/hab/setfiles
