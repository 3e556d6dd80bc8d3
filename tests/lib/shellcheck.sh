#!/bin/bash
# Every shell script in the repository, the node's included, without a warning.
# Below tests/golden are copies.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- test demo '.ci/run' '*.sh' ':!tests/golden')
shellcheck --shell=bash --exclude=SC1091,SC2001,SC2016,SC2034,SC2100,SC2153,SC2154,SC2181 "${scripts[@]}"
# These run before bash is there.
shellcheck --shell=dash images/base/debian/initramfs/init images/base/debian/rootfs/usr/lib/hab/setfiles
# `grep -q` ends at the first line that it looks for, and the writer before it may be killed for that: has_line reads all.
if grep -nE '\| *grep -[a-zA-Z]*q' -- "${scripts[@]}" | grep -v '^[^:]*:[0-9]*: *#'; then
    echo 'grep -q in a pipe: say has_line (tests/lib/claims.sh)' >&2
    exit 1
fi
