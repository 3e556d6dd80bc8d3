#!/bin/bash
# Mounts the lab's disk of images, whatever it is called, and has its program mount their layers and tell containerd of them.
# On every boot: mounts do not outlive it, and what containerd knows already costs next to nothing. What fails is tried
# again by systemd.
set -eu
. /etc/kubernetes/hab/lib.sh
trap 'say linked-images-failed' ERR
disk=/run/hab/images
if ! mountpoint -q "$disk"; then
    # Not by /dev/disk/by-partlabel, for not every base runs udev: the kernel itself writes PARTNAME into uevent.
    partition=$(grep --files-with-matches --line-regexp PARTNAME=hab-images /sys/class/block/*/uevent)
    partition=${partition%/uevent}
    options=ro,nosuid,nodev
    # As the payload's, see payload.sh.
    if [ -e /sys/fs/selinux/enforce ] && [ -e /etc/kubernetes/hab/payload-label ]; then
        options+=,context=$(</etc/kubernetes/hab/payload-label)
    fi
    mkdir -p "$disk"
    mount -t squashfs -o "$options" "/dev/${partition##*/}" "$disk"
fi
# loop is for kernels before 6.12.
modprobe --all erofs loop
"$disk/bin/hab-images" link
say linked-images
