#!/bin/bash
# Which connections of a pod begin before its network policies are enforced, and after: beyond the node is another one. Runs in a
# network and a mount namespace of its own. Argument: the node's rules.
set -euo pipefail
. "${BASH_SOURCE%/*}/pod.sh"
for place in pod beyond; do
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
    asks "$1, to a pod" 10.2.0.5 ip netns exec beyond
    asks "$1, from the node" 10.2.0.5
}
look without
load "$1"
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
