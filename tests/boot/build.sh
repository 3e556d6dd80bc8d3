# The build, through packer. Sourced by run.sh.
# shellcheck shell=bash

echo "-- the build, through packer"
"$hab" init "$lab"
# A unit as a user writes it, that knows nothing of hab's own.
cat >"$lab/worker.ign" <<'SNIPPET'
{"ignition": {"version": "3.3.0"}, "systemd": {"units": [{"name": "mine.service", "enabled": true,
  "contents": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo active >/run/mine'\n[Install]\nWantedBy=multi-user.target\n"}]}}
SNIPPET
sed -i 's|# worker: snippets/worker.ign|worker: worker.ign|' "$lab/hab.yaml"
chown -R "$user:" "$work"
holds 'hab fetch fetches what a build needs' "$hab" --quiet -C "$lab" fetch
holds 'the namespace starts' "$netns" start "$namespace"
# The address is one for documentation (RFC 5737). The same command finds the way to loopback.
holds 'nothing leads out of the namespace' tells_apart 127.0.0.1 192.0.2.1 leads_to

ns_root "$hab" -C "$lab" build
claim 'hab build tests and packs every box, without a network' $?
said=$("$hab" -C "$lab" build)
claim "a second hab build has nothing to do: $said" "$([[ $said == 'nothing to do'* ]]; echo $?)"
holds 'the flags and fields that hab knows are those of the programs' bash "$here/known.sh" "$cache"
before=$(cat "$lab/out/boxes/etcd.json")
true >"$lab/out/boxes/etcd.json"
"$hab" --quiet -C "$lab" build
holds 'a build makes a damaged file of out/ again' same "$(cat "$lab/out/boxes/etcd.json")" "$before"

# An entry of a cache is a folder BUCKET/KEY with a manifest in it.
made_in() { [ -n "$(find "$1/hab" -mindepth 3 -maxdepth 3 -name manifest.json -print -quit)" ]; }
said=$(env PATH="$tools/packer/lib:$PATH" PACKER_PLUGIN_PATH=/nowhere XDG_CACHE_HOME="$work/empty" "$hab" -C "$lab" build 2>&1)
claim 'without the plugin it says so' "$([[ $? -eq 1 && $said == *'packer plugins install'* ]]; echo $?)"
holds 'and builds nothing before it does' tells_apart "$(dirname "$cache")" "$work/empty" made_in
rm -rf "$work/empty"

sed -i 's/# memory: 1280/memory: 1344/' "$lab/hab.yaml"
before=$(box_sums)
said=$("$hab" -C "$lab" build)
claim "one changed worker memory re-renders only data: $said" "$([[ $said == 'the boxes stay'* ]] && same "$(box_sums)" "$before"; echo $?)"
holds 'no private key is in a box, and one that is planted is found' bash "$here/secrets.sh" "$work" "$lab/private" "$lab"/out/boxes/*.box
holds 'the self-test answers what is so' bash "$here/selftest.sh"
chown -R "$user:" "$work"
