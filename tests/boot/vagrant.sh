#!/bin/bash
# The lab's Vagrantfile with a real libvirt and a guest of one sector: what Vagrant does around a machine, without
# waiting for Kubernetes. As root, for the namespace; Vagrant is run by an ordinary user whose home is closed.
#
#   vagrant.sh HAB    HAB: the program to test
set -uo pipefail
hab=$(realpath "$1") || exit 1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

. "$root/tests/lib/claims.sh"
needs_root

user=hab-tester-$$
useradd --create-home --groups libvirt --shell /bin/bash "$user" || exit 1
home=$(getent passwd "$user" | cut -d : -f 6)
chmod 0700 "$home"
netns=$root/tests/lib/netns.sh namespace=$home/namespace
# A folder with a name that means something in a URL and in XML.
lab="$home/it's a <lab>?" other=$home/other
finish() {
    "$netns" stop "$namespace"
    userdel --remove "$user" 2>/dev/null
    summary || exit 1
}
trap finish EXIT

in_namespace() { "$netns" run "$namespace" "$@"; }
vagrant() { in_namespace "$user" env HOME="$home" VAGRANT_CWD="$cwd" vagrant "$@" 2>&1; }
state() { in_namespace "$user" virsh -q -c qemu:///system domstate "$1" 2>&1; }
libvirt_has() { [[ $(in_namespace root bash -c 'virsh -q -c qemu:///system list --all --name; ls /var/lib/libvirt/images') == *"$1"* ]]; }

# A guest that says a line on its serial port, and then does nothing but wait for the power button. The ports are those
# of the PIIX4 in qemu's machine "pc", where its SeaBIOS puts them: PM1 status, enable, control (qemu hw/acpi/core.c).
cat >"$home/guest.s" <<'GUEST'
.code16
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    movw $0x7c00 + said, %si
1:  movw $0x3fd, %dx            # the line's state: may it take a byte?
    inb %dx, %al
    testb $0x20, %al
    jz 1b
    lodsb
    testb %al, %al
    jz 2f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 1b
2:  movw $0x602, %dx            # listen to the power button
    movw $0x100, %ax
    outw %ax, %dx
    sti
3:  hlt
    movw $0x600, %dx
    inw %dx, %ax
    testb $1, %ah
    jz 3b
    movw $0x604, %dx            # power off
    movw $0x2000, %ax
    outw %ax, %dx
4:  hlt
    jmp 4b
said: .asciz "{\"hab\":\"node\",\"event\":\"guest is up\"}\r\n"
.org 510
.word 0xaa55
GUEST
as --32 -o "$home/guest.o" "$home/guest.s" && objcopy -O binary -j .text "$home/guest.o" "$home/disk" || exit 1
truncate --size 1M "$home/disk"
for disk in 1 2; do qemu-img convert -q -O qcow2 "$home/disk" "$home/disk$disk.qcow2"; done
cp "$root/vagrant/box/Vagrantfile" "$home/Vagrantfile"
echo '{"provider": "libvirt", "format": "qcow2", "disks": [{"path": "disk1.qcow2"}, {"path": "disk2.qcow2"}]}' >"$home/metadata.json"

# A lab whose boxes hold that guest, and a hab that says at once that all is Ready.
make_lab() { # folder, name, network
    mkdir -p "$1/out/boxes"
    printf 'lab: %s\nnetwork: {nodes: %s}\nnodes: {etcd: {count: 1}, master: {count: 1}, worker: {count: 1}}\n' "$2" "$3" >"$1/hab.yaml"
    for role in etcd master worker; do
        # Vagrant knows a download by its URL, and runs them in parallel.
        cp "$home/guest.box" "$home/$role.box"
        jq -n --arg name "hab/$2-$role" --arg file "file://$home/$role.box" '{name: $name, versions: [{version: "1.36.3.1",
            providers: [{name: "libvirt", url: $file}]}]}' >"$1/out/boxes/$role.json"
    done
    "$hab" --quiet -C "$1" render || exit 1
    jq --arg hab "$home/ready" '.hab = $hab' "$1/out/nodes.json" >"$1/out/new" && mv "$1/out/new" "$1/out/nodes.json"
}
tar -C "$home" -cf "$home/guest.box" Vagrantfile disk1.qcow2 disk2.qcow2 metadata.json
printf '#!/bin/sh\necho "asked in $(pwd): $*"\n' >"$home/ready"
chmod 0755 "$home/ready"
make_lab "$lab" one 192.168.61.0/24
make_lab "$other" two 192.168.62.0/24
chown -R "$user:" "$home"
"$netns" start "$namespace" || exit 1

etcd=$(jq -r '.nodes[] | select(.role == "etcd") | .name' "$lab/out/nodes.json")
log=$lab/out/console/$etcd.log
starts() { grep -c '"event":"start"' "$log"; }
ups() { grep -c 'guest is up' "$log"; }

echo "-- a machine's console"
cwd=$lab
said=$(vagrant up "$etcd")
claim "vagrant up $etcd" $?
claim 'it says which machines the cluster still lacks' "$([[ $said == *'not waiting for the cluster, because not running: kube-master-01, kube-worker-01'* ]]; echo $?)"
claim 'the console is recorded' "$([ "$(starts) $(ups)" = '1 1' ]; echo $?)"
said=$(stat --format '%a %U' "$log" "$(dirname "$log")")
claim 'it is its user'"'"'s alone' "$([ "$said" = "600 $user"$'\n'"700 $user" ]; echo $?)"
claim 'its user can read it' "$(in_namespace "$user" grep -q 'guest is up' "$log"; echo $?)"
claim 'libvirt knows the machine by the name in nodes.json' "$([ "$(state "$(jq -r '.nodes[0].domain' "$lab/out/nodes.json")")" = running ]; echo $?)"
said=$(in_namespace "$user" timeout 5 script --quiet --command "virsh -c qemu:///system console hab-one-$etcd" /dev/null 2>&1)
claim 'virsh console connects all the same' "$([[ $said == *'Connected to domain'* && $said != *rror* ]]; echo $?)"
origin=$(jq -r '.nodes[0] | "\(.box_version) \(.ignition_sha256)"' "$lab/out/nodes.json")
claim 'what it was made from is noted' "$([ "$(cat "$lab/.vagrant/machines/$etcd/libvirt/hab-origin")" = "$origin" ]; echo $?)"
said=$(vagrant halt "$etcd")
claim 'vagrant halt, by the power button' "$([[ $(state "hab-one-$etcd") == 'shut off' && $said != *'switching it off'* ]]; echo $?)"
said=$(vagrant up)
claim 'vagrant up of all asks hab, once, in the lab' "$([[ $(grep -c "asked in $lab: wait" <<<"$said") -eq 1 ]]; echo $?)"
claim 'the console is recorded further' "$([ "$(starts) $(ups)" = '2 2' ]; echo $?)"
# What virtlogd leaves behind when a machine has said more than it takes in one file.
in_namespace root bash -c 'mv "$0" "$0.0" && install -m 0600 -o root /dev/null "$0"' "$log"
vagrant reload "$etcd" >/dev/null
claim 'after virtlogd made a file of its own, the next start makes one of the user' "$([ "$(starts) $(ups) $(stat --format %U "$log")" = "1 1 $user" ]; echo $?)"

echo "-- a console that can not be recorded"
vagrant halt >/dev/null
# What root finds there is not what the user finds: so it is on NFS, where root is nobody.
in_namespace root mount -t tmpfs -o ro none "$lab/out/console"
as_user_of_nfs() {
    in_namespace root unshare --mount bash -c 'umount "$0" && mount -t tmpfs none "$0" && chown "$1:" "$0" && shift && exec "$@"' \
        "$lab/out/console" "$user" runuser -u "$user" -- env HOME="$home" VAGRANT_CWD="$lab" "$@" 2>&1
}
said=$(as_user_of_nfs vagrant up)
claim 'vagrant up says so, and does not wait' "$([[ $? -eq 1 && $said == *"hab: libvirt, which is root, can not write $log"* && $said != *asked* && $said != *'hab: not waiting'* ]]; echo $?)"
said=$(as_user_of_nfs HAB_CONSOLE=off vagrant up)
claim 'HAB_CONSOLE=off goes without' "$([[ $? -eq 0 && $said == *'asked in'* ]]; echo $?)"
in_namespace root umount "$lab/out/console"
vagrant reload "$etcd" >/dev/null
claim 'and once it can be recorded, it is' "$([ "$(starts) $(ups)" = '2 2' ]; echo $?)"

echo "-- two labs in one run"
id=$(jq -r --arg name "$etcd" --arg lab "$lab" '.machines | to_entries[] | select(.value.name == $name and .value.vagrantfile_path == $lab) | .key' "$home/.vagrant.d/data/machine-index/index")
cwd=$other
libvirt_has "hab-one-$etcd.ign"
claim 'the machine has an Ignition volume' $?
said=$(vagrant destroy --force "$id")
claim 'vagrant destroy ID, in the folder of another lab' $?
claim 'nothing is left of the machine, above all not its keys' "$(! libvirt_has "hab-one-$etcd"; echo $?)"
claim 'the others are left alone' "$(libvirt_has hab-one-kube-worker-01.ign; echo $?)"
claim 'the console of a machine that was destroyed stays' "$([ "$(ups)" = 2 ]; echo $?)"
cwd=$lab
vagrant up "$etcd" >/dev/null
claim 'that of a new machine begins anew' "$([ "$(starts) $(ups)" = '1 1' ] && [ ! -e "$log.0" ]; echo $?)"
vagrant destroy --force >/dev/null
claim 'nothing is left of the lab' "$(! libvirt_has hab-one; echo $?)"
