#!/bin/bash
# A pod's host port, as a node's CNI plugins make it. Runs in a network and a mount namespace of its own, which is the
# node; another one is the host, and a third the pod. Arguments: the list of plugins, their folder, hab-probe.
set -euo pipefail
list=$1 probe=$3
export CNI_PATH=$2 CNI_CONTAINERID=pod CNI_NETNS=/run/netns/pod CNI_IFNAME=eth0

mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
ip netns add host
ip netns add pod
ip link set lo up
ip link add eth0 type veth peer name eth0 netns host
ip address add 192.168.56.101/24 dev eth0
ip link set eth0 up
ip -netns host address add 192.168.56.1/24 dev eth0
ip -netns host link set eth0 up
ip route add default via 192.168.56.1
echo 1 >/proc/sys/net/ipv4/ip_forward

# Calls every plugin of the list, as containerd does: with the ports if it says that it takes them, and with what those
# before it made.
plugins() { # ADD or DEL, the plugins' numbers in order
    local command=$1 number config
    shift
    for number in "$@"; do
        config=$(jq --compact-output --argjson number "$number" --argjson made "$made" '
            .plugins[$number] + {cniVersion, name}
            + (if $made then {prevResult: $made} else {} end)
            + (if .plugins[$number].capabilities.portMappings
               then {runtimeConfig: {portMappings: [{hostPort: 8088, containerPort: 80, protocol: "tcp"}]}}
               else {} end)' "$list")
        config=$(CNI_COMMAND=$command "$CNI_PATH/$(jq --raw-output .type <<<"$config")" <<<"$config")
        [ "$command" = DEL ] || made=$config
    done
}
# What a URL answers, within three seconds.
ask() { # the namespace's command, URL
    local word=no
    $1 "$probe" check -within 3s -fetch "$2" >/dev/null && word=yes
    echo "$word $2"
}

made=null
mapfile -t numbers < <(jq '.plugins | keys | .[]' "$list")
mapfile -t back < <(jq '.plugins | keys | reverse | .[]' "$list")
plugins ADD "${numbers[@]}"
ip netns exec pod "$probe" serve -listen :80 &
server=$!
trap 'kill "$server"' EXIT
# The pod itself first: what does not answer there says nothing of ports.
pod=$(jq --raw-output '.ips[0].address | split("/")[0]' <<<"$made")
ask '' "http://$pod/"
ask 'ip netns exec host' http://192.168.56.101:8088/
ask '' http://127.0.0.1:8088/
ask '' http://192.168.56.101:8088/
ask 'ip netns exec pod' http://192.168.56.101:8088/
plugins DEL "${back[@]}"
ask 'ip netns exec host' http://192.168.56.101:8088/
