#!/bin/bash
# A byte is flipped in a binary and in the image of the worker payload: the boot test must name both, and take away the box of
# the build before, which was good. Works on a copy of the cache. Arguments: hab, the lab (for its lock and its boxes), a work
# folder.
set -euo pipefail
hab=$1 from=$2 work=$3/broken
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hab

# Everything but what the broken disks go into: those are made again from the broken ones.
mkdir -p "$work/cache/hab" "$work/lab/out/boxes"
for bucket in "$cache"/*; do
    case $(basename "$bucket") in
    go | disk | boot-test | box | scratch | cache.lock) ;;
    *) cp --archive --link "$bucket" "$work/cache/hab/" ;;
    esac
done
cp "$from/hab.yaml" "$from/hab.lock" "$from/worker.ign" "$work/lab/"
cp --link "$from"/out/boxes/*.box "$work/lab/out/boxes/"

# Flips a bit where each text first stands in every payload disk that holds the file: the cache may have disks of earlier
# builds as well. In a copy, never in the hard link. The cache would notice, so the disk is struck from its manifest.
flip() { # file, texts...
    local list disk manifest offset byte text file=$1
    shift
    grep -l "\"path\": \"$file\"" "$work"/cache/hab/payload/*/payload.json | while read -r list; do
        disk=$(dirname "$list")/payload.raw manifest=$(dirname "$list")/manifest.json
        # What an older hab has left is none of this one's.
        [ -e "$manifest" ] || continue
        cp --sparse=always "$disk" "$disk.copy" && mv "$disk.copy" "$disk"
        jq --exit-status 'select(.files["payload.raw"]) | del(.files["payload.raw"])' "$manifest" >"$manifest.copy"
        mv "$manifest.copy" "$manifest"
        for text in "$@"; do
            offset=$(grep --byte-offset --only-matching --text --fixed-strings --max-count=1 "$text" "$disk" | head -n 1 | cut -d : -f 1)
            byte=$(dd if="$disk" bs=1 skip="$offset" count=1 status=none | od -An -tu1 | tr -d ' ')
            # shellcheck disable=SC2059 # the format is the byte
            printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$disk" bs=1 seek="$offset" conv=notrunc status=none
            echo "        flipped a bit of the payload with $file at $offset"
        done
    done
}
flip bin/haproxy 'HAProxy version' 'localhost/hab/pause:1'

if said=$(XDG_CACHE_HOME=$work/cache "$hab" --quiet -C "$work/lab" build 2>&1); then
    echo "the build did not fail" >&2
    exit 1
fi
sed 's/^/        /' <<<"$said" | cut -c 1-200
grep -q 'file:bin/haproxy' <<<"$said"
grep -q 'images/pause.tar\|image:localhost/hab/pause' <<<"$said"
# The others are as good as they were.
left=$(ls "$work/lab/out/boxes")
if [ "$left" != $'etcd.box\nmaster.box' ]; then
    echo "boxes that are left: ${left:-none}" >&2
    exit 1
fi
[ -e "$work/lab/out/report/worker.xml" ]
