# Seven machines back to a save again and again. Sourced by run.sh.
# shellcheck shell=bash

echo "-- twenty resets in a row"
rm -rf "${lab:?}" && mkdir -p "$lab"
printf 'lab: lab\nnodes: {etcd: {count: 3}, master: {count: 2, cpus: 1}}\n' >"$lab/hab.yaml"
holds 'hab build' "$hab" --quiet -C "$lab" build
chown -R "$user:" "$work"
holds 'the namespace starts' "$netns" start "$namespace"
up=$SECONDS
vagrant up --provider=libvirt
claim "vagrant up of seven machines exits 0 when the cluster is Ready ($((SECONDS - up)) s)" $?
stands_so_far
said=$(ns_user "$hab" -C "$lab" save)
status=$?
claim "hab save of seven machines: $(tail -n 1 <<<"$said")" "$status"
broken=0
for ((number = 1; number <= 20; number++)); do
    said=$(ns_user "$hab" -C "$lab" reset 2>&1) || broken=$((broken + 1))
    echo "        $number: $(grep -o 'with the right clock.*' <<<"$said"); $(tail -n 1 <<<"$said")"
done
claim "each ended Ready ($broken did not)" "$broken"
holds 'a pod on each worker resolves the API name and reaches the other' probe
holds 'vagrant destroy' vagrant destroy --force
