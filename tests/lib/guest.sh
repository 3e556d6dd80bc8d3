# A lab of machines whose guest is one sector, with a real libvirt in a namespace with no way out: what Vagrant and libvirt
# do around a machine, without waiting for Kubernetes. Sourced; needs `hab`, the program to test, `root`, the repository's
# folder, and root's rights. Vagrant is run by an ordinary user whose home is closed.
# shellcheck shell=bash

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

# A lab whose boxes hold that guest, and a hab that says at once that all is Ready, and does all else as it is.
make_lab() { # folder, name, network, port
    mkdir -p "$1/out/boxes"
    # The etcd machine has also what outlives it, and what libvirt has beside it.
    cat >"$1/hab.yaml" <<END
lab: $2
network: {nodes: $3, extra: {storage: ${3/192.168/172.20}}}
nodes:
  etcd: {count: 1, disks: {scratch: 1}, networks: [storage], forwardedPorts: [{host: $4, guest: 2379}]}
  master: {count: 1}
  worker: {count: 1}
END
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
install -m 0755 "$hab" "$home/hab"
printf '#!/bin/sh\n[ "$1" = wait ] || exec "%s" "$@"\necho "asked in $(pwd): $*"\n' "$home/hab" >"$home/ready"
chmod 0755 "$home/ready"
make_lab "$lab" one 192.168.61.0/24 12361
make_lab "$other" two 192.168.62.0/24 12362
chown -R "$user:" "$home"
"$netns" start "$namespace" || exit 1

