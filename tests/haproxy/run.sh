#!/bin/bash
# HAProxy as a worker runs it, in front of three masters that die, are not ready, come back, or are not who they say:
# the payload's own HAProxy, a lab's own haproxy.cfg and certificates, in network namespaces and without a virtual
# machine. As root, or as a user who may make user namespaces. Prints a line for each claim.
# HAPROXY_DIR: a folder with bin/haproxy, and its loader and libraries in lib/; if it is not set, the payload's is made.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# No compiled copies among the sources.
export PYTHONDONTWRITEBYTECODE=1

# Prints the folder of the HAProxy that the lab's payloads carry.
payload_haproxy() { # lab
    if [ -n "${HAPROXY_DIR:-}" ]; then
        realpath "$HAPROXY_DIR"
        return
    fi
    "$hab" --quiet -C "$1" lock
    cargo run --quiet --example payload-haproxy -- "$1"
}

# The rest runs in namespaces of its own, this process being the worker: a bridge with its address, and a link to each
# master. What is mounted here nobody else sees.
inside() { # folder, HAProxy's folder
    local work=$1 haproxy=$2 name address link
    # ip keeps namespaces there, and haproxy.cfg names the place where systemd puts its credentials.
    mount -t tmpfs tmpfs /run
    mkdir -p /run/credentials/haproxy.service
    cp "$work/ca.crt" /run/credentials/haproxy.service/
    ip link set lo up
    ip link add workers type bridge
    ip address add "$(jq -r '"\(.worker.address)/\(.prefix)"' "$work/lab.json")" dev workers
    ip link set workers up
    while read -r name address link; do
        ip netns add "$name"
        ip link add "$link" type veth peer name eth0 netns "$name"
        ip link set "$link" master workers up
        ip -n "$name" address add "$address" dev eth0
        ip -n "$name" link set lo up
        ip -n "$name" link set eth0 up
    done < <(jq -r '.prefix as $prefix | .masters[] | "\(.name) \(.address)/\($prefix) \(.link)"' "$work/lab.json")
    # Its own loader and libraries, as on a node, where they are at /opt/hab/lib.
    local program=("$haproxy/lib/ld.so" --library-path "$haproxy/lib" "$haproxy/bin/haproxy")
    python3 "$here/scenarios.py" "$work" "${program[@]}" -f "$work/haproxy.cfg"
}

if [ "${1:-}" = --inside ]; then
    inside "$2" "$3"
    exit
fi

cd "$root"
cargo build --quiet
hab=${CARGO_TARGET_DIR:-target}/debug/hab
mkdir -p target
work=$(mktemp -d "$root/target/haproxy-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/lab"
printf 'lab: failover\nnodes: {master: {count: 3}, worker: {count: 1}}\n' >"$work/lab/hab.yaml"
"$hab" --quiet -C "$work/lab" render
python3 "$here/unpack.py" "$work/lab" "$work"
haproxy=$(payload_haproxy "$work/lab")

# With its processes in a namespace of their own, none is left behind, however this ends.
namespaces=(--net --mount --propagation private --pid --fork --kill-child --mount-proc)
[ "$(id -u)" -eq 0 ] || namespaces+=(--user --map-root-user)
if ! unshare "${namespaces[@]}" true; then
    echo 'this test makes namespaces: run it as root, or allow user namespaces' >&2
    exit 1
fi
unshare "${namespaces[@]}" bash "$here/run.sh" --inside "$work" "$haproxy"
