# The same lock gives the same boxes from an empty cache, for another user's settings. Sourced by run.sh.
# shellcheck shell=bash

echo "-- the same bytes from an empty cache"
"$hab" init "$lab" && "$hab" -C "$lab" build
claim 'hab build' $?
mkdir "$work/twin" && cp "$lab/hab.yaml" "$lab/hab.lock" "$work/twin/"
(umask 077 && env -i PATH="$PATH" HOME="$work/elsewhere" TZ=Asia/Kathmandu LC_ALL=C "$hab" -C "$work/twin" build)
claim 'hab build from an empty cache, with other settings' $?
holds 'the boxes have the same SHA-256' same "$(box_sums "$work/twin")" "$(box_sums)"
holds 'and the lock says so' same "$(jq -S .boxes "$work/twin/hab.lock")" "$(jq -S .boxes "$lab/hab.lock")"
rm -rf "$work/twin" "$work/elsewhere" "$lab"
