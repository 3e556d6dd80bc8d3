# A node with a pod, and what lies beyond the node's card. Sourced, in a network and a mount namespace of its own, which is the
# node; the pod is a network namespace of its own, and so is what lies beyond.
# shellcheck shell=bash

mount -t tmpfs tmpfs /run
ip netns add pod
ip netns add beyond
ip link set lo up
ip link add cni0 type veth peer name eth0 netns pod
ip address add 10.2.0.1/24 dev cni0
ip link set cni0 up
ip -netns pod address add 10.2.0.5/24 dev eth0
ip -netns pod link set eth0 up
ip -netns pod route add default via 10.2.0.1
ip link add eth0 type veth peer name eth0 netns beyond
ip address add 192.168.56.101/24 dev eth0
ip link set eth0 up
ip -netns beyond address add 192.168.56.102/24 dev eth0
ip -netns beyond link set eth0 up
ip -netns beyond route add 10.2.0.0/24 via 192.168.56.101
echo 1 >/proc/sys/net/ipv4/ip_forward

# As on every boot: once more, over what is there.
load() { # rules
    nft -f "$1"
    nft -f "$1"
}
