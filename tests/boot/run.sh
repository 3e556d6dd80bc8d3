#!/bin/bash
# The claims about virtual machines, each seen: the real build through packer, then the real vagrant with libvirt, both
# in a network namespace with no way out; vagrant as an ordinary user. Needs root for the namespace. Prints a line for
# each claim.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/install.sh"

passed=0 failed=0 start=$SECONDS
claim() { # text, status
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        printf '%5d s  ok      %s\n' $((SECONDS - start)) "$1"
    else
        failed=$((failed + 1))
        printf '%5d s  FAILED  %s\n' $((SECONDS - start)) "$1"
    fi
}
holds() { # text, command...
    local text=$1
    shift
    "$@"
    claim "$text" $?
}
finish() {
    "$here/netns.sh" stop "$room"
    rm -rf "$work" "$room"
    [ -z "$made" ] || userdel --remove "$user" 2>/dev/null
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}

if [ "$(id -u)" -ne 0 ]; then
    echo "the boot tests make network namespaces, so they run as root: sudo ./test --boot" >&2
    echo "0 passed, 1 failed"
    exit 1
fi

# An ordinary user in the group libvirt, with a home closed to others; everything of the lab is that user's.
user=hab-tester
made=''
id "$user" >/dev/null 2>&1 || { useradd --create-home --groups libvirt --shell /bin/bash "$user" && made=1; }
home=$(getent passwd "$user" | cut -d : -f 6)
chmod 0700 "$home"
work=$home/work-$$ room=$home/room-$$
mkdir -p "$work"
install -m 0755 "$root/target/release/hab" "$work/hab"
hab=$work/hab lab=$work/lab

in_room() { "$here/netns.sh" run "$room" "$user" env HOME="$home" VAGRANT_CWD="$lab" PATH="$work:$PATH" "$@"; }
kubectl() { in_room "$lab/out/bin/kubectl" --kubeconfig="$lab/out/kubeconfig" --request-timeout=120s "$@"; }
# Vagrant draws its upload progress with carriage returns, hundreds of kilobytes of it.
vagrant() { in_room vagrant "$@" > >(stdbuf -oL tr '\r' '\n' | grep --line-buffered -v 'Progress:' | cut -c 1-200) 2>&1; }

echo "-- the build, through packer"
"$hab" init "$lab"
# A unit as a user writes it, that knows nothing of hab's own.
cat >"$lab/worker.ign" <<'END'
{"ignition": {"version": "3.3.0"}, "systemd": {"units": [{"name": "mine.service", "enabled": true,
  "contents": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo active >/run/mine'\n[Install]\nWantedBy=multi-user.target\n"}]}}
END
sed -i 's|# worker: snippets/worker.ign|worker: worker.ign|' "$lab/hab.yaml"
chown -R "$user:" "$work"
holds 'hab fetch fetches what a build needs' "$hab" --quiet -C "$lab" fetch
holds 'the namespace starts' "$here/netns.sh" start "$room"
holds 'nothing leads out of the namespace' bash -c '! "$0" run "$1" root ip route get 192.0.2.1 >/dev/null 2>&1' "$here/netns.sh" "$room"
"$here/netns.sh" run "$room" root "$hab" -C "$lab" build
claim 'hab build proves and packs every box, without a network' $?
said=$("$hab" -C "$lab" build)
claim "a second hab build has nothing to do: $said" "$([[ $said == 'nothing to do'* ]]; echo $?)"
true >"$lab/out/boxes/etcd.json"
"$hab" --quiet -C "$lab" build
claim 'a build makes a damaged file of out/ again' "$([[ $? -eq 0 && -s $lab/out/boxes/etcd.json ]]; echo $?)"
# Hard links to all of the store but what was downloaded of Debian, and what came of that.
store=${XDG_CACHE_HOME:-$HOME/.cache}/hab
mkdir -p "$work/cold/hab"
find "$store" -mindepth 1 -maxdepth 1 ! -name deb ! -name relocated ! -name go -exec cp --archive --link {} "$work/cold/hab/" \;
holds 'a build fetches by itself what the store lacks' env XDG_CACHE_HOME="$work/cold" "$hab" --quiet -C "$lab" build
rm -rf "$work/cold"
# The same, but for the proofs, with the packer that ./test has built.
mkdir -p "$work/anew/hab"
find "$store" -mindepth 1 -maxdepth 1 ! -name proof -exec cp --archive --link {} "$work/anew/hab/" \;
"$here/netns.sh" run "$room" root env PATH="$tools/packer:$PATH" XDG_CACHE_HOME="$work/anew" "$hab" --quiet -C "$lab" build
status=$? proofs=$(find "$work/anew/hab/proof" -name '*.json' | wc -l)
claim "$("$tools/packer/packer" version) with its qemu plugin proves every box, too" "$([ $status -eq 0 ] && [ "$proofs" -eq 3 ]; echo $?)"
# Go, asked for its version, leaves its settings.
said=$(env PATH="$tools/packer/lib:$PATH" PACKER_PLUGIN_PATH=/nowhere XDG_CACHE_HOME="$work/empty" "$hab" -C "$lab" build 2>&1)
claim 'without the plugin it says so before it builds anything' "$([[ $? -eq 1 && $said == *'packer plugins install'* && -z $(find "$work/empty/hab" -mindepth 1 -maxdepth 1 ! -name go) ]]; echo $?)"
rm -rf "$work/anew" "$work/empty"
sed -i 's/memory: 1280/memory: 1344/' "$lab/hab.yaml"
before=$(sha256sum "$lab"/out/boxes/*.box)
said=$("$hab" -C "$lab" build)
after=$(sha256sum "$lab"/out/boxes/*.box)
claim "one changed worker memory re-renders only data: $said" "$([[ $said == 'the boxes stay'* && $before == "$after" ]]; echo $?)"
holds 'no private key is in a box' bash -c '! grep -aq "BEGIN.*PRIVATE KEY" "$0"/out/boxes/*.box' "$lab"
chown -R "$user:" "$work"

echo "-- vagrant up"
up=$SECONDS
vagrant up --provider=libvirt
claim "vagrant up exits 0 when the cluster is Ready ($((SECONDS - up)) s)" $?
kubectl get nodes --output=wide
ready=$(kubectl get nodes --no-headers | awk '$2 == "Ready"' | wc -l)
claim "three nodes are Ready ($ready)" "$([ "$ready" -eq 3 ]; echo $?)"
"$here/netns.sh" run "$room" "$user" bash "$root/tests/lib/probe.sh" "$lab/out/bin/kubectl" "$lab/out/kubeconfig"
claim 'a pod on each worker resolves the API name and reaches the other' $?
holds 'hab status says that all is Ready' in_room "$hab" -C "$lab" status

mkdir "$work/two" && printf 'lab: two\nnodes: {master: {count: 2}}\n' >"$work/two/hab.yaml" && "$hab" --quiet -C "$work/two" render
contexts=$("$lab/out/bin/kubectl" --kubeconfig="$work/two/out/kubeconfig" config get-contexts --output=name | paste -sd ' ')
claim "every master has a context in the kubeconfig: $contexts" "$([ "$contexts" = 'two two@kube-master-02' ]; echo $?)"

echo "-- what the nodes are"
names=$(jq -r '.nodes[] | select(.role != "etcd") | .name' "$lab/out/nodes.json" | sort)
seen=$(kubectl get nodes --output='jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' | sort)
claim 'host names are those of the plan' "$([ "$names" = "$seen" ]; echo $?)"
planned=$("$hab" -C "$lab" plan --json | jq -r '.nodes[] | select(.role != "etcd") | .machine_id' | sort)
seen=$(kubectl get nodes --output='jsonpath={range .items[*]}{.status.nodeInfo.machineID}{"\n"}{end}' | sort)
claim 'machine ids are those of the plan' "$([ "$planned" = "$seen" ]; echo $?)"
for address in $(jq -r '.nodes[].address' "$lab/out/nodes.json"); do
    in_room bash -c "exec 3<>/dev/tcp/$address/22" 2>/dev/null
    claim "no SSH port on $address" "$([ $? -ne 0 ]; echo $?)"
done
volumes=$("$here/netns.sh" run "$room" root bash -c 'stat --format="%a %U" /var/lib/libvirt/images/*.ign')
claim 'every Ignition config is its qemu user'"'"'s alone' "$([ "$(sort -u <<<"$volumes")" = '600 libvirt-qemu' ]; echo $?)"
"$here/netns.sh" run "$room" nobody bash -c 'cat /var/lib/libvirt/images/*.ign' >/dev/null 2>&1
claim 'another user can not read them' "$([ $? -ne 0 ]; echo $?)"
bash "$here/inside.sh" "$lab/out/bin/kubectl" "$lab/out/kubeconfig" "$lab/out/nodes.json" "$here/netns.sh" "$room" "$user"
claim 'inside masters and workers: names, no ssh, no CA key; on workers loopback only for HAProxy' $?

echo "-- halt, up, reload, destroy"
halt=$SECONDS
vagrant halt
claim "vagrant halt ($((SECONDS - halt)) s)" $?
off=$("$here/netns.sh" run "$room" root virsh -q -c qemu:///system list --state-shutoff --name | grep -c .)
claim "all four machines are off ($off)" "$([ "$off" -eq 4 ]; echo $?)"
etcd=$(jq -r '[.nodes[] | select(.role == "etcd")][0].name' "$lab/out/nodes.json")
image=/var/lib/libvirt/images/hab-$(jq -r .lab "$lab/out/nodes.json")-$etcd.img
seen=$("$here/netns.sh" run "$room" root bash "$here/disk.sh" "$image" "$work" /etc/hostname /etc/machine-id)
planned=$("$hab" -C "$lab" plan --json | jq -r --arg name "$etcd" '.nodes[] | select(.name == $name) | .name, .machine_id')
claim "host name and machine id of $etcd, where no pod looks, are those of the plan" "$([ "$seen" = "$planned" ]; echo $?)"
up=$SECONDS
vagrant up
claim "vagrant up after halt comes back to Ready ($((SECONDS - up)) s)" $?
"$here/netns.sh" run "$room" "$user" bash "$root/tests/lib/probe.sh" "$lab/out/bin/kubectl" "$lab/out/kubeconfig"
claim 'the pods are back and reach each other' $?
BOOT=second bash "$here/inside.sh" "$lab/out/bin/kubectl" "$lab/out/kubeconfig" "$lab/out/nodes.json" "$here/netns.sh" "$room" "$user"
claim 'the second boot was no first boot' $?
worker=$(jq -r '[.nodes[] | select(.role == "worker")][0].name' "$lab/out/nodes.json")
card=$("$here/netns.sh" run "$room" root virsh -q -c qemu:///system domiflist "hab-$(jq -r .lab "$lab/out/nodes.json")-$worker" | awk '{print $1}')
"$here/netns.sh" run "$room" root ip link set dev "$card" down
said=$(in_room env HAB_WAIT_TIMEOUT=20 vagrant up 2>&1)
claim "vagrant up exits 1 and names a worker that is cut off" "$([[ $? -eq 1 && $said == *"$worker: not on the network"* ]]; echo $?)"
vagrant reload "$worker"
claim "vagrant reload $worker" $?
sed -i 's/echo active/echo changed/' "$lab/worker.ign"
"$hab" -C "$lab" render && chown -R "$user:" "$work"
said=$(vagrant up "$worker")
claim 'vagrant up says that a machine is older than its Ignition config' "$([[ $said == *'this machine is older'* ]]; echo $?)"
holds 'vagrant status' vagrant status
vagrant ssh "$worker" >/dev/null 2>&1
claim 'vagrant ssh is refused' "$([ $? -ne 0 ]; echo $?)"
holds 'vagrant destroy' vagrant destroy --force
left=$("$here/netns.sh" run "$room" root bash -c 'virsh -q -c qemu:///system list --all --name | grep .; ls /var/lib/libvirt/images | grep -v box_image')
claim "nothing is left of the machines: ${left:-nothing}" "$([ -z "$left" ]; echo $?)"

install -D -m 0644 "$here/trial.rb" "$work/trial/Vagrantfile" && chown -R "$user:" "$work/trial"
said=$(in_room env VAGRANT_CWD="$work/trial" LAB="$lab" vagrant status 2>&1)
wanted=$'sound: nil\nbroken: "the trial guest does not get to 64-bit code"\nleft: []'
claim 'the guest that tries kvm tells a sound machine from a broken one' "$([[ $said == *"$wanted"* ]]; echo $?)"

echo "-- a broken payload"
bash "$here/broken.sh" "$hab" "$lab" "$work"
claim 'a flipped byte in a binary and in an image fail the build by name, with no box' $?

finish
