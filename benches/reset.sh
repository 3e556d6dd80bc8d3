#!/bin/bash
# Booting a lab against bringing it back to a save, five times, in one run: time until Ready, how long the lab stands while
# it is saved, and the bytes of the save.
#
# Needs a built lab whose machines are not there, and root (for the network namespace). Usage: benches/reset.sh LAB [HAB]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/time.sh"
lab=$(realpath "$1") hab=$(realpath "${2:-$here/../target/release/hab}") netns=$here/../tests/lib/netns.sh
work=$(mktemp -d)
namespace=$work/namespace
clean() {
    "$netns" stop "$namespace"
    rm -rf "$work"
}
trap clean EXIT
in_namespace() { "$netns" run "$namespace" root env VAGRANT_CWD="$lab" "$@"; }

echo "load before: $(awk '{print $1}' /proc/loadavg)"
"$netns" start "$namespace"
timed in_namespace vagrant up --provider=libvirt >"$work/up.log" 2>&1
boot=$took
echo "vagrant up to Ready: $(seconds "$boot")"
in_namespace "$hab" -C "$lab" save 2>/dev/null
all=0
for number in 1 2 3 4 5; do
    timed in_namespace "$hab" -C "$lab" reset 2>/dev/null
    echo "reset $number: $(seconds "$took")"
    all=$((all + took))
done
echo "ratio of reset to boot: $((all * 200 / boot / 10)).$((all * 200 / boot % 10)) %"
echo "load after: $(awk '{print $1}' /proc/loadavg)"
in_namespace vagrant destroy --force >/dev/null 2>&1
