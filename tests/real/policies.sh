#!/bin/bash
# Which connections of a pod begin before its network policies are enforced, and after. Runs in a network and a mount
# namespace of its own, which is the node; another one is the pod, and a third another node. Argument: the node's rules.
set -euo pipefail
mount -t tmpfs tmpfs /run
ip netns add pod
ip netns add other
ip link set lo up
ip link add cni0 type veth peer name eth0 netns pod
ip address add 10.2.0.1/24 dev cni0
ip link set cni0 up
ip -netns pod address add 10.2.0.5/24 dev eth0
ip -netns pod link set eth0 up
ip -netns pod route add default via 10.2.0.1
ip link add eth0 type veth peer name eth0 netns other
ip address add 192.168.56.101/24 dev eth0
ip link set eth0 up
ip -netns other address add 192.168.56.102/24 dev eth0
ip -netns other link set eth0 up
ip -netns other route add 10.2.0.0/24 via 192.168.56.101
echo 1 >/proc/sys/net/ipv4/ip_forward
for place in pod other; do
    ip netns exec "$place" python3 -c '
import socketserver
class Answer(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(b"here")
with socketserver.TCPServer(("0.0.0.0", 9000), Answer) as server:
    print("ready", flush=True)
    server.serve_forever()' >"/run/$place.said" &
    servers+=("$!")
    until grep -qs ready "/run/$place.said"; do sleep 0.1; done
done
trap 'kill "${servers[@]}"' EXIT
asks() { # words, address, what runs it...
    local words=$1 to=$2
    shift 2
    "$@" python3 -c "
import socket
try:
    with socket.create_connection(('$to', 9000), 2) as server: print('$words:', server.recv(9).decode())
except TimeoutError: print('$words: nothing')"
}
look() {
    asks "$1, from a pod" 192.168.56.102 ip netns exec pod
    asks "$1, to a pod" 10.2.0.5 ip netns exec other
    asks "$1, from the node" 10.2.0.5
}
look without
# As on every boot.
nft -f "$1"
nft -f "$1"
look before
# What the program's first rules begin with (syncNFTablesRules in pkg/networkpolicy/controller.go of
# kube-network-policies); none of its policies is about this pod.
nft -f - <<'RULES'
add table inet kube-network-policies
delete table inet kube-network-policies
add table inet kube-network-policies
add chain inet kube-network-policies postrouting { type filter hook postrouting priority srcnat - 5; }
RULES
look after
