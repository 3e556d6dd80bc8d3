#!/bin/bash
# Mounts the data disk, and puts the folders in the place of this root's own whose content must outlive it:
# /etc/kubernetes/hab/data/* name each with its mode.
set -u
. /etc/kubernetes/hab/lib.sh

disk=/var/lib/hab/data
mkdir -p "$disk"
# udev, where it runs, may be busy with it.
for ((try = 0; try < 100; try++)); do
    [ ! -e "$DATA" ] || break
    sleep 0.1
done
mountpoint -q "$disk" || mount -t ext4 -o noatime "$DATA" "$disk" || exit 1
# The disk may have grown since. Does nothing if it has not.
resize2fs "$DATA" >/dev/null 2>&1 || echo "the file system on $DATA does not grow"
while read -r mode folder; do
    mkdir -p "$disk$folder" "$folder" && chmod "$mode" "$disk$folder" || exit 1
    mountpoint -q "$folder" || mount --bind "$disk$folder" "$folder" || exit 1
    # Where SELinux is on: what was just formatted carries no labels, and what is made in a folder gets the folder's.
    [ ! -e /sys/fs/selinux/enforce ] || restorecon "$folder"
done < <(cat /etc/kubernetes/hab/data/*)
# Refused by a kubelet that has other settings or processors than the one that wrote them; a new machine has no pods to
# which they belong.
[ ! -e /run/hab-first-boot ] || rm -f /var/lib/kubelet/{cpu,memory}_manager_state
# From memory to where it is kept.
journalctl --flush
