#!/bin/bash
# With which address what a pod sends out arrives. Runs in a network and a mount namespace of its own, which is the node;
# another one is the pod, and a third the host, another node and what is outside at once. Argument: the node's rules.
set -euo pipefail
mount -t tmpfs tmpfs /run
ip netns add pod
ip netns add others
ip link set lo up
ip link add cni0 type veth peer name eth0 netns pod
ip address add 10.2.0.1/24 dev cni0
ip link set cni0 up
ip -netns pod address add 10.2.0.5/24 dev eth0
ip -netns pod link set eth0 up
ip -netns pod route add default via 10.2.0.1
ip link add eth0 type veth peer name eth0 netns others
ip address add 192.168.56.101/24 dev eth0
ip link set eth0 up
ip route add default via 192.168.56.1
for address in 192.168.56.1/24 192.168.56.102/24 198.51.100.1/32; do ip -netns others address add "$address" dev eth0; done
ip -netns others link set eth0 up
ip -netns others route add 10.2.0.0/24 via 192.168.56.101
echo 1 >/proc/sys/net/ipv4/ip_forward
# As on every boot.
nft -f "$1"
nft -f "$1"
ip netns exec others python3 -c '
import socketserver
class Answer(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(self.client_address[0].encode())
with socketserver.TCPServer(("0.0.0.0", 9000), Answer) as server:
    print("ready", flush=True)
    for _ in range(3): server.handle_request()' >/run/server &
until grep -qs ready /run/server; do sleep 0.1; done
for to in 192.168.56.1 192.168.56.102 198.51.100.1; do
    ip netns exec pod python3 -c "
import socket
with socket.create_connection(('$to', 9000), 20) as server: print('$to', server.recv(99).decode())"
done
wait
