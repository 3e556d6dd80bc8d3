# A cluster that goes back to a backup, with a worker that has joined since. Sourced by run.sh.
# shellcheck shell=bash

echo "-- backup and restore"
# Writes and builds the lab with so many workers. Its ports, an address and its audit policy are not the usual ones.
lab_of() {
    cat >"$lab/hab.yaml" <<END
lab: lab
kubernetes:
  apiServer: {port: 443, auditPolicy: audit.yaml}
  etcd: {backup: {keep: 2, everyMinutes: 2}}
haproxy: {port: 7443}
nodes:
  master: {override: {"01": {address: 192.168.56.50}}}
  worker: {count: $1, override: {"01": {forwardedPorts: [{host: 18080, guest: 30080}]}}}
END
    cat >"$lab/audit.yaml" <<'END'
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  verbs: [create]
  resources: [{group: "", resources: [configmaps]}]
- level: None
END
    "$hab" --quiet -C "$lab" build && chown -R "$user:" "$lab"
}
rm -rf "${lab:?}" && mkdir -p "$lab"
holds 'hab build' lab_of 1
first_up 'vagrant up'
kubectl create configmap before >/dev/null
claim 'the cluster takes writes, at another address and port' "$([ $? -eq 0 ] && grep -q 'server: "\?https://192.168.56.50:443"\?$' "$lab/out/kubeconfig"; echo $?)"
audit() { kubectl get --raw /api/v1/nodes/kube-master-01/proxy/logs/kubernetes/audit/audit.log 2>/dev/null; }
audited() { audit | jq -r 'select(.stage == "ResponseComplete" and .verb == "create" and .objectRef.resource == "configmaps").objectRef.name' | has_line -x "$1"; }
holds 'the audit log has it' tells_apart before since audited
holds 'and nothing that the policy leaves out' same "$(audit | jq -r '.verb' | sort -u)" create
holds 'pods resolve names' probe
kubectl create service nodeport probe --tcp=8080 --node-port=30080 >/dev/null && kubectl set selector service/probe app=hab-probe >/dev/null
claim 'a service has a port of every node' $?
# A node answers at this port of the host's.
answers() { ns_user curl --silent --max-time 20 "http://127.0.0.1:$1/" | has_line kube-worker; }
retry 12 5 answers 18080
holds 'which the host forwards' tells_apart 18080 18081 answers
name=$(hab backup --json | jq -r .name)
said=$(hab backups)
claim "hab backup: $(tail -n 1 <<<"$said")" "$([[ $said == *"$name"* ]] && [ "$(stat --format=%a "$lab/private/backups/$name.db")" = 600 ]; echo $?)"
kubectl create configmap since >/dev/null
holds 'a worker more is rendered' lab_of 2
holds 'and started' vagrant up

was=$(started kube-master-01 kube-worker-01)
begun=$SECONDS
hab restore "$name"
claim "hab restore ends when all is Ready ($((SECONDS - begun)) s)" $?
holds 'what was there at the backup is there, and what was written since is not' tells_apart before since exists
holds 'no machine that the backup knows was started anew, but for etcd' same "$(started kube-master-01 kube-worker-01)" "$was"
# Whoever watches has seen that all is new: a controller makes pods, a scheduler places them, kubelets start them.
kubectl create deployment after --image=localhost/hab/pause:1 --replicas=2 >/dev/null
holds 'a deployment that is made now gets its pods' kubectl rollout status deployment/after --timeout=300s
holds 'pods on all workers reach each other' probe

kubectl create configmap again >/dev/null
begun=$SECONDS
hab restore "$name"
claim "the same backup once more ($((SECONDS - begun)) s)" $?
holds 'what was written in between is gone, too' tells_apart before again exists
kubectl create deployment after --image=localhost/hab/pause:1 --replicas=2 >/dev/null
holds 'and pods are made' kubectl rollout status deployment/after --timeout=300s

said=$(hab backup --from etcd-01 2>&1)
claim "the disk of a machine that runs is not read: $said" "$([[ $said == *'vagrant halt etcd-01'* ]]; echo $?)"
vagrant halt etcd-01
said=$(hab backup --from etcd-01 2>&1)
claim "what an etcd node has kept by itself is taken from its disk: $(tail -n 1 <<<"$said")" "$([[ $said == *'backed up as '* ]]; echo $?)"
echo damage >>"$lab/private/backups/$name.db"
said=$(hab restore "$name" 2>&1)
claim "a backup that is damaged is refused: $said" "$([[ $said == *'is no whole backup'* ]]; echo $?)"
holds 'before anything is taken away' vagrant up
holds 'vagrant destroy' vagrant destroy --force
