# A lab with every addon and a folder of the user's: they come with `vagrant up`, work, change by a roll of the master, and go
# when they are taken out. Sourced by run.sh.
# shellcheck shell=bash

echo "-- a lab with addons"
rm -rf "${lab:?}" && mkdir -p "$lab/manifests/web"
printf 'lab: lab\n' >"$lab/hab.yaml"
holds 'a lab without addons is built' "$hab" --quiet -C "$lab" build
plain=$(box_sums)
of_box() { stat --format=%s "$lab/out/boxes/$1.box"; }
before="$(of_box master) $(of_box worker)"
cat >"$lab/manifests/web/web.yaml" <<'END'
apiVersion: v1
kind: Namespace
metadata: {name: web}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: page, namespace: web}
data: {index.html: first}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: web
        image: localhost/hab/busybox:1
        command: [httpd, -f, -p, "8080", -h, /page]
        env: [{name: VERSION, value: "1"}]
        readinessProbe: {httpGet: {path: /, port: 8080}, timeoutSeconds: 15}
        volumeMounts: [{name: page, mountPath: /page}]
      volumes: [{name: page, configMap: {name: page}}]
END
cat >"$lab/manifests/web/late.yaml" <<'END'
apiVersion: v1
kind: ConfigMap
metadata: {name: late, namespace: web}
END
addons() { # list: hab.yaml with these addons
    printf 'lab: lab\naddons: %s\n' "$1" >"$lab/hab.yaml"
}
addons '[metrics-server, local-path, busybox, manifests/web]'
holds 'hab check has nothing to say' same "$("$hab" -C "$lab" check 2>&1 | grep -c -e warning -e error)" 0
build=$SECONDS
holds "hab build" "$hab" --quiet -C "$lab" build
claim "built: box master ${before% *} -> $(of_box master) bytes, box worker ${before#* } -> $(of_box worker) ($((SECONDS - build)) s)" 0
holds 'the box of etcd is the same as without' same "$(box_sums | grep etcd)" "$(grep etcd <<<"$plain")"
first_up 'vagrant up'
state() { ns_user "$hab" -C "$lab" status --json 2>/dev/null | jq -r --arg name "$1" '.addons[] | select(.name == $name) | .reason'; }
for addon in metrics-server local-path manifests/web; do holds "it has waited for $addon" same "$(state "$addon")" ready; done

answers() { kubectl "$@" >/dev/null 2>&1; }
# The kubelets are asked twice before there is an answer.
holds 'kubectl top nodes answers' retry 60 5 answers top nodes
holds 'for all three' same "$(kubectl top nodes --no-headers | wc -l)" 3
holds 'kubectl top pods answers' retry 60 5 answers -n kube-system top pods
memory() { kubectl top pod --all-namespaces --no-headers | awk -v name="$1" '$2 ~ name {print $4; exit}'; }
claim "memory: metrics-server $(memory metrics-server), local-path-provisioner $(memory local-path-provisioner)" 0

keeper() { kubectl apply --filename="$here/addons.yaml" >/dev/null && kubectl wait pod/keeper --for=condition=Ready --timeout=900s >/dev/null; }
run=$SECONDS
keeper
claim "a pod gets a volume of the default class ($((SECONDS - run)) s)" $?
holds 'its claim is bound' same "$(kubectl get pvc keep --output='jsonpath={.status.phase} {.spec.storageClassName}')" 'Bound local-path'
kept() { kubectl exec keeper -- cat /keep/word </dev/null; }
# shellcheck disable=SC2016 # the pod's shell expands
holds 'it is told something' kubectl exec keeper -- sh -c 'echo kept >/keep/word && sync'
node=$(kubectl get pod keeper --output='jsonpath={.spec.nodeName}')
on_disk() { ns_user "$hab" -C "$lab" shell "$node" -- bash -c 'cat /var/lib/hab/data/var/lib/volumes/*/word'; }
holds 'which is on the data disk of its node' same "$(on_disk)" kept
kubectl delete pod keeper --wait=true >/dev/null
holds 'another pod of the claim runs' keeper
holds 'and has it' same "$(kept)" kept
vagrant reload "$node" >/dev/null
claim 'its node starts again' $?
holds 'the pod runs again' kubectl wait pod/keeper --for=condition=Ready --timeout=600s
holds 'and has it' same "$(kept)" kept

page() { kubectl -n web exec deployment/web -- wget -q -O - http://127.0.0.1:8080/ </dev/null; }
holds "the user's page is there" same "$(page)" first
debug() { kubectl debug "node/$node" --image=localhost/hab/busybox:1 --attach --quiet -- chroot /host cat /etc/hostname </dev/null; }
holds 'kubectl debug of a node has a shell' same "$(debug)" "$node"
pinned() { ns_user "$hab" -C "$lab" shell "$node" -- /opt/hab/bin/ctr --namespace k8s.io images ls "name==localhost/hab/$1:1" | grep -c cri-containerd.pinned=pinned; }
for image in pause busybox; do holds "the kubelet may not remove $image" same "$(pinned $image)" 1; done

# Scaled by somebody, and then other things are said of it.
kubectl -n web scale deployment web --replicas=3 >/dev/null
claim 'somebody scales' $?
sed -i 's/value: "1"/value: "2"/; s/html: first/html: second/' "$lab/manifests/web/web.yaml"
rm "$lab/manifests/web/late.yaml"
addons '[local-path, busybox, manifests/web]'
holds 'the folder says something else, and an addon is taken out' "$hab" --quiet -C "$lab" build
chown -R "$user:" "$lab"
holds 'hab status says that the master is older' same "$(state manifests/web)" stale
roll=$SECONDS
said=$(hab roll --force 2>&1)
claim "hab roll makes master and workers anew ($((SECONDS - roll)) s)" $?
said=''
holds 'hab wait' hab wait
holds 'the new value is there' same "$(kubectl -n web get deployment web --output='jsonpath={.spec.template.spec.containers[0].env[0].value}')" 2
holds "and somebody's number of pods" same "$(kubectl -n web get deployment web --output='jsonpath={.spec.replicas}')" 3
holds 'all of them run' kubectl -n web rollout status deployment/web --timeout=600s
holds 'with the new page' same "$(page)" second
holds 'what was taken out of the folder is gone' tells_apart page late answers -n web get configmap
holds 'metrics-server is gone' tells_apart coredns metrics-server answers -n kube-system get deployment
holds 'and its API' tells_apart v1.apps v1beta1.metrics.k8s.io answers get apiservice
holds 'the pod of the claim runs on the new node' keeper
holds 'and has what it was told' same "$(kept)" kept

addons '[]'
holds 'all are taken out' "$hab" --quiet -C "$lab" build
holds 'the boxes are those of a lab without' same "$(box_sums)" "$plain"
chown -R "$user:" "$lab"
said=$(hab roll --force kube-master-01 2>&1)
claim 'hab roll makes the master anew' $?
said=''
# Controllers remove what is in a namespace.
holds "the user's namespace goes" retry 120 5 tells_apart default web answers get namespace
# An API server with much else to do may let a question wait for too long.
holds 'and the StorageClass' retry 30 10 tells_apart clusterrole/cluster-admin storageclass/local-path answers get
holds 'and hab status has no addons' same "$(ns_user "$hab" -C "$lab" status --json | jq '.addons | length')" 0
holds 'CoreDNS is there' retry 10 10 kubectl -n kube-system rollout status deployment/coredns --timeout=300s
holds 'vagrant destroy' vagrant destroy --force
