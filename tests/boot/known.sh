#!/bin/bash
# The flags that hab knows are those of the programs as built: flag by flag, as their --help has them.
#
#   known.sh CACHE    CACHE: hab's cache, in which the programs are
set -uo pipefail
cd "$(dirname "$0")/../../src/config/known" || exit 1
failed=0
for name in kube-apiserver kube-controller-manager kube-scheduler etcd; do
    program=$(find "$1/go-programs" -path "*/bin/$name" -print -quit)
    flags=$("$program" --help 2>&1 | grep -oE '^ +(-[a-z], )?--[a-z0-9-]+' | sed 's/.*--//' | LC_ALL=C sort -u)
    if [ -z "$flags" ] || ! diff <(echo "$flags") "$name"; then
        echo "$name: another list of flags"
        failed=1
    fi
done
exit "$failed"
