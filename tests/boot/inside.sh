#!/bin/bash
# Looks at masters and workers from inside. Arguments: kubectl, kubeconfig, nodes.json, then netns.sh, its room and the
# user to run as. BOOT=second when the nodes have booted before.
set -uo pipefail
kubectl=$1 kubeconfig=$2 nodes=$3 netns=$4 room=$5 user=$6
here=$(cd "$(dirname "$0")" && pwd)
kube() { "$netns" run "$room" "$user" "$kubectl" --kubeconfig="$kubeconfig" --request-timeout=120s "$@"; }
node() { kube exec "$pod" -- /bin/bash -c "$1" </dev/null; }

kube apply --validate=false --filename="$here/inside.yaml" >/dev/null || exit 1
many=$(jq '[.nodes[] | select(.role != "etcd")] | length' "$nodes")
kube wait daemonset/inside --for="jsonpath={.status.numberReady}=$many" --timeout=600s >/dev/null || exit 1
failed=0
# shows what the command prints; the claim holds when that matches the pattern
look() { # claim, pattern, command
    local seen
    seen=$(node "$3" 2>&1)
    if [[ $seen =~ $2 ]]; then echo "        ok      $name: $1"; else
        echo "        FAILED  $name: $1: $seen"
        failed=1
    fi
}
while read -r name role; do
    pod=$(kube get pods --selector=app=inside --field-selector="spec.nodeName=$name" --output='jsonpath={.items[0].metadata.name}')
    # After a reboot the API server may still tell of the container from before it.
    for ((try = 0; try < 60; try++)); do
        node true >/dev/null 2>&1 && break
        sleep 5
    done
    look 'its host name' "^$name\$" 'cat /host/etc/hostname'
    look 'no ssh process' '^none$' 'grep -il ssh /proc/[0-9]*/comm || echo none'
    look 'nothing listens on port 22' '^$' 'ss -ltnH "sport = :22"'
    look 'no CA key is on it' '^none$' 'find /host/etc/kubernetes -name "*ca.key" | grep . || echo none'
    look 'every key is root'"'"'s alone' '^none$' 'find /host/etc/kubernetes -name "*.key" -perm /077 | grep . || echo none'
    if [ "${BOOT:-first}" = second ]; then
        look 'Ignition did not run again' '^no$' '[ -e /host/run/hab-first-boot ] && echo yes || echo no'
    else
        look 'this was the first boot' '^yes$' '[ -e /host/run/hab-first-boot ] && echo yes || echo no'
    fi
    domain=$("$netns" run "$room" root virsh -q -c qemu:///system dumpxml "hab-$(jq -r .lab "$nodes")-$name")
    case $domain in
    *"<domain type='kvm'"*) emulated=no ;;
    *"<domain type='qemu'"*) emulated=yes ;;
    *) emulated='which nothing says' ;;
    esac
    look "it knows whether it is emulated ($emulated)" "^EMULATED=$emulated\$" 'head -n 1 /host/run/hab/machine.env'
    [ "$role" = worker ] || continue
    look 'HAProxy listens on loopback only' '127\.0\.0\.1:6443' 'ss -ltnH "sport = :6443" | grep -v 127.0.0.1:6443; ss -ltnH "sport = :6443"'
    look 'kubelet and kube-proxy speak to loopback only' '^none$' \
        'ss -tnpH state established "dport = :6443" | grep -v haproxy | grep -v "127.0.0.1:6443" | grep . || echo none'
    look '/usr can not be written to' 'Read-only' 'touch /host/usr/x'
    look 'the payload can not be written to' 'Read-only' 'touch /host/opt/hab/x'
    look 'a unit of the lab'"'"'s own snippet runs' '^active$' 'cat /host/run/mine'
done < <(jq -r '.nodes[] | select(.role != "etcd") | "\(.name) \(.role)"' "$nodes")
exit "$failed"
