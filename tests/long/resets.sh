# Back to a save again and again. Sourced by available.sh, with its lab, which is Ready.
# shellcheck shell=bash

echo "-- twenty resets in a row"
said=$(ns_user "$hab" -C "$lab" save)
status=$?
claim "hab save of seven machines: $(tail -n 1 <<<"$said")" "$status"
broken=0
for ((number = 1; number <= 20; number++)); do
    said=$(ns_user "$hab" -C "$lab" reset 2>&1) || broken=$((broken + 1))
    echo "        $number: $(tail -n 1 <<<"$said")"
done
claim "each ended Ready ($broken did not)" "$broken"
holds 'a pod on each worker resolves the API name and reaches the other' probe
holds 'vagrant destroy' vagrant destroy --force
