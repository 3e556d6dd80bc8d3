# Clients that ask and write while a chapter changes or breaks its lab (clients.py). Sourced.
# shellcheck shell=bash

address() { jq -r --arg name "$1" '.nodes[] | select(.name == $name) | .address' "$lab/out/nodes.json"; }
# What a member of etcd answers to the lab's own user.
ask_etcd() { # node, what of its gRPC gateway
    (umask 077 && sed -n '/^# etcd-client/,$p' "$lab/private/host.pem" >"$work/etcd.pem")
    ns_root curl --silent --cacert "$lab/private/ca/etcd.crt" --cert "$work/etcd.pem" --data '{}' "https://$(address "$1"):2379/v3/$2"
}

# Clients that ask until `counted` (clients.py). Arguments: a name for this round, NAME=HOST:PORT...
clients() {
    round=$work/clients-$1
    mkdir "$round" && chown "$user:" "$round"
    kubectl config view --raw --output=json | ns_user python3 "$here/clients.py" "$round" "${@:2}" >"$round/said" 2>"$round/failures" &
    asking=$!
}
# Ends them. No request was lost, all that was acknowledged is there.
counted() { # what happened meanwhile
    touch "$round/stop"
    wait "$asking"
    local status=$? said
    said=$(jq -r '.[] | "\(.through), every \(.every) s: \(.requests) requests, \(.failed) failed at first, \(.lost) lost, no answer for \(.gap) s, by \(.masters)"' "$round/said")
    echo "$said"
    [ "$status" -eq 0 ] && jq -e 'all(.[]; .requests > 10 and .lost == 0)' "$round/said" >/dev/null
    status=$?
    [ "$status" -eq 0 ] || said+=$'\n'$(tail -n 20 "$round/failures")
    claim "$1: no request failed that a retry did not mend" "$status"
    kubectl --context="${2:-lab}" get configmaps --output=name | sed 's,.*/,,' | sort >"$round/there"
    said=$(sort "$round/written" | comm -23 - "$round/there" | head -n 5)
    claim "all $(wc -l <"$round/written") writes that were acknowledged are there" "$([ -s "$round/written" ] && [ -z "$said" ]; echo $?)"
}
