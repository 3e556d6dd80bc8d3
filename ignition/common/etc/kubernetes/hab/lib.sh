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

# Does anything listen at address $1, port $2? Without starting a program: gates ask this many times.
listens() {
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# Does the URL answer 200? Arguments: URL, then curl's own. 20 s is ample for one TLS handshake on an emulated machine.
answers() {
    curl --silent --fail --output /dev/null --max-time 20 "${@:2}" "$1"
}

# Puts a staged static pod where the kubelet looks; renamed, so the kubelet never reads half a file.
place() {
    local to=/run/kubernetes/manifests
    mkdir -p "$to" && cp "/etc/kubernetes/staged/$1.yaml" "$to/.$1" && mv "$to/.$1" "$to/$1.yaml"
}
