#!/bin/bash
# Runs the stage of Ignition that formats disks. It asks systemd for them, which does not run yet when all other stages
# do (images/base/debian/initramfs/init).
set -u
. /etc/kubernetes/hab/lib.sh

# A box that tests itself has no data disk.
[ -n "${DATA:-}" ] || exit 0

platform=qemu
for argument in $(</proc/cmdline); do
    case $argument in
    ignition.platform.id=*) platform=${argument#*=} ;;
    esac
done
# Where the config comes on a CD-ROM, init has mounted it.
[ ! -e /run/hab-ignition ] || . /run/hab-ignition

# Ignition prints the whole config when it fails, keys included: only its last words are kept.
for stage in fetch-offline fetch disks; do
    if ! said=$(PATH=/usr/lib/hab:$PATH /usr/lib/hab/ignition --root=/ --platform="$platform" --stage="$stage" \
        --config-cache=/run/ignition.json --log-to-stdout 2>&1); then
        grep '^CRITICAL' <<<"$said"
        say disks-failed
        exit 1
    fi
done
rm -f /run/ignition.json
! mountpoint -q /run/hab-config-drive || umount /run/hab-config-drive
: >/var/lib/hab/disks
