# Three etcd members, two masters, two workers; a master is switched off and comes back. Sourced by run.sh.
# shellcheck shell=bash

echo "-- a highly available lab"
mkdir -p "$lab"
printf 'lab: lab\nnodes: {etcd: {count: 3}, master: {count: 2, cpus: 1}, worker: {count: 2}}\n' >"$lab/hab.yaml"
"$hab" --quiet -C "$lab" build
claim 'hab build' $?
chown -R "$user:" "$work"
holds 'the namespace starts' "$netns" start "$namespace"
up=$SECONDS
vagrant up --provider=libvirt
claim "vagrant up of seven machines exits 0 when the cluster is Ready ($((SECONDS - up)) s)" $?

# A pod on each worker that asks the API server through that worker's own HAProxy, again and again, each try once.
kubectl apply --validate=false --filename="$here/asks.yaml" >/dev/null
kubectl rollout status daemonset/asks --timeout=600s >/dev/null
claim 'a pod on each worker asks the API server through its HAProxy' $?
second() { kubectl --context='lab@kube-master-02' "$@"; }
ns_root virsh -q -c qemu:///system destroy "$(domain kube-master-01)" >/dev/null
claim 'the first master is switched off' $?
lost=$SECONDS
said=$(ns_user "$hab" -C "$lab" status 2>&1)
claim 'hab status names it, and says that its machine is off' "$([[ $? -eq 1 && $said == *kube-master-01*off* ]]; echo $?)"
# Until every worker's pod had an answer again; long enough for an emulated machine's checks.
answered() {
    local pod
    for pod in $(second get pods --selector=app=asks --output='jsonpath={.items[*].metadata.name}'); do
        second logs "$pod" --since=10s 2>/dev/null | grep -q '"ok":true' || return 1
    done
}
for ((try = 0; try < 60; try++)); do
    answered && break
    sleep 5
done
answered
claim "through every worker the API answers without it ($((SECONDS - lost)) s after)" $?
second create configmap kept --from-literal=a=b
claim 'and takes writes' $?
holds 'vagrant up brings it back, and all is Ready' vagrant up
holds 'what was written meanwhile is there' same "$(kubectl get configmap kept --output='jsonpath={.data.a}')" b
