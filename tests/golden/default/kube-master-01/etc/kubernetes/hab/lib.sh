# What hab's scripts on a node share. Sourced, never run.

# The node's own facts: NODE, ADDRESS, PREFIX, MAC, GATEWAY, and what its role adds.
. /etc/kubernetes/hab/node.env

pki=/etc/kubernetes/pki

# One line of JSON on the serial console for every step, so whoever watches the machine from outside sees how far it is.
# The node's log has it too. A machine without that port loses nothing.
say() {
    local up _
    read -r up _ </proc/uptime
    echo "{\"hab\":\"node\",\"node\":\"$NODE\",\"event\":\"$1\",\"uptime\":$up}"
    (echo "{\"hab\":\"node\",\"node\":\"$NODE\",\"event\":\"$1\",\"uptime\":$up}" >/dev/ttyS0) 2>/dev/null
    return 0
}

# Returns when the URL answers 200, however long that takes. Arguments: how long at most (0: for ever), the URL, then
# hab-probe's own. One process that asks again and again, for starting a program is dear on an emulated processor.
answers() {
    /opt/hab/bin/hab-probe any -within "$1" -every 2s -fetch "$2" "${@:3}"
}

# Puts a staged static pod where the kubelet looks, with what sed's arguments change; renamed, so the kubelet never reads
# half a file, and root's alone, as the staged one is. Arguments: its name, sed's.
place() (
    to=/run/kubernetes/manifests
    alive="/livenessProbe:/,/periodSeconds:/s/\(periodSeconds:\) .*/\1 ${HAB_LIVENESS_PERIOD:-30}/"
    mkdir -p "$to" && umask 077 && sed -e "$alive" "${@:2}" "/etc/kubernetes/staged/$1.yaml" >"$to/.$1" && mv "$to/.$1" "$to/$1.yaml"
)
