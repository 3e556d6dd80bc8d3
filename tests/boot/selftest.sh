#!/bin/bash
# The self-test that a boot test runs in its machine, run here: kinds of checks that need no machine, each once with
# yes for an answer and in every way with no.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
printf good >"$work/bin/file"
sum=$(sha256sum "$work/bin/file" | cut -d ' ' -f 1)

check() { local IFS=$'\t'; echo "$*"; }
{
    check file bin/file "$sum"
    check file bin/file "${sum//[0-9]/0}"
    check file bin/gone "$sum"
    check run says 'v1.2.3' sh -c 'echo version v1.2.3'
    check run says-other 'v1.2.3' sh -c 'echo version v1.2.4'
    check run says-and-fails 'v1.2.3' sh -c 'echo version v1.2.3; exit 1'
    check run says-and-crashes 'v1.2.3' sh -c 'echo version v1.2.3; kill -SEGV $$'
    check run is-gone 'v1.2.3' "$work/bin/gone"
    check there "$work/bin/file"
    check there "$work/bin/gone"
    check gone "$work/bin/gone"
    check gone "$work/bin/file"
    check tell system
} >"$work/checks"
wanted='file:bin/file true
file:bin/file false
file:bin/gone false
run:says true
run:says-other false
run:says-and-fails false
run:says-and-crashes false
run:is-gone false
there:bin/file true
there:bin/gone false
gone:bin/gone true
gone:bin/file false
tell:system true
done 13'

# Its places are moved: the serial port, the list of checks, the payload.
script=$(find "$root/images" -name selftest.sh)
sed -e 's|/dev/ttyS[0-9]|/dev/fd/3|' -e "s|/etc/kubernetes/[a-z]*/checks|$work/checks|" -e "s|/opt/hab/|$work/|g" "$script" >"$work/selftest.sh"
found=$(bash "$work/selftest.sh" 3>&1 >/dev/null 2>&1 | jq -r --arg work "$work/" 'if .done then "done \(.done)" else "\(.check | gsub($work; "")) \(.ok)" end')
diff <(echo "$wanted") <(echo "$found") || { echo 'wanted < > found' >&2; exit 1; }
