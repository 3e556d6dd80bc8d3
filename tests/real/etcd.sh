#!/bin/bash
# Members of an etcd cluster that lose their data, are cut off while they join, or come later: join.sh and promote.sh of
# the nodes with a real etcd, each in a network namespace of its own, for etcd asks whether a peer comes from the address
# that its certificate names. Prints a line for each thing that was seen.
# Arguments: a folder with the roots of three etcd nodes, the folder of etcd's programs, hab, the lab.
set -uo pipefail
roots=$1 bin=$2 hab=$3 lab=$4
mount -t tmpfs tmpfs /run
ip link add members type bridge
ip address add 192.168.56.1/24 dev members
ip link set members up
declare -A address=([etcd-01]=192.168.56.11 [etcd-02]=192.168.56.12 [etcd-03]=192.168.56.13) running=() joins=()
for node in "${!address[@]}"; do
    root=$roots/$node
    ip netns add "$node"
    ip link add "$node" type veth peer name eth0 netns "$node"
    ip link set "$node" master members up
    ip -netns "$node" address add "${address[$node]}/24" dev eth0
    ip -netns "$node" link set lo up
    ip -netns "$node" link set eth0 up
    mkdir -p "$root/run/hab" "$root/opt/hab" "$root/var/lib/private" "$root/var/lib/hab/backups"
    ln -s "$bin" "$root/opt/hab/bin"
    sed -i "s#/etc/kubernetes#$root/etc/kubernetes#g; s#/opt/hab#$root/opt/hab#g; s#/var/lib/#$root/var/lib/#g; s#sleep 20#sleep 0.5#; s#/run/hab#$root/run/hab#g; s#/dev/tty#$root/tty#g" \
        "$root"/etc/kubernetes/hab/*.sh
done
trap 'kill "${running[@]}" 2>/dev/null' EXIT

events() { sed -nE 's/.*"event":"([a-z-]+)".*/\1/p'; }
# Runs a script until it succeeds, as the unit does.
script() { # node, script
    for ((try = 0; try < 20; try++)); do
        ip netns exec "$1" timeout 60 bash "$roots/$1/etc/kubernetes/hab/$2.sh" 2>>"$roots/$1/log" && break
        sleep 1
    done | events | xargs
}
# Starts etcd as its unit does, but for what systemd does with keys.
start() { # node
    local root=$roots/$1 pki=$roots/$1/etc/kubernetes/pki/etcd
    # shellcheck disable=SC2046 # a line, a word
    ip netns exec "$1" env $(grep -h '^ETCD_' "$root/etc/kubernetes/etcd.env" "$root/run/hab/etcd.env" 2>/dev/null) \
        ETCD_DATA_DIR="$root/var/lib/private/etcd" ETCD_LISTEN_CLIENT_URLS="https://${address[$1]}:2379" \
        ETCD_CERT_FILE="$pki/server.crt" ETCD_KEY_FILE="$pki/server.key" ETCD_TRUSTED_CA_FILE="$pki/ca.crt" \
        ETCD_PEER_CERT_FILE="$pki/peer.crt" ETCD_PEER_KEY_FILE="$pki/peer.key" ETCD_PEER_TRUSTED_CA_FILE="$pki/ca.crt" \
        "$bin/etcd" >>"$root/log" 2>&1 &
    running[$1]=$!
}
lose() { # node: the machine and its data
    kill -KILL "${running[$1]}"
    wait "${running[$1]}" 2>/dev/null
    unset "running[$1]"
    rm -rf "$roots/$1/var/lib/private/etcd"
}
etcdctl() { # node, then what it is asked
    local pki=$roots/etcd-01/etc/kubernetes/pki/etcd node=$1
    shift
    "$bin/etcdctl" --endpoints="https://${address[$node]}:2379" --cacert="$pki/ca.crt" --cert="$pki/server.crt" --key="$pki/server.key" "$@" 2>>"$roots/log"
}
# Waits until the member answers; without it there is no more to see.
well() { # node
    for ((try = 0; try < 12; try++)); do
        etcdctl "$1" endpoint health >/dev/null && return
        sleep 0.5
    done
    echo "$1 is not well"
    exit
}
# Asks again, for a new leader may have to be found; some tries.
again() {
    for ((try = 0; try < 12; try++)); do
        etcdctl etcd-01 "$@" >/dev/null && return
        sleep 1
    done
    echo "refused: $*"
    exit
}

# Members that have started, and learners among them.
members() { etcdctl etcd-01 member list | awk -F ', ' '$2 == "started" {n++} $6 == "true" {l++} END {print n + 0, "started", l + 0, "learners"}'; }
# What the member itself has, without asking the others.
has() { etcdctl "$1" get --consistency=s --print-value-only "$2"; }

# The first begins; the others see that it does.
for node in "${!address[@]}"; do
    script "$node" join >"$roots/$node/said" &
    joins[$node]=$!
done
for node in etcd-01 etcd-02 etcd-03; do
    wait "${joins[$node]}"
    start "$node"
done
echo "first: $(cat "$roots"/*/said | xargs)"
well etcd-01
echo "first: $(members)"

again put before 1
lose etcd-02
again put after 2
# Told that it may begin, it is refused, and leaves a folder behind.
start etcd-02
wait "${running[etcd-02]}"
[ -d "$roots/etcd-02/var/lib/private/etcd/member" ] && echo "refused"
echo "lost: $(script etcd-02 join)"
start etcd-02
sleep 2
echo "lost: $(script etcd-02 promote)"
well etcd-02
echo "lost: $(members) $(has etcd-02 before) $(has etcd-02 after)"
echo "kept: $(script etcd-02 join)$(script etcd-02 promote)$(cat "$roots/etcd-02/run/hab/etcd.env")"

lose etcd-03
echo "cut off: $(script etcd-03 join)"
echo "cut off: $(script etcd-03 join)$(grep -c STATE=existing "$roots/etcd-03/run/hab/etcd.env")"
start etcd-03
sleep 2
echo "cut off: $(script etcd-03 promote)"
well etcd-03
echo "cut off: $(members)"

for node in etcd-02 etcd-03; do
    # Refused until the others have been connected for some seconds.
    for ((try = 0; try < 12; try++)); do
        "$hab" --quiet -C "$lab" leave "$node" 2>>"$roots/log" && break
        sleep 1
    done
    lose "$node"
    well etcd-01
done
echo "one: $(members)"
# While the one that is there is halted, nobody begins without it.
kill "${running[etcd-01]}"
wait "${running[etcd-01]}"
ip netns exec etcd-02 timeout 8 bash "$roots/etcd-02/etc/kubernetes/hab/join.sh" >/dev/null
echo "halted: $?"
start etcd-01
well etcd-01
for node in etcd-02 etcd-03; do
    echo "grown: $(script "$node" join)"
    start "$node"
    sleep 2
    echo "grown: $(script "$node" promote)"
    well "$node"
done
echo "grown: $(members) $(has etcd-03 after)"

# Of the member that answers.
lose etcd-01
for ((try = 0; try < 12; try++)); do
    backup=$("$hab" -C "$lab" backup --json 2>>"$roots/log" | jq -r .path) && [ -n "$backup" ] && break
    sleep 1
done
echo "backup: $(stat --format=%a "$backup") $("$bin/etcdutl" snapshot status "$backup" --write-out=json | jq '.totalKey >= 2')"
# What a node keeps by itself.
EVERY=0 KEEP=2 ip netns exec etcd-03 timeout 8 bash "$roots/etcd-03/etc/kubernetes/hab/backup.sh" 2>>"$roots/log"
kept=("$roots"/etcd-03/var/lib/hab/backups/*)
echo "kept: ${#kept[@]} $("$bin/etcdutl" snapshot status "${kept[1]}" --write-out=json | jq '.totalKey >= 2')"
