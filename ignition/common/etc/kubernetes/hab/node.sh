#!/bin/bash
# Makes this machine the node its Ignition says: kernel modules, payload, network, kernel settings. Runs on every boot.
# No udev and no network daemon run here, so it looks in /sys itself.
set -u
. /etc/kubernetes/hab/lib.sh
say start

mapfile -t modules </etc/kubernetes/hab/modules
modprobe --all "${modules[@]}"

# The payload is the partition named hab-payload, on whatever disk. The kernel writes PARTNAME into uevent.
for uevent in /sys/class/block/*/uevent; do
    name='' device=''
    while IFS='=' read -r key value; do
        case $key in
        PARTNAME) name=$value ;;
        DEVNAME) device=$value ;;
        esac
    done <"$uevent"
    if [ "$name" = hab-payload ] && ! mountpoint -q /opt/hab; then
        mkdir -p /opt/hab && mount -t squashfs -o ro,nosuid,nodev "/dev/$device" /opt/hab
    fi
done
mountpoint -q /opt/hab || { say payload-missing; exit 1; }

# The network card is known by the hardware address that the plan gave it.
card=''
for address in /sys/class/net/*/address; do
    read -r found <"$address"
    [ "$found" = "$MAC" ] && card=${address%/address} card=${card##*/}
done
[ -n "$card" ] || { say network-card-missing; exit 1; }
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
} | ip -batch - || { say network-failed; exit 1; }

while read -r key value; do
    echo "$value" >"/proc/sys/$key" || say "sysctl-failed $key"
done </etc/kubernetes/hab/sysctl
say network
