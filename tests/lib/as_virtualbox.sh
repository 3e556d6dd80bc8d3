# A machine as vagrant/virtualbox defines it, for qemu. Sourced.
# shellcheck shell=bash

# Sets `machine` to qemu's words for it: its disks on a SATA controller, in order, and what DMI says there. Another word is
# needed for the CD-ROM on the controller's third port, and for its card: virtio is the one that VirtualBox gives it.
as_virtualbox() { # base, payload, data
    machine=(-accel tcg -cpu 'max,-erms' -display none -vga none -no-user-config -nodefaults
        -smbios 'type=1,manufacturer=innotek GmbH,product=VirtualBox' -device 'ahci,id=sata'
        -drive "if=none,id=base,file=$1,format=qcow2,cache=unsafe" -device 'ide-hd,bus=sata.0,drive=base'
        -drive "if=none,id=payload,file=$2,format=vmdk,snapshot=on" -device 'ide-hd,bus=sata.1,drive=payload'
        -drive "if=none,id=data,file=$3,format=raw,cache=unsafe" -device 'ide-hd,bus=sata.3,drive=data,serial=hab-data')
}
