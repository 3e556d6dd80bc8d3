#!/bin/bash
# Makes this machine the node its Ignition says: kernel modules, payload, network, kernel settings. Runs on every boot.
# No udev and no network daemon run here, so it looks in /sys itself.
set -u
. /etc/kubernetes/hab/lib.sh
say start

# Is this processor emulated by qemu (TCG)? The kernel shows it by the model's name, if it is the one that qemu gives its
# own; systemd also knows qemu's signature. A processor that is passed through (kvm) has its real name and kvm's signature.
emulated() {
    grep -q 'QEMU TCG CPU' /proc/cpuinfo || [ "$(systemd-detect-virt --vm)" = qemu ]
}

# What kind of machine this is, for units' EnvironmentFile.
mkdir -p /run/hab
if emulated; then
    { echo EMULATED=yes && cat /etc/kubernetes/hab/emulated.env; } >/run/hab/machine.env
else
    echo EMULATED=no >/run/hab/machine.env
fi

mapfile -t modules </etc/kubernetes/hab/modules
modprobe --all "${modules[@]}"

if ! bash /etc/kubernetes/hab/payload.sh; then
    say payload-missing
    exit 1
fi

# The network card is known by the hardware address that the plan gave it.
card=''
for address in /sys/class/net/*/address; do
    read -r found <"$address"
    [ "$found" = "$MAC" ] && card=${address%/address} card=${card##*/}
done
if [ -z "$card" ]; then
    say network-card-missing
    exit 1
fi
{
    echo "link set lo up"
    echo "link set $card up"
    echo "address replace $ADDRESS/$PREFIX dev $card"
    # Nothing needs to be behind the gateway, but without a default route a packet to a service address has nowhere to
    # go before kube-proxy's rules see it.
    echo "route replace default via $GATEWAY"
    if [ -e /etc/kubernetes/hab/pods ] && [ -n "${PODS:-}" ]; then
        while read -r range node; do
            [ "$node" = "$ADDRESS" ] || echo "route replace $range via $node"
        done </etc/kubernetes/hab/pods
    fi
} | ip -batch - || {
    say network-failed
    exit 1
}

while read -r key value; do
    echo "$value" >"/proc/sys/$key" || say "sysctl-failed $key"
done </etc/kubernetes/hab/sysctl
say network
