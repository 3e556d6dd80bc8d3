# A small lab that grows to three etcd members, two masters and two workers, is rolled, and loses one of each, while clients
# ask and write through the workers' HAProxies. Sourced by run.sh.
# shellcheck shell=bash

# shellcheck source=tests/long/clients.sh
. "$here/clients.sh"

echo "-- a lab that becomes highly available, and loses a machine of each role"
# Writes and builds the lab with so many etcd members and masters, a limit of the API server's, and so many workers.
lab_of() {
    # A way from the host to a worker's HAProxy, which listens on the loopback only.
    cat >"$lab/relay.ign" <<'END'
{"ignition": {"version": "3.3.0"},
 "storage": {"files": [{"path": "/etc/relay.cfg", "contents": {"source": "data:,defaults%0A%20mode%20tcp%0A%20timeout%20connect%201m%0A%20timeout%20client%201h%0A%20timeout%20server%201h%0Alisten%20relay%0A%20bind%20%2A%3A16443%0A%20server%20haproxy%20127.0.0.1%3A6443%0A"}}]},
 "systemd": {"units": [{"name": "relay.service", "enabled": true, "contents": "[Unit]\nDefaultDependencies=no\nConflicts=shutdown.target\nBefore=shutdown.target\nAfter=hab-node.service\n\n[Service]\nExecStart=/opt/hab/bin/haproxy -db -f /etc/relay.cfg\nRestart=always\nRestartSec=3\n\n[Install]\nWantedBy=hab.target\n"}]}}
END
    printf 'lab: lab\nignition: {worker: relay.ign}\nkubernetes: {apiServer: {extraArgs: {max-requests-inflight: %s}}}\nnodes: {etcd: {count: %s}, master: {count: %s, cpus: 1}, worker: {count: %s}}\n' \
        "$3" "$1" "$2" "${4:-2}" >"$lab/hab.yaml"
    "$hab" --quiet -C "$lab" build && chown -R "$user:" "$lab"
}
through_workers() { clients "$1" "kube-worker-01=$(address kube-worker-01):16443" "kube-worker-02=$(address kube-worker-02):16443"; }
# Each worker's client has been answered by this master.
used() { jq -e --arg master "$1" 'all(.[]; .masters[$master] > 0)' "$round/said" >/dev/null; }

rm -rf "${lab:?}" && mkdir -p "$lab"
holds 'hab build' lab_of 1 1 400
first_up 'vagrant up of four machines'
holds 'pods on both workers reach each other' probe

holds 'two more members of etcd and a second master are rendered' lab_of 3 2 400
said=$(hab plan)
claim 'hab plan says which nodes must be made anew for it' "$(grep -q 'kube-worker-01.*haproxy.cfg' <<<"$said" && grep -q 'kube-master-01.*kube-apiserver.yaml' <<<"$said"; echo $?)"
clients grow "first=$(address kube-master-01):6443"
up=$SECONDS
vagrant up
claim "vagrant up starts the three new machines ($((SECONDS - up)) s)" $?
counted 'while they join'
# A client has more than one way, as the nodes are made anew that it goes through.
clients become "masters=$(address kube-master-02):6443,$(address kube-master-01):6443" \
    "workers=$(address kube-worker-01):16443,$(address kube-worker-02):16443"
roll=$SECONDS
ns_user timeout --signal=KILL 60 "$hab" -C "$lab" roll >/dev/null 2>&1
claim 'a roll is killed after a minute' "$([ $? -eq 137 ]; echo $?)"
said=$(hab roll 2>&1)
status=$?
claim "the next goes on, until the four others are anew: $(tail -n 1 <<<"$said") ($((SECONDS - roll)) s)" "$status"
counted 'while the four others are made anew' 'lab@kube-master-02'
said=$(hab roll)
claim "then all is as the lab says: $said" "$([[ $said == 'nothing to do'* ]]; echo $?)"

holds 'another setting of the API server is rendered' lab_of 3 2 500
said=$(hab roll --dry-run)
claim 'only the masters differ' "$(grep -q kube-master-01 <<<"$said" && grep -q kube-master-02 <<<"$said" && ! grep -q 'etcd-\|worker' <<<"$said"; echo $?)"
through_workers roll
roll=$SECONDS
said=$(hab roll 2>&1)
claim "hab roll makes both masters anew, one after the other: $(tail -n 1 <<<"$said") ($((SECONDS - roll)) s)" $?
counted 'during the roll of all masters'
holds 'through each worker both masters have answered' eval 'used kube-master-01 && used kube-master-02'

second() { kubectl --context='lab@kube-master-02' "$@"; }
endpoints() { second get endpointslices --selector=kubernetes.io/service-name=kubernetes --output='jsonpath={.items[*].endpoints[*].addresses[*]}'; }
said=$(endpoints)
claim "the service kubernetes leads to both masters: $said" "$([[ $said == *"$(address kube-master-01)"* && $said == *"$(address kube-master-02)"* ]]; echo $?)"
through_workers master
sleep 20
vagrant destroy --force kube-master-01
lost=$SECONDS
while [ "$(endpoints)" != "$(address kube-master-02)" ] && ((SECONDS - lost < 60)); do sleep 1; done
claim "$((SECONDS - lost)) s after it is gone it leads to the other alone" "$([ "$(endpoints)" = "$(address kube-master-02)" ]; echo $?)"
while ((SECONDS - lost < 60)); do sleep 1; done
said=$(hab status 2>&1)
claim 'hab status names the master that is gone' "$([[ $? -eq 1 && $said == *kube-master-01* ]]; echo $?)"
counted 'when the first master is lost' 'lab@kube-master-02'
holds 'vagrant up brings it back, and all is Ready' vagrant up
through_workers back
# Its first answers take seconds each.
sleep 60
counted 'after it is back'
# New connections go to where the fewest are.
holds 'it is used again' eval 'jq -e "any(.[]; .masters[\"kube-master-01\"] > 0)" "$round/said" >/dev/null'

leader() {
    local name
    for name in etcd-01 etcd-02 etcd-03; do
        ask_etcd "$name" maintenance/status | jq -e '.leader == .header.member_id' >/dev/null && echo "$name"
    done
}
was=$(leader)
claim "etcd has one leader: $was" "$([[ $was == etcd-0? ]]; echo $?)"
through_workers leader
sleep 20
vagrant destroy --force "$was"
sleep 60
counted "when etcd's leader is lost"
other=$([ "$was" = etcd-01 ] && echo etcd-02 || echo etcd-01)
said=$(hab leave "$other" 2>&1)
claim 'hab leave refuses to take the majority of etcd' "$([[ $? -eq 1 && $said == *"$other stays as it is, for etcd would lose its majority"*"$was"* ]]; echo $?)"
up=$SECONDS
vagrant up "$was" && hab wait
claim "vagrant up makes it a member again ($((SECONDS - up)) s)" $?
holds 'vagrant destroy' vagrant destroy --force
