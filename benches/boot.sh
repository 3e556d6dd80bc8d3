#!/bin/bash
# `vagrant up` to Ready, against a bare boot of the same machines, one after the other in one run.
#
# Bare: every node's own two disks, memory, processors and Ignition config under plain qemu, all started at once, but of
# its units only hab-node is wanted: kernel, Ignition, payload, network, nothing of Kubernetes. It ends when the last
# node says on its serial port that its network is up.
#
# Needs a built lab, and root (for the network namespace). Usage: benches/boot.sh LAB
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
lab=$(realpath "$1") netns=$here/../tests/lib/netns.sh
work=$(mktemp -d)
namespace=$work/namespace
pids=()
clean() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    "$netns" stop "$namespace"
    rm -rf "$work"
}
trap clean EXIT

accelerator=tcg cpu=max,-erms
load() { awk '{print $1}' /proc/loadavg; }
echo "load before: $(load)"

for role in etcd master worker; do
    mkdir "$work/$role" && tar -C "$work/$role" -xf "$lab/out/boxes/$role.box" disk1.qcow2 disk2.qcow2
done
start=$(date +%s%N)
while read -r name role memory cpus mac; do
    jq '.storage.links |= map(select((.path | contains("hab.target.wants") | not) or (.path | endswith("hab-node.service"))))' \
        "$lab/out/ignition/$name.ign" >"$work/$name.ign"
    qemu-img create -q -f qcow2 -b "$work/$role/disk1.qcow2" -F qcow2 "$work/$name.qcow2"
    qemu-system-x86_64 -name "$name" -machine pc -accel "$accelerator" -cpu "$cpu" -smp "$cpus" -m "$memory" \
        -nodefaults -display none -vga none -no-reboot -serial "file:$work/$name.serial" \
        -drive "file=$work/$name.qcow2,if=virtio,format=qcow2" \
        -drive "file=$work/$role/disk2.qcow2,if=virtio,format=qcow2,readonly=on" \
        -netdev user,id=n0,restrict=on -device "virtio-net-pci,netdev=n0,mac=$mac,romfile=" -device virtio-rng-pci \
        -fw_cfg "name=opt/com.coreos/config,file=$work/$name.ign" </dev/null &
    pids+=($!)
done < <(jq -r '.nodes[] | "\(.name) \(.role) \(.memory) \(.cpus) \(.mac)"' "$lab/out/nodes.json")
nodes=${#pids[@]}
until [ "$(cat "$work"/*.serial 2>/dev/null | grep -c '"event":"network"')" -eq "$nodes" ]; do sleep 0.2; done
bare=$((($(date +%s%N) - start) / 1000000))
for pid in "${pids[@]}"; do kill "$pid"; done
wait "${pids[@]}" 2>/dev/null || true
pids=()
echo "bare boot of $nodes machines: $((bare / 1000)).$((bare / 100 % 10)) s"

"$netns" start "$namespace"
in_namespace() { "$netns" run "$namespace" root env VAGRANT_CWD="$lab" "$@"; }
start=$(date +%s%N)
in_namespace vagrant up --provider=libvirt > >(tr '\r' '\n' | grep -v 'Progress:' >"$work/up.log") 2>&1
up=$((($(date +%s%N) - start) / 1000000))
grep -E '^ +[0-9]+ s ' "$work/up.log"
if grep -q 'kvm runs a guest here' "$work/up.log"; then
    echo "vagrant used kvm, and the bare boot was emulated: there is no ratio between them" >&2
    exit 1
fi
echo "vagrant up to Ready: $((up / 1000)).$((up / 100 % 10)) s"
echo "ratio: $((up * 10 / bare / 10)).$((up * 10 / bare % 10))"
echo "load after: $(load)"
in_namespace vagrant destroy --force >/dev/null 2>&1
