#!/bin/bash
# An etcd node as VirtualBox would have it, in qemu: the box's own VMDKs and a data disk on SATA ports, the config on a CD-ROM,
# and what DMI says there. After a release build, by any user; it builds boxes. Prints a line for each claim.
#
#   virtualbox.sh HAB    HAB: the program to test
set -uo pipefail
hab=$(realpath "$1") || exit 1
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/lib/claims.sh"
. "$root/tests/lib/as_virtualbox.sh"
work=$(mktemp -d) guest=
lab=$work/lab
finish() {
    [ -z "$guest" ] || kill -KILL "$guest" 2>/dev/null
    rm -rf "$work"
    summary || exit 1
}
trap finish EXIT

echo "-- a node as VirtualBox would have it"
mkdir "$lab"
echo '{lab: lab, provider: [libvirt, virtualbox]}' >"$lab/hab.yaml"
said=$("$hab" --quiet -C "$lab" build 2>&1)
claim 'hab build makes boxes for both' $?
said=$(jq -r '.boxes[] | "\(.name) \(.provider)"' "$lab/out/catalog.json")
claim 'the catalog has six' "$([ "$(wc -l <<<"$said")" -eq 6 ] && grep -q '^hab/lab-etcd virtualbox$' <<<"$said"; echo $?)"
for provider in libvirt virtualbox; do
    mkdir "$work/$provider"
    file=$(jq -r --arg provider "$provider" '.boxes[] | select(.name == "hab/lab-etcd" and .provider == $provider).file' "$lab/out/catalog.json")
    tar -xf "$lab/out/$file" -C "$work/$provider"
done
for disk in disk1 disk2; do
    holds "$disk: qemu finds no error in the VMDK" qemu-img check -q -f vmdk "$work/virtualbox/$disk.vmdk"
    # Of the other disk it would say so.
    other=disk$((3 - ${disk#disk}))
    identical() { qemu-img compare -q -f qcow2 -F vmdk "$work/libvirt/$1.qcow2" "$work/virtualbox/$disk.vmdk"; }
    holds "$disk: it is the disk that was boot-tested" tells_apart "$disk" "$other" identical
done
first() { # of the lab's files
    said=$(stat --format %a "$lab/out/ignition/etcd-01.$1")
    [ "$said" = 600 ]
}
holds 'the CD-ROM is its user'"'"'s alone' first iso
said=$(bsdtar -xOf "$lab/out/ignition/etcd-01.iso" | cmp - "$lab/out/ignition/etcd-01.ign" 2>&1)
claim 'the config is in it' $?

qemu-img create -q -f qcow2 -b "$work/virtualbox/disk1.vmdk" -F vmdk "$work/base"
truncate --size 4G "$work/data"
mac=$(jq -r '.nodes[0].mac' "$lab/out/nodes.json")
# Starts the node, with these words more; what it says goes to a log.
start() { # log, words...
    local log=$1 machine
    shift
    as_virtualbox "$work/base" "$work/virtualbox/disk2.vmdk" "$work/data"
    qemu-system-x86_64 "${machine[@]}" -m 768 -no-reboot \
        -netdev user,id=net,restrict=on,net=192.168.56.0/24,host=192.168.56.1 -device "virtio-net-pci,netdev=net,mac=$mac" \
        -monitor "unix:$work/monitor,server=on,wait=off" -serial "file:$log" "$@" &
    guest=$!
}
# Seconds: emulated, on a busy machine.
PATIENCE=${PATIENCE:-900}
says() { # log, words
    local second
    for ((second = 0; second < PATIENCE; second++)); do
        grep -aq "$2" "$1" 2>/dev/null && return
        kill -0 "$guest" 2>/dev/null || break
        sleep 1
    done
    said=$(tail -c 3000 "$1")
    false
}
# The button stops it: the kernel says so last, and no panic does.
stops() { # log
    local second
    python3 -c 'import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b"system_powerdown\n"); time.sleep(3)' "$work/monitor" || return
    for ((second = 0; second < PATIENCE; second++)); do
        kill -0 "$guest" 2>/dev/null || break
        sleep 1
    done
    said=$(tail -c 1000 "$1")
    ! kill -0 "$guest" 2>/dev/null && [[ $said == *'Power down'* ]]
}
cdrom=(-drive "if=none,id=cd,file=$lab/out/ignition/etcd-01.iso,format=raw,media=cdrom,readonly=on" -device "ide-cd,bus=sata.2,drive=cd")

start "$work/first" "${cdrom[@]}"
holds 'it finds disks and config' says "$work/first" 'first boot, Ignition runs'
holds 'Ignition has made it: it is on its network' says "$work/first" '"event":"network"'
holds 'etcd answers' says "$work/first" '"event":"etcd"'
holds 'the power button stops it' stops "$work/first"
said=$(dumpe2fs -h "$work/data" 2>&1)
claim 'its data are on the data disk' "$([[ $said == *'Filesystem volume name:   hab-data'* ]]; echo $?)"

# The CD-ROM was taken out.
start "$work/second" -device ide-cd,bus=sata.2
holds 'without the CD-ROM it boots again' says "$work/second" '"event":"etcd"'
ignition_ran() { grep -aq 'Ignition runs' "$work/$1"; }
holds 'and Ignition does not run again' tells_apart first second ignition_ran
holds 'the power button stops it' stops "$work/second"
