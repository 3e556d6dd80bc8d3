#!/bin/bash
# Mounts the payload: the partition named hab-payload, on whatever disk, read-only at /opt/hab.
# Not by /dev/disk/by-partlabel, for not every base runs udev: the kernel itself writes PARTNAME into uevent.
set -u
options=ro,nosuid,nodev
# Where SELinux is on, what carries no label may not be run; a payload is the same on every base and carries none.
if [ -e /sys/fs/selinux/enforce ] && [ -e /etc/kubernetes/hab/payload-label ]; then
    options+=,context=$(</etc/kubernetes/hab/payload-label)
fi
for uevent in /sys/class/block/*/uevent; do
    name='' device=''
    while IFS='=' read -r key value; do
        case $key in
        PARTNAME) name=$value ;;
        DEVNAME) device=$value ;;
        esac
    done <"$uevent"
    if [ "$name" = hab-payload ] && ! mountpoint -q /opt/hab; then
        mkdir -p /opt/hab && mount -t squashfs -o "$options" "/dev/$device" /opt/hab
    fi
done
mountpoint -q /opt/hab
