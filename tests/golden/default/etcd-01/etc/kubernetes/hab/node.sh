#!/bin/bash
# Makes this machine the node its Ignition says: kernel modules, payload, network, kernel settings. Runs on every boot.
set -u
. /etc/kubernetes/hab/lib.sh
say start

mapfile -t modules < <(cat /etc/kubernetes/hab/modules/*)
modprobe --all "${modules[@]}"

if ! bash /etc/kubernetes/hab/payload.sh; then
    say payload-missing
    exit 1
fi

# What the base leaves to be done, such as the node's own address.
. /etc/kubernetes/hab/base.sh

# The pods' network. An etcd node has no pods.
if [ -e /etc/kubernetes/hab/network.sh ] && ! . /etc/kubernetes/hab/network.sh; then
    say network-failed
    exit 1
fi

while read -r key value; do
    echo "$value" >"/proc/sys/$key" || say "sysctl-failed $key"
done < <(cat /etc/kubernetes/hab/sysctl/*)
say network
