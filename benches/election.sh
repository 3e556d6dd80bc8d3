#!/bin/bash
# How long an etcd cluster takes no write after its leader is lost, without any virtual machine: three members as processes of
# this host, five times with a node's own times and five with those of an emulated node. What it takes longer in an emulated lab
# is what the emulation costs.
#
# Needs what `hab build` has left in the cache. Usage: benches/election.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/benches/time.sh"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hab
program() { find "$cache/go-programs" -type f -name "$1" -perm -u+x -print -quit; }
etcd=$(program etcd) etcdctl=$(program etcdctl)
if [ -z "$etcd" ] || [ -z "$etcdctl" ]; then
    echo "there is no etcd in $cache: run hab build first" >&2
    exit 1
fi
work=$(mktemp -d)
declare -A running=()
clean() {
    kill -KILL "${running[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap clean EXIT

members=one=http://127.0.0.1:23801,two=http://127.0.0.1:23802,three=http://127.0.0.1:23803
declare -A port=([one]=1 [two]=2 [three]=3)
start() { # member, file of its times
    # shellcheck disable=SC2046 # a line, a word
    env $(grep -E '^ETCD_(HEARTBEAT|ELECTION)' "$2") "$etcd" --name="$1" --data-dir="$work/$1" --initial-cluster="$members" \
        --listen-peer-urls="http://127.0.0.1:2380${port[$1]}" --initial-advertise-peer-urls="http://127.0.0.1:2380${port[$1]}" \
        --listen-client-urls="http://127.0.0.1:2379${port[$1]}" --advertise-client-urls="http://127.0.0.1:2379${port[$1]}" \
        >>"$work/log" 2>&1 &
    running[$1]=$!
    # Else bash says of each that it was killed.
    disown
}
ask() { # members, then what they are asked
    local endpoints
    # shellcheck disable=SC2086 # words
    endpoints=$(for name in $1; do echo "http://127.0.0.1:2379${port[$name]}"; done | paste -sd ,)
    shift
    "$etcdctl" --endpoints="$endpoints" --command-timeout=1s "$@" 2>>"$work/log"
}
well() { until ask 'one two three' endpoint health >/dev/null; do sleep 0.2; done; }
written() { until ask "$others" put key value >/dev/null; do :; done; }
leader() {
    local name
    for name in one two three; do
        ask "$name" endpoint status --write-out=json |
            jq --raw-output --arg name "$name" '.[0].Status | select(.leader == .header.member_id) | $name'
    done
}

echo "load: $(awk '{print $1}' /proc/loadavg)"
for times in templates/etcd/etc/kubernetes/etcd.env ignition/common/etc/kubernetes/hab/emulated.env; do
    rm -rf "$work"/{one,two,three}
    for name in one two three; do start "$name" "$root/$times"; done
    well
    grep -E '^ETCD_(HEARTBEAT|ELECTION)' "$root/$times" | paste -sd ' '
    for _ in 1 2 3 4 5; do
        # So that nobody's own clock is at its beginning.
        sleep "1.$((RANDOM % 10))"
        lost=$(leader) others=''
        for name in one two three; do [ "$name" = "$lost" ] || others+=" $name"; done
        kill -KILL "${running[$lost]}"
        timed written
        echo "  no write for $(seconds "$took")"
        start "$lost" "$root/$times"
        well
    done
    kill -KILL "${running[@]}"
    sleep 1
done
