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
chown "$user:" "$work"
holds 'the namespace starts' "$netns" start "$namespace"
up=$SECONDS
vagrant up --provider=libvirt
claim "vagrant up of four machines exits 0 when the cluster is Ready ($((SECONDS - up)) s)" $?
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

(umask 077 && sed -n '/^# etcd-client/,$p' "$lab/private/host.pem" >"$work/etcd.pem")
leader() {
    local name
    for name in etcd-01 etcd-02 etcd-03; do
        ns_root curl --silent --cacert "$lab/private/ca/etcd.crt" --cert "$work/etcd.pem" --data '{}' \
            "https://$(address "$name"):2379/v3/maintenance/status" | jq -e '.leader == .header.member_id' >/dev/null && echo "$name"
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

# A pod on the other worker looks a name up again and again; the longest time for one is how long names did not resolve.
pod=$(kubectl get pods --selector=app=hab-probe --field-selector=spec.nodeName=kube-worker-01 --output='jsonpath={.items[0].metadata.name}')
dns=$(kubectl --namespace=kube-system get pods --selector=k8s-app=kube-dns --output='jsonpath={.items[*].spec.nodeName}')
claim "each worker has a CoreDNS: $dns" "$([[ $dns == *kube-worker-01* && $dns == *kube-worker-02* ]]; echo $?)"
lookup() {
    kubectl exec "$pod" -- /opt/hab/bin/hab-probe check -within 150s -resolve kubernetes.default.svc.cluster.local. >/dev/null 2>&1
}
holds 'a name resolves' lookup
vagrant destroy --force kube-worker-02
lost=$SECONDS longest=0 unanswered=0
while ((SECONDS - lost < 120)); do
    before=$SECONDS
    lookup || unanswered=$((unanswered + 1))
    ((SECONDS - before <= longest)) || longest=$((SECONDS - before))
done
claim "without one of them names resolve after at most $longest s" "$([ "$unanswered" -eq 0 ] && [ "$longest" -le 40 ]; echo $?)"
up=$SECONDS
vagrant up
claim "vagrant up brings the worker back ($((SECONDS - up)) s)" $?
holds 'pods on both workers reach each other' probe

kubectl create configmap kept >/dev/null
name=$(hab backup --json | jq -r .name)
kubectl create configmap since >/dev/null
vagrant destroy --force etcd-01 etcd-02 etcd-03 >/dev/null
claim 'all etcd machines are destroyed with their data' "$(! ns_root ls /var/lib/libvirt/images | grep -q 'etcd-0[123][.]data'; echo $?)"
begun=$SECONDS
hab restore "$name"
claim "hab restore with three members and two masters ends when all is Ready ($((SECONDS - begun)) s)" $?
holds 'what was there at the backup is there, and what was written since is not' tells_apart kept since exists
exists_second() { second get configmap "$1" >/dev/null 2>&1; }
holds 'the second master says so, too' tells_apart kept since exists_second

through_workers cut
sleep 30
while read -r name; do virsh destroy "$(domain "$name")"; done < <(nodes name)
touch "$round/stop"
wait "$asking"
up=$SECONDS
vagrant up
claim "after a power cut of all seven machines, while clients write, vagrant up ends Ready ($((SECONDS - up)) s)" $?
kubectl get configmaps --output=name | sed 's,.*/,,' | sort >"$round/there"
said=$(sort "$round/written" | comm -23 - "$round/there" | head -n 5)
claim "all $(wc -l <"$round/written") writes that were acknowledged before it are there" "$([ "$(wc -l <"$round/written")" -gt 20 ] && [ -z "$said" ]; echo $?)"

gone() { ! kubectl get node "$1" >/dev/null 2>&1 && kubectl get node kube-worker-01 >/dev/null; }
said=$(hab leave kube-worker-02 --force 2>&1)
claim 'a worker that is well leaves' "$([[ $? -eq 0 && $said == *'vagrant destroy -f kube-worker-02'* ]]; echo $?)"
holds 'it is no node any more' gone kube-worker-02
said=$(kubectl get pods --all-namespaces --field-selector=spec.nodeName=kube-worker-02 --output=json | jq -r '.items[] | "\(.metadata.ownerReferences[0].kind) \(.metadata.name)"')
claim "of pods it has had only a DaemonSet's: $said" "$([[ $said == 'DaemonSet '* && $said != *ReplicaSet* ]]; echo $?)"
said=$(hab leave kube-master-02 etcd-03 2>&1)
claim 'so do a master and a member of etcd' "$?"
holds 'the master is no node any more' gone kube-master-02
members() { ns_root curl --silent --cacert "$lab/private/ca/etcd.crt" --cert "$work/etcd.pem" --data '{}' "https://$(address etcd-01):2379/v3/cluster/member/list" | jq -r '.members[].name' | sort | xargs; }
holds 'etcd has two members' same "$(members)" 'etcd-01 etcd-02'
vagrant destroy --force kube-worker-02 kube-master-02 etcd-03 >/dev/null
kubectl create configmap fewer >/dev/null && kubectl get configmap kept fewer >/dev/null
claim 'without their machines the cluster goes on' $?
holds 'vagrant destroy' vagrant destroy --force
