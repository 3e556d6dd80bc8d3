# A lab that is changed while it runs: one more worker, other settings, a member of etcd lost, a worker gone, other boxes, a
# power cut. Sourced by run.sh.
# shellcheck shell=bash

echo "-- a lab that is changed while it runs"
# Writes and builds the lab with so many workers, their memory in MiB, and a label of theirs.
lab_of() {
    printf 'lab: lab\nnodes: {etcd: {count: 3}, worker: {count: %s, memory: %s, labels: {tier: "%s"}}}\n' "$@" >"$lab/hab.yaml"
    "$hab" --quiet -C "$lab" build && chown -R "$user:" "$lab"
}
ready() { ns_user "$hab" -C "$lab" status >/dev/null 2>&1; }
of_workers() { kubectl get nodes --selector=node-role.kubernetes.io/worker --output="jsonpath={.items[*]$1}"; }
rm -rf "${lab:?}" && mkdir -p "$lab"
holds 'hab build' lab_of 1 1280 a
first_up 'vagrant up of five machines'
kubectl create configmap before --from-literal=a=b >/dev/null
claim 'the cluster takes writes' $?

others=(etcd-01 etcd-02 etcd-03 kube-master-01 kube-worker-01)
was=$(started "${others[@]}") sums=$(cd "$lab" && sha256sum out/ignition/*.ign)
holds 'one more worker is rendered' lab_of 2 1280 a
holds 'which changes no other Ignition config' bash -c 'cd "$0" && sha256sum --check --quiet <<<"$1"' "$lab" "$sums"
up=$SECONDS
vagrant up
claim "vagrant up ends when it is Ready ($((SECONDS - up)) s)" $?
holds 'no other machine was started anew' same "$(started "${others[@]}")" "$was"
holds 'pods on it reach all others and are reached' probe
holds 'vagrant reload of it ends when all is Ready again' vagrant reload kube-worker-02

holds 'workers get more memory and another label' lab_of 2 1344 b
said=$(ns_user "$hab" -C "$lab" plan)
claim 'hab plan says which machines differ, and in what' "$(grep -q 'kube-worker-02.*kubelet.env.*memory 1280 -> 1344 MiB' <<<"$said"; echo $?)"
said=$(vagrant reload kube-worker-02)
claim 'vagrant reload of an older machine says how to make it anew' "$([[ $said == *'older than'*'hab roll'* ]]; echo $?)"
memory=$(of_workers '.status.capacity.memory')
roll=$SECONDS
said=$(ns_user timeout 60 "$hab" -C "$lab" roll 2>&1)
claim 'a roll that is cut off after a minute fails' "$([ $? -ne 0 ]; echo $?)"
said=$(ns_user "$hab" -C "$lab" roll 2>&1)
status=$?
claim "the next goes on with it, and ends: $(tail -n 1 <<<"$said") ($((SECONDS - roll)) s)" "$status"
holds 'all is Ready' ready
holds 'the label is on both workers' same "$(of_workers '.metadata.labels.tier')" 'b b'
claim "they have more memory ($memory before, $(of_workers '.status.capacity.memory'))" "$([ "$(of_workers '.status.capacity.memory')" != "$memory" ]; echo $?)"
said=$(ns_user "$hab" -C "$lab" roll)
claim "another roll has nothing to do: $said" "$([[ $said == 'nothing to do'* ]]; echo $?)"

holds 'workers get another label' lab_of 2 1344 c
ns_root stdbuf -oL virsh -q -c qemu:///system event --all --loop >"$work/events" 2>/dev/null & watching=$!
sleep 2
roll=$SECONDS
said=$(ns_user "$hab" -C "$lab" roll --force --parallel 2 2>&1)
status=$?
claim "hab roll --parallel 2 makes both anew: $(tail -n 1 <<<"$said") ($((SECONDS - roll)) s)" "$status"
kill "$watching"
turns=$(grep -oE "kube-worker-0.': (Stopped|Started)" "$work/events" | awk '!seen[$0]++ {print $2}' | xargs)
holds 'at once: both stood before either started' same "$turns" 'Stopped Stopped Started Started'
holds 'the label is on both workers' same "$(of_workers '.metadata.labels.tier')" 'c c'

vagrant destroy --force etcd-02
# A new leader may have to be found; an emulated API server is slow to hear of it.
written() { kubectl create configmap meanwhile --from-literal=a=b >/dev/null 2>&1 || kubectl get configmap meanwhile >/dev/null 2>&1; }
lost=$SECONDS
retry 24 5 written
claim "without one etcd node the cluster takes writes ($((SECONDS - lost)) s after)" $?
up=$SECONDS
vagrant up etcd-02
ns_user "$hab" -C "$lab" wait
claim "vagrant up makes it a member again ($((SECONDS - up)) s)" $?
# A majority of three without it.
virsh destroy "$(domain etcd-03)"
kubectl get configmap before meanwhile >/dev/null
claim 'with it two of three are a majority, and nothing is lost' $?
holds 'vagrant up starts the third again' vagrant up

vagrant destroy --force kube-worker-02
holds 'one worker fewer is rendered' lab_of 1 1344 c
said=$(ns_user "$hab" -C "$lab" status)
claim 'hab status says who was destroyed without having left' "$(grep -q 'still knows kube-worker-02.*hab leave kube-worker-02' <<<"$said"; echo $?)"
holds 'hab leave has the cluster forget it' ns_user "$hab" -C "$lab" leave kube-worker-02
holds 'it is no node any more' same "$(of_workers '.metadata.name')" kube-worker-01
said=$(ns_user "$hab" -C "$lab" leave kube-master-01 2>&1)
claim "the only master can't leave: $said" "$([[ $said == *only* ]]; echo $?)"

# Another hab, whose base has one folder more.
mkdir "$work/source"
git -C "$root" archive HEAD | tar --extract --directory="$work/source"
sed -i 's/^folder 1777 \/var\/tmp$/&\nfolder 0755 \/var\/lib\/other/' "$work/source/images/base/debian/rootfs.table"
(cd "$work/source" && CARGO_TARGET_DIR="$root/target/other" cargo build --quiet --release)
claim 'another hab is built' "$?"
install -m 0755 "$root/target/other/release/hab" "$work/hab"
holds 'it builds other boxes' lab_of 1 1344 c
said=$(ns_user "$hab" -C "$lab" plan)
claim 'hab plan says that all machines have older ones' "$([ "$(grep -c 'box 1\..* -> 1\.' <<<"$said")" -eq 5 ]; echo $?)"
virsh destroy "$(domain etcd-03)"
said=$(ns_user timeout 300 "$hab" -C "$lab" roll etcd-02 2>&1)
claim 'hab roll refuses to take the majority of etcd' "$([[ $? -eq 1 && $said == *'etcd-02 stays as it is, for etcd would lose its majority'*etcd-03* ]]; echo $?)"
holds 'vagrant up starts the third again' vagrant up
was=$(started etcd-01 etcd-03 kube-master-01)
roll=$SECONDS
said=$(ns_user "$hab" -C "$lab" roll etcd-02 kube-worker-01 2>&1)
claim "hab roll makes two of them anew: $(tail -n 1 <<<"$said") ($((SECONDS - roll)) s)" $?
said=$(ns_user "$hab" -C "$lab" plan)
claim 'these have the new box' "$([ "$(grep -c 'box 1\..* -> 1\.' <<<"$said")" -eq 3 ] && ! grep -q '^\(etcd-02\|kube-worker-01\) .* box' <<<"$said"; echo $?)"
holds 'the others are left alone' same "$(started etcd-01 etcd-03 kube-master-01)" "$was"
# The three are older than their box, so `hab status` does not call them Ready.
claim 'and all do their work, with what was written before' "$(! ready && ns_user "$hab" -C "$lab" wait --older >/dev/null && kubectl get configmap before meanwhile >/dev/null; echo $?)"

for name in "${others[@]}"; do virsh destroy "$(domain "$name")"; done
holds 'after a power cut of all machines vagrant up ends Ready' vagrant up
kubectl get configmap before meanwhile >/dev/null
claim 'and what was acknowledged is there' $?
holds 'vagrant destroy' vagrant destroy --force
