# Builds that meet each other, a signal, or an end with no time to tidy up. Sourced by run.sh.
# shellcheck shell=bash

echo "-- builds that are disturbed"
# A cache of hard links to hab's own, but for what was downloaded of Debian, for what came of that, and for what is made
# last: a build makes it again. Hard links have other times than the cache noted, so it reads everything through, once.
mkdir -p "$work/other/hab"
others=()
for name in scratch cache.lock go debian-programs payload disk box; do others+=(! -name "$name"); done
find "$cache" -mindepth 1 -maxdepth 1 "${others[@]}" -exec cp --archive --link {} "$work/other/hab/" \;
ln -s "$cache/go" "$work/other/hab/go"
bash "$here/damage.sh" "$work/other/hab" deb tools base go-programs image

# A second lab of the same inputs, at the same time.
mkdir "$work/twin"
cp "$lab/hab.yaml" "$lab/hab.lock" "$lab/worker.ign" "$work/twin/"
before=$(box_sums)
XDG_CACHE_HOME=$work/other "$hab" --quiet -C "$lab" build &
one=$!
XDG_CACHE_HOME=$work/other "$hab" --quiet -C "$work/twin" build &
two=$!
sleep 0.3
kill -0 "$one" && kill -0 "$two"
together=$?
wait "$one"
claim 'a build makes again what is damaged in the cache, and fetches what is lacking' $?
wait "$two"
status=$?
claim 'two builds at once on one cache both end well' "$([ "$together" -eq 0 ] && [ "$status" -eq 0 ]; echo $?)"
holds 'and make the same boxes' same "$(box_sums)"$'\n'"$(box_sums "$work/twin")" "$before"$'\n'"$before"
said=$(XDG_CACHE_HOME=$work/other "$hab" -C "$lab" build --verify 2>&1)
claim "after that every byte of the cache is right: $said" "$([[ $said == 'nothing to do'* ]]; echo $?)"
rm -rf "$work/twin"

# A boot test again, with the packer that ./test has built; the first time hab is killed while it runs.
bash "$here/damage.sh" "$work/other/hab" boot-test
touch "$work/damaged"
anew=(env PATH="$tools/packer:$PATH" XDG_CACHE_HOME="$work/other" "$hab" --quiet -C "$lab" build)
said=$(ns_root bash "$here/signals.sh" killed "${anew[@]}")
claim "a hab that is killed leaves no packer and no machine running: $said" $?
ns_root "${anew[@]}"
status=$?
tested=$(find "$work/other/hab/boot-test" -name report.json -size +1k -newer "$work/damaged" | wc -l)
claim "the next build tests the box, with $("$tools/packer/packer" version) and its qemu plugin" "$([ "$status" -eq 0 ] && [ "$tested" -eq 1 ]; echo $?)"
rm -rf "$work/other"

said=$(ns_root bash "$here/signals.sh" nohup "$hab" -C "$lab" wait)
claim "hab lives on after SIGHUP under nohup, and only then: $said" $?
chown -R "$user:" "$work"
