#!/bin/sh
# Runs the stages of Ignition that a node runs with the config $2, in the root file system $1, which is like a node's. $3 is
# Ignition, if it is not Debian's.
# In a mount namespace of its own. Of the machine itself only its programs are in it, read-only, and two devices.
set -eu
root=$1
mount --bind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
for device in null urandom; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -p "$root/proc/sys/kernel/random" "$root/test"
cp /proc/cmdline "$root/proc/"
cp /proc/sys/kernel/random/boot_id "$root/proc/sys/kernel/random/"
# As the base has it in /usr/lib/hab.
printf '#!/bin/sh\n' >"$root/test/setfiles"
chmod 0755 "$root/test/setfiles"
cp "$2" "$root/run/config.ign"
cp "${3:-/usr/lib/dracut/modules.d/30ignition/ignition}" "$root/test/ignition"
for stage in fetch-offline fetch files; do
    if ! IGNITION_CONFIG_FILE=/run/config.ign PATH=/test:/usr/sbin:/usr/bin chroot "$root" \
        /test/ignition --root=/ --platform=file --stage="$stage" \
        --config-cache=/run/ignition.json --log-to-stdout >"$root/run/log" 2>&1; then
        # A panic has no last word.
        grep -aE '^(CRITICAL|panic:)' "$root/run/log"
        exit 1
    fi
done
