# A lab's boxes for VirtualBox. First as VirtualBox would have them, in qemu, a whole cluster. Then with a real VBoxManage, that
# of Debian's unstable, in a folder of its own: without VirtualBox' kernel modules it does all but run a machine. Sourced by
# run.sh.
# shellcheck shell=bash

. "$root/tests/lib/as_virtualbox.sh"
vbox=$work/vbox
mkdir -p "$vbox/box"
echo '{lab: lab, provider: virtualbox, nodes: {worker: {count: 1}}}' >"$vbox/hab.yaml"
said=$("$hab" --quiet -C "$vbox" build 2>&1)
built=$?
claim 'hab build' "$built"
[ "$built" -eq 0 ] || return 0
tar -xf "$vbox/out/boxes/etcd.virtualbox.box" -C "$vbox/box"

echo "-- a cluster as VirtualBox would have it"
holds 'the namespace starts' "$netns" start "$namespace"
# What a host-only network is to the host.
ns_root sh -c 'ip link add vbox type bridge && ip address add 192.168.56.1/24 dev vbox && ip link set vbox up'
# Starts a machine from the box's own VMDKs, with an empty data disk and its config on a CD-ROM.
present() { # name, role, MAC address, memory, processors
    local folder=$work/present/$1 machine
    mkdir -p "$folder"
    tar -xf "$vbox/out/boxes/$2.virtualbox.box" -C "$folder" disk1.vmdk disk2.vmdk
    qemu-img create -q -f qcow2 -b "$folder/disk1.vmdk" -F vmdk "$folder/base"
    truncate --size 8G "$folder/data"
    ns_root ip tuntap add "vbox-$2" mode tap && ns_root ip link set "vbox-$2" master vbox up
    as_virtualbox "$folder/base" "$folder/disk2.vmdk" "$folder/data"
    ns_root qemu-system-x86_64 "${machine[@]}" -m "$4" -smp "$5" \
        -drive "if=none,id=cd,file=$vbox/out/ignition/$1.iso,format=raw,media=cdrom,readonly=on" -device ide-cd,bus=sata.2,drive=cd \
        -netdev "tap,id=net,ifname=vbox-$2,script=no,downscript=no" -device "virtio-net-pci,netdev=net,mac=$3" \
        -serial "file:$folder/console" </dev/null &
}
while read -r -a node; do
    present "${node[@]}"
done < <(jq -r '.nodes[] | "\(.name) \(.role) \(.mac) \(.memory) \(.cpus)"' "$vbox/out/nodes.json")
up=$SECONDS
chown -R "$user:" "$vbox"
ns_user "$hab" -C "$vbox" wait
status=$?
claim "it is Ready ($((SECONDS - up)) s)" "$status"
[ "$status" -eq 0 ] || tail -n 12 "$work"/present/*/console
holds 'its pods resolve names' ns_user bash "$root/tests/lib/probe.sh" "$vbox/out/bin/kubectl" "$vbox/out/kubeconfig"
"$netns" stop "$namespace"
rm -rf "$work/present"

echo "-- VirtualBox' own program"
install_packages mmdebstrap debian-archive-keyring || exit 1
# Where this machine gets its packages from, but for the security archive's.
mirror=$(apt-get indextargets --format '$(SITE)' 'Label: Debian' 'Component: main' | head -n 1)
sid=$work/sid
said=$(mmdebstrap --quiet --variant=apt --mode=root --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' --aptopt='APT::Install-Recommends "false"' \
    --include=virtualbox,virtualbox-source,systemd-standalone-sysusers sid "$sid" "deb $mirror sid main contrib" 2>&1)
claim 'unstable'"'"'s VirtualBox can be had' $?
[ -x "$sid/usr/bin/VBoxManage" ] || return 0

# Debian's wrapper says on standard output that there are no kernel modules.
manage() {
    unshare --mount --propagation private bash -c 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind "$1" "$0/mnt" &&
        exec chroot "$0" /usr/bin/env LC_ALL=C HOME=/root "VBoxManage" "${@:2}"' "$sid" "$work" "$@" 2>&1 | sed '/^WARNING/,/^$/d'
    return "${PIPESTATUS[0]}"
}
# Where somebody has DMTF's schema of OVFs, dsp8023_1.1.1.xsd with those that it imports beside it: no package has it.
[ -z "${HAB_OVF_SCHEMA:-}" ] ||
    holds 'its OVF is as its schema wants it' xmllint --nonet --noout --schema "$HAB_OVF_SCHEMA" "$vbox/box/box.ovf"
said=$(manage import /mnt/vbox/box/box.ovf --vsys 0 --vmname node)
claim 'it imports the box' $?
said=$(manage showvminfo node --machinereadable)
has() { grep -q "^$1" <<<"$said"; }
holds 'with a SATA controller' has 'storagecontrollertype0="IntelAhci"'
holds 'that is called as the Vagrantfile calls it' has 'storagecontrollername0="SATA"'
holds 'and both disks in its first ports' has '"SATA-1-0"="/'
holds 'hab reads the state of machines from its list' grep -q '^State: *powered off (since' <<<"$(manage list --long vms)"

# The same words as in vagrant/virtualbox, in their order.
while read -r -a words; do
    said=$(manage "${words[@]}")
    claim "it takes: ${words[*]}" $?
done <<'WORDS'
modifyvm node --memory 768 --cpus 1
modifyvm node --cpuexecutioncap 40
modifyvm node --graphicscontroller vmsvga --vram 16
modifyvm node --graphicscontroller none
modifyvm node --audio-enabled off
modifyvm node --usb off
modifyvm node --boot1 disk --boot2 none --boot3 none --boot4 none
modifyvm node --nic1 nat --nictype1 virtio --macaddress1 02000000000F --natnet1 192.0.2.0/24
modifyvm node --natpf1 hab-tcp-127.0.0.1-8079,tcp,127.0.0.1,8079,192.168.56.11,2379
modifyvm node --nic1 none
modifyvm node --nic2 hostonly --cableconnected2 on --macaddress2 525400AABBCC --nictype2 virtio
storagectl node --name SATA --portcount 4
createmedium disk --filename /mnt/hab-data.vdi --size 4096 --format VDI
storageattach node --storagectl SATA --port 3 --device 0 --type hdd --medium /mnt/hab-data.vdi
setextradata node VBoxInternal/Devices/ahci/0/Config/Port3/SerialNumber hab-data
storageattach node --storagectl SATA --port 2 --device 0 --type dvddrive --medium /mnt/vbox/out/ignition/etcd-01.iso
modifyvm node --uart1 0x3F8 4 --uart-mode1 file /mnt/console.log
modifyvm node --uart-mode1 disconnected
storageattach node --storagectl SATA --port 2 --device 0 --type dvddrive --medium emptydrive --forceunmount
closemedium dvd /mnt/vbox/out/ignition/etcd-01.iso
storageattach node --storagectl SATA --port 3 --device 0 --type hdd --medium none
modifymedium disk /mnt/hab-data.vdi --resize 8192
closemedium disk /mnt/hab-data.vdi
WORDS
said=$(manage modifyvm node --no-such-option on)
claim 'and says no to what it does not know' "$([ $? -ne 0 ]; echo $?)"
said=$(manage showmediuminfo disk /mnt/hab-data.vdi)
holds 'the size of a disk is told as the Vagrantfile reads it' grep -Eq '^Capacity: +8192 MBytes$' <<<"$said"

# The payload, for the base has 8 GiB.
said=$(manage clonemedium disk /mnt/vbox/box/disk2.vmdk /mnt/back --format RAW)
claim 'it reads the VMDK as a disk' $?
qemu-img convert -f vmdk -O raw "$vbox/box/disk2.vmdk" "$work/raw"
holds 'byte for byte' cmp "$work/back" "$work/raw"
holds 'the machine goes' manage unregistervm node --delete
