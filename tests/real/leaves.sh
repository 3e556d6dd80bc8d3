#!/bin/bash
# With which address what a pod sends out arrives: beyond the node are the host, another node and what is outside at once. Runs
# in a network and a mount namespace of its own. Argument: the node's rules.
set -euo pipefail
. "${BASH_SOURCE%/*}/pod.sh"
ip route add default via 192.168.56.1
for address in 192.168.56.1/24 198.51.100.1/32; do ip -netns beyond address add "$address" dev eth0; done
load "$1"
ip netns exec beyond python3 -c '
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
