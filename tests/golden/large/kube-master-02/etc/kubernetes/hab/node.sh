#!/bin/bash
# Makes this machine the node its Ignition says: kernel modules, payload, network, kernel settings. Runs on every boot.
set -u
. /etc/kubernetes/hab/lib.sh
# On the console only the kernel's errors come between a node's lines, whatever the boot loader says (printk(9)).
echo 4 >/proc/sys/kernel/printk
say start

# Is this processor emulated by qemu (TCG)? The kernel shows it by the model's name, if it is the one that qemu gives its
# own; systemd also knows qemu's signature. A processor that is passed through (kvm) has its real name and kvm's signature.
emulated() {
    grep -q 'QEMU TCG CPU' /proc/cpuinfo || [ "$(systemd-detect-virt --vm)" = qemu ]
}

# What kind of machine this is, for units' EnvironmentFile.
mkdir -p /run/hab /var/lib/hab
if emulated; then
    { echo EMULATED=yes && cat /etc/kubernetes/hab/emulated.env; } >/run/hab/machine.env
    # Go's runtime looks after its threads every 20 microseconds while one of them is in a system call (runtime/proc.go,
    # sysmon). System calls are slow here, so it would nearly always, for a quarter of the processor's time. All that is
    # started from now on inherits this slack, in nanoseconds (proc_pid_timerslack_ns(5)), and is woken 250 times a second at most.
    echo 4000000 >/proc/1/timerslack_ns
else
    echo EMULATED=no >/run/hab/machine.env
fi

mapfile -t modules < <(cat /etc/kubernetes/hab/modules/*)
modprobe --all "${modules[@]}"

if ! bash /etc/kubernetes/hab/payload.sh; then
    say payload-missing
    exit 1
fi

# Not every base has an initramfs of hab's, which notes both of these itself.
[ -e /var/lib/hab/provisioned ] || : >/run/hab-first-boot
# A box that tests itself has no data disk.
if [ -n "${DATA:-}" ] && ! bash /etc/kubernetes/hab/data.sh; then
    say data-missing
    exit 1
fi

. /etc/kubernetes/hab/address.sh

# Folders of the host's, each by its tag.
if [ -e /etc/kubernetes/hab/folders ]; then
    while read -r tag folder; do
        mkdir -p "$folder"
        mountpoint -q "$folder" || mount -t virtiofs -o ro "$tag" "$folder" || {
            say "folder-missing $folder"
            exit 1
        }
    done </etc/kubernetes/hab/folders
fi

# The pods' network. An etcd node has no pods.
if [ -e /etc/kubernetes/hab/network.sh ] && ! . /etc/kubernetes/hab/network.sh; then
    say network-failed
    exit 1
fi

while read -r key value; do
    echo "$value" >"/proc/sys/$key" || say "sysctl-failed $key"
done < <(cat /etc/kubernetes/hab/sysctl/*)
[ -e /var/lib/hab/provisioned ] || : >/var/lib/hab/provisioned
say network
