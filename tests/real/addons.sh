#!/bin/bash
# What masters apply, leave alone and remove: a master's own call of hab-probe with a real API server and a real etcd, both
# started as on a node, at the addresses that they have in the lab. Prints a line for each thing that was seen.
# Arguments: a folder, the folders of the programs of etcd, of the API server and of hab-probe, hab, the lab.
set -uo pipefail
work=$1 etcd=$2 kubernetes=$3 probe=$4 hab=$5 lab=$6
here=$(cd "$(dirname "$0")" && pwd)
mkdir "$work"
mount -t tmpfs tmpfs /run
ip link set lo up
for address in 192.168.56.11 192.168.56.31; do ip address add "$address/32" dev lo; done
server=https://192.168.56.31:6443
running=()
# The API server would wait for an etcd that has gone.
trap 'kill -KILL "${running[@]}" 2>/dev/null' EXIT

# A node as its config makes it, with the paths of scripts and manifests moved into the folder.
node() { # name
    rm -rf "${work:?}/$1"
    python3 "$here/addons.py" unpack "$lab/out/ignition/$1.ign" "$work/$1"
    local file
    for file in kubernetes/hab/{lib.sh,addons.sh,addons.env} kubernetes/staged/kube-apiserver.yaml systemd/system/hab-lab-addons.service; do
        # Not every node has all of them.
        [ ! -e "$work/$1/etc/$file" ] ||
            sed -i "s#/etc/kubernetes#$work/$1/etc/kubernetes#g; s#/opt/hab/bin#$probe#g; s#/dev/tty#$work/tty#g" "$work/$1/etc/$file" || return
    done
}
pki=$work/kube-master-01/etc/kubernetes/pki
ask() { python3 "$here/addons.py" "$1" "$server" "$pki" "${@:2}"; }
get() { ask GET "$1" | sed 's/^[0-9]* //' | jq -r "${2:-.}"; }
code() { ask GET "$1" | cut -c 1-3; }
merge() { ask PATCH "$1" "$2" application/merge-patch+json | cut -c 1-3; }
# What the master's two units do.
first() { timeout 120 bash "$work/kube-master-01/etc/kubernetes/hab/addons.sh" 2>>"$work/log" >"$work/said" || echo "first failed"; }
rest() { # seconds
    local root=$work/kube-master-01/etc
    # shellcheck disable=SC1091,SC2046 # a line, a word
    (
        . "$root/kubernetes/hab/node.env" && . "$root/kubernetes/hab/addons.env" || exit
        export ADDRESS API_PORT ADDONS
        eval "timeout ${1:-120} $(sed -n 's/^ExecStart=//p' "$root/systemd/system/hab-lab-addons.service")"
    ) 2>>"$work/log" >>"$work/said"
}
# The lab as it is now on a new machine, on its first boot (node.sh says that it is).
anew() {
    "$hab" --quiet -C "$lab" render && node kube-master-01 && : >/run/hab-first-boot && first && rest "$@"
    local status=$?
    rm -f /run/hab-first-boot
    return "$status"
}
notes=/api/v1/namespaces/kube-system/configmaps/hab-addons
addons() { "$hab" -C "$lab" status --json 2>>"$work/log" | jq -r '.addons[] | "\(.name) \(.reason) \(.message)"'; }

node etcd-01
node kube-master-01
root=$work/etcd-01/etc/kubernetes
# shellcheck disable=SC2046 # a line, a word
env $(grep -h '^ETCD_' "$root/etcd.env") ETCD_DATA_DIR="$work/etcd" ETCD_LISTEN_CLIENT_URLS=https://192.168.56.11:2379 \
    ETCD_CERT_FILE="$root/pki/etcd/server.crt" ETCD_KEY_FILE="$root/pki/etcd/server.key" ETCD_TRUSTED_CA_FILE="$root/pki/etcd/ca.crt" \
    ETCD_PEER_CERT_FILE="$root/pki/etcd/peer.crt" ETCD_PEER_KEY_FILE="$root/pki/etcd/peer.key" \
    ETCD_PEER_TRUSTED_CA_FILE="$root/pki/etcd/ca.crt" ETCD_INITIAL_CLUSTER_STATE=new "$etcd/etcd" >"$work/etcd.log" 2>&1 &
running+=($!)
mapfile -t flags < <(sed -nE 's/^    - (--[^ ]+)$/\1/p' "$work/kube-master-01/etc/kubernetes/staged/kube-apiserver.yaml")
"$kubernetes/kube-apiserver" "${flags[@]}" >"$work/api.log" 2>&1 &
running+=($!)
for ((try = 0; try < 240; try++)); do
    [ "$(code /readyz 2>/dev/null)" = 200 ] && break
    sleep 0.5
done
echo "the API server is ready: $(code /readyz)"

first
echo "first: $(jq -r 'select(.event) | .event' "$work/said" | xargs), $(get "$notes" '.data.objects' | wc -l) objects noted"
echo "user's folders are left to the other unit: $(code /api/v1/namespaces/web)"
rest
echo "rest: $? $(code /api/v1/namespaces/web) $(code /apis/example.org/v1/namespaces/web/widgets/one)"
version() { get "$1" .metadata.resourceVersion; }
deployment=/apis/apps/v1/namespaces/web/deployments/web
before="$(version $deployment) $(version $notes)"
first && rest
[ "$before" = "$(version $deployment) $(version $notes)" ] && echo "again: nothing is written"
addons | sed 's/^/status: /'
# As a controller would say.
merge "$deployment/status" '{"status": {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "readyReplicas": 2, "availableReplicas": 2}}' >/dev/null
addons | sed 's/^/status: /'

cp -a "$work/kube-master-01" "$work/older"
# Somebody scales, changes a container, and adds a label; then the folder says other things of the same object.
echo "scaled: $(merge "$deployment/scale" '{"spec": {"replicas": 5}}')"
ask PATCH "$deployment?fieldManager=somebody" '{"metadata": {"labels": {"mine": "1"}}, "spec": {"template": {"spec": {"containers": [{"name": "side", "image": "example.org/side:mine"}]}}}}' application/strategic-merge-patch+json >/dev/null
merge /api/v1/namespaces/kube-system/configmaps/coredns '{"data": {"Corefile": "mine"}}' >/dev/null
sed -i 's#web:1#web:2#; s#side:1#side:2#; s#tier: front#tier: back#' "$lab/manifests/web/web.yaml"
# The last object: four lines.
sed -i -n -e ':all; $!{N; b all}; s/\(\n[^\n]*\)\{4\}$//p' "$lab/manifests/web/web.yaml"
anew
echo "changed: $? $(get $deployment '[.spec.replicas, (.spec.template.spec.containers[] | .image), .metadata.labels.tier, .metadata.labels.mine] | map(tostring) | join(" ")')"
echo "a Corefile of somebody's: $(get /api/v1/namespaces/kube-system/configmaps/coredns .data.Corefile)"
echo "taken out of a file: $(code /api/v1/namespaces/web/configmaps/gone), and not noted any more: $(get $notes .data.objects | grep -c gone)"
# A master that was made before the change starts again.
mv "$work/kube-master-01" "$work/newer" && mv "$work/older" "$work/kube-master-01"
first && rest
echo "an older master: $? $(get $deployment '.spec.template.spec.containers[0].image') $(code /api/v1/namespaces/web/configmaps/gone)"
rm -r "$work/kube-master-01" && mv "$work/newer" "$work/kube-master-01"

# Another version of its kind is the same object; one that somebody has made anew in its place is not.
uid() { get "$1" .metadata.uid; }
scaler=/apis/autoscaling/v2/namespaces/web/horizontalpodautoscalers/web
before=$(uid $scaler)
sed -i 's#autoscaling/v2#autoscaling/v1#' "$lab/manifests/web/scaler.yaml"
anew
[ "$before" = "$(uid $scaler)" ] && echo "another version: the same object, noted as $(get $notes .data.objects | grep -c autoscaling/v1) of $(get $notes .data.objects | grep -c autoscaling)"
own=/api/v1/namespaces/web/configmaps/own
ask DELETE "$own" >/dev/null
ask POST "/api/v1/namespaces/web/configmaps?fieldManager=somebody" '{"metadata": {"name": "own"}, "data": {"a": "mine"}}' >/dev/null
rm "$lab/manifests/web/own.yaml"
anew
echo "somebody's own: $(get "$own" .data.a)"

# What the API server does not take.
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad, namespace: web}\ndata: {a: [1]}\n' >"$lab/manifests/late/bad.yaml"
anew 12
echo "refused: $(addons | cut -c 1-110 | tail -n 1)"
rm "$lab/manifests/late/bad.yaml"
anew
echo "mended: $(addons | tail -n 1)"

# One folder is taken out, then all.
sed -i 's#manifests/web, manifests/late#manifests/late#' "$lab/hab.yaml"
anew 12
echo "a folder less: $(code $deployment) $(code $scaler) $(code /apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.org) $(code /api/v1/namespaces/default/configmaps/late) $(get /api/v1/namespaces/web '.metadata.deletionTimestamp != null')"
sed -i '/^addons:/d' "$lab/hab.yaml"
"$hab" --quiet -C "$lab" render && node kube-master-01 && first
echo "none: $(code /api/v1/namespaces/default/configmaps/late), $(get $notes '.data | keys | join(" ")'), $(get $notes .data.objects | wc -l) objects noted, status: $(addons | wc -l) addons"
[ ! -e "$lab/out/addons.json" ] && [ "$(code /apis/apps/v1/namespaces/kube-system/deployments/coredns)" = 200 ] && echo "and what every lab has is there"
