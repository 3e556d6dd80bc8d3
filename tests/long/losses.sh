# A lab of three members of etcd, two masters and two workers that loses a CoreDNS, all of etcd, its power, and nodes that
# leave. Sourced by run.sh.
# shellcheck shell=bash

# shellcheck source=tests/long/clients.sh
. "$here/clients.sh"

echo "-- a highly available lab that loses what it has"
rm -rf "${lab:?}" && mkdir -p "$lab"
printf 'lab: lab\nnodes: {etcd: {count: 3}, master: {count: 2, cpus: 1}}\n' >"$lab/hab.yaml"
holds 'hab build' "$hab" --quiet -C "$lab" build
first_up 'vagrant up of seven machines'
holds 'pods on both workers reach each other' probe

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
claim 'all etcd machines are destroyed with their data' "$(! ns_root ls /var/lib/libvirt/images | has_line 'etcd-0[123][.]data'; echo $?)"
begun=$SECONDS
hab restore "$name"
claim "hab restore with three members and two masters ends when all is Ready ($((SECONDS - begun)) s)" $?
holds 'what was there at the backup is there, and what was written since is not' tells_apart kept since exists
second() { kubectl --context='lab@kube-master-02' "$@"; }
exists_second() { second get configmap "$1" >/dev/null 2>&1; }
holds 'the second master says so, too' tells_apart kept since exists_second

clients cut "masters=$(address kube-master-01):6443,$(address kube-master-02):6443"
sleep 60
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
members() { ask_etcd etcd-01 cluster/member/list | jq -r '.members[].name' | sort | xargs; }
holds 'etcd has two members' same "$(members)" 'etcd-01 etcd-02'
vagrant destroy --force kube-worker-02 kube-master-02 etcd-03 >/dev/null
kubectl create configmap fewer >/dev/null && kubectl get configmap kept fewer >/dev/null
claim 'without their machines the cluster goes on' $?
holds 'vagrant destroy' vagrant destroy --force
