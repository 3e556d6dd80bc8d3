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
    check again
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
tell:system true'

# Its places are moved: the serial port, its own folder, the payload, and what a boot begins without.
script=$(find "$root/images" -name selftest.sh)
sed -e 's|/dev/ttyS[0-9]|/dev/fd/3|' -e "s|^here=.*|here=$work|" -e "s|/opt/hab/|$work/|g" -e "s|/run/|$work/|" "$script" >"$work/selftest.sh"
printf '#!/bin/sh\necho "$*" >>%s/asked\n' "$work" >"$work/bin/systemctl" && chmod +x "$work/bin/systemctl"
answers() {
    bash "$work/selftest.sh" 3>&1 >/dev/null 2>&1 |
        jq -r --arg work "$work/" 'if .done then "done \(.done)" else "\(.check | gsub($work; "")) \(.ok)" end'
}
same() { diff <(echo "$1") <(echo "$2") || { echo 'wanted < > found' >&2; exit 1; }; }
echo brought >"$work/boots"
same "$wanted" "$(answers)"
same '--no-block reboot' "$(cat "$work/asked")"
[ -e "$work/hab-selftest-again" ]
# The second start, and one after which Ignition has written again.
same 'second-boot true
done 1' "$(answers)"
echo brought >"$work/boots"
same 'second-boot false
done 1' "$(answers)"
same '--no-block reboot' "$(cat "$work/asked")"
