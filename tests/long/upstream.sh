# The supply `upstream`, from a lab with the supply `source` and a publisher on the loopback that has what that one built.
# Sourced by run.sh.
# shellcheck shell=bash

echo "-- what the publishers have built, from a publisher on the loopback"
"$hab" init "$lab" && "$hab" -C "$lab" build
claim 'hab build, of the supply source' $?
published=$work/published other=$work/upstream
goroot=$(GOTOOLCHAIN=$(jq -r .supply.go "$lab/hab.lock") go env GOROOT)
holds 'programs are packed as they are published' \
    python3 "$root/tests/lib/publisher.py" pack "$lab/hab.lock" "$cache" "$goroot" "$published"

# A Go that only notes that somebody has asked for it.
mkdir -p "$work/no-go"
printf '#!/bin/sh\necho "$@" >>%q\nexit 1\n' "$work/go-asked" >"$work/no-go/go"
chmod +x "$work/no-go/go"
# Whether a build of a lab asks for Go, when nothing is in the cache; it ends there, or where packages are missing.
asks_for_go() { # lab
    rm -f "$work/go-asked"
    ns_root env PATH="$work/no-go:$PATH" XDG_CACHE_HOME="$work/empty" "$hab" --quiet -C "$1" build >/dev/null 2>&1
    [ -e "$work/go-asked" ]
}

"$hab" init "$other"
sed -i 's/^supply: source.*/supply: upstream/' "$other/hab.yaml"
coproc publisher { python3 "$root/tests/lib/publisher.py" serve "$published"; }
read -r mirror <&"${publisher[0]}"
HAB_RELEASE_MIRROR=$mirror "$hab" -C "$other" lock
claim "hab lock pins what $mirror has" $?
# Its programs are made anew: nothing that another run has taken out of an archive counts.
rm -rf "${cache:?}/release-programs"
kill "$publisher_PID"
wait "$publisher_PID" 2>/dev/null
pins() { jq -r '.supply.files[][] | .sha256' "$other/hab.lock" | sort; }
have() { find "$published" -type f ! -name '*.sha256*' ! -name SHA256SUMS -exec sha256sum {} + | cut -d ' ' -f 1 | sort; }
holds 'the lock has the digest of each file that was published' same "$(pins)" "$(have)"
# A package may be newer than that of the other lab.
holds 'hab fetch asks no publisher again' "$hab" --quiet -C "$other" fetch

holds 'the namespace starts' "$netns" start "$namespace"
holds 'a build asks for Go with the supply source, and not with upstream' tells_apart "$lab" "$other" asks_for_go
rm -rf "$work/empty" "$work/go-asked"
ns_root env PATH="$work/no-go:$PATH" "$hab" -C "$other" build
claim 'hab build tests and packs every box, without a network and without Go' $?
holds 'nobody asked for Go' tells_apart "$work/no-go/go" "$work/go-asked" test -e
holds 'the boxes of the same programs are the same boxes' same "$(box_sums "$other")" "$(box_sums)"
holds 'so are the programs, hab-probe too, which Go of the archive has built' \
    same "$(jq -S .supply.built "$other/hab.lock")" "$(jq -S .supply.built "$lab/hab.lock")"
said=$("$hab" -C "$other" build)
claim "a second hab build has nothing to do: $said" "$([[ $said == 'nothing to do'* ]]; echo $?)"
sed -i 's/^supply: upstream/supply: source/' "$other/hab.yaml"
said=$("$hab" -C "$other" build 2>&1)
claim 'a lock of the other supply is refused' "$([[ $? -eq 1 && $said == *'hab lock --update'* ]]; echo $?)"
rm -rf "$other" "$published" "$work/no-go" "$lab"
