# A lab of one master that becomes one of three while clients ask and write, and loses the first. Sourced by run.sh.
# shellcheck shell=bash

# shellcheck source=tests/long/clients.sh
. "$here/clients.sh"

echo "-- one master becomes three"
lab_of() { # masters
    printf 'lab: lab\nnodes: {etcd: {count: 1}, master: {count: %s, cpus: 1}, worker: {count: 1}}\n' "$1" >"$lab/hab.yaml"
    "$hab" --quiet -C "$lab" build && chown -R "$user:" "$lab"
}
rm -rf "${lab:?}" && mkdir -p "$lab"
holds 'hab build' lab_of 1
first_up 'vagrant up of three machines'

was=$(started etcd-01)
holds 'two more masters are rendered' lab_of 3
said=$(hab plan)
claim 'hab plan says which nodes must be made anew, and why' "$(grep -q 'kube-master-01.*kube-apiserver.yaml' <<<"$said" && grep -q 'kube-worker-01.*haproxy.cfg' <<<"$said" && grep -q 'etcd-01.*as planned' <<<"$said"; echo $?)"
clients grow "first=$(address kube-master-01):6443"
up=$SECONDS
vagrant up
claim "vagrant up starts both ($((SECONDS - up)) s)" $?
counted 'while they join'
clients become "masters=$(address kube-master-02):6443,$(address kube-master-03):6443,$(address kube-master-01):6443"
roll=$SECONDS
ns_user timeout --signal=KILL 40 "$hab" -C "$lab" roll --force >/dev/null 2>&1
claim 'a roll is killed after 40 s' "$([ $? -eq 137 ]; echo $?)"
said=$(hab roll --force 2>&1)
status=$?
claim "the next goes on, until the first master and the worker are anew: $(tail -n 1 <<<"$said") ($((SECONDS - roll)) s)" "$status"
counted 'while they are made anew' 'lab@kube-master-02'
said=$(hab roll)
claim "then all is as the lab says: $said" "$([[ $said == 'nothing to do'* ]]; echo $?)"
holds 'the machine of etcd is the one that it was' same "$(started etcd-01)" "$was"
holds 'all is Ready' hab status
third() { kubectl --context='lab@kube-master-03' "$@"; }
ready() { third get nodes --output=json | jq -r '[.items[] | select(any(.status.conditions[]; .type == "Ready" and .status == "True")) | .metadata.name] | join(" ")'; }
holds 'by the word of the third, too' same "$(ready)" 'kube-master-01 kube-master-02 kube-master-03 kube-worker-01'

clients lost "masters=$(address kube-master-01):6443,$(address kube-master-02):6443,$(address kube-master-03):6443"
sleep 10
vagrant destroy --force kube-master-01 kube-master-02
sleep 60
counted 'when two of three masters are lost' 'lab@kube-master-03'
holds 'the third still takes writes' third create configmap alone
holds 'vagrant up brings both back' vagrant up
holds 'vagrant destroy' vagrant destroy --force
