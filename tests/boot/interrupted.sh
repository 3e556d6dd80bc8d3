# Builds that meet each other, a signal, or an end with no time to tidy up. Sourced by run.sh.
# shellcheck shell=bash

echo "-- builds that are disturbed"
# A cache of hard links to all of hab's own but some of its buckets, so that a build makes again what it kept there.
cache_without() { # folder, buckets...
    local folder=$1 without=() name
    shift
    for name in scratch cache.lock "$@"; do without+=(! -name "$name"); done
    mkdir -p "$folder/hab"
    find "$cache" -mindepth 1 -maxdepth 1 "${without[@]}" -exec cp --archive --link {} "$folder/hab/" \;
}

# A second lab of the same inputs, while the first builds anew what comes of the downloads, and downloads again.
cache_without "$work/cold" deb debian-programs go payload disk box
mkdir "$work/twin"
cp "$lab/hab.yaml" "$lab/hab.lock" "$lab/worker.ign" "$work/twin/"
before=$(box_sums)
XDG_CACHE_HOME=$work/cold "$hab" --quiet -C "$lab" build &
one=$!
XDG_CACHE_HOME=$work/cold "$hab" --quiet -C "$work/twin" build &
two=$!
sleep 0.3
kill -0 "$one" && kill -0 "$two"
together=$?
wait "$one"
claim 'a build fetches by itself what the cache lacks' $?
wait "$two"
status=$?
claim 'two builds at once on one cache both end well' "$([ "$together" -eq 0 ] && [ "$status" -eq 0 ]; echo $?)"
holds 'and make the same boxes' same "$(box_sums)"$'\n'"$(box_sums "$work/twin")" "$before"$'\n'"$before"
rm -rf "$work/cold" "$work/twin"

# The boot tests again, with the packer that ./test has built; the first time hab is killed while they run.
cache_without "$work/anew" boot-test
anew=(env PATH="$tools/packer:$PATH" XDG_CACHE_HOME="$work/anew" "$hab" --quiet -C "$lab" build)
said=$(ns_root bash "$here/signals.sh" killed "${anew[@]}" 2>&1)
claim "a hab that is killed leaves no packer and no machine running: $said" $?
ns_root "${anew[@]}"
status=$?
tested=$(find "$work/anew/hab/boot-test" -mindepth 1 -maxdepth 1 -type d | wc -l)
claim "the next build tests every box, with $("$tools/packer/packer" version) and its qemu plugin" "$([ "$status" -eq 0 ] && [ "$tested" -eq 3 ]; echo $?)"
rm -rf "$work/anew"

said=$(ns_root bash "$here/signals.sh" nohup "$hab" -C "$lab" wait 2>&1)
claim "hab lives on after SIGHUP under nohup, and only then: $said" $?
chown -R "$user:" "$work"
