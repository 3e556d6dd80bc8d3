#!/bin/bash
# Looks at masters and workers from inside. Arguments: kubectl, kubeconfig, nodes.json, "first" or "second" for the boot
# that this is, then netns.sh, its state folder and the user to run as.
# Where something must be absent, the same command first shows what it finds when it is there.
set -uo pipefail
kubectl=$1 kubeconfig=$2 nodes=$3 boot=$4 netns=$5 namespace=$6 user=$7
here=$(cd "$(dirname "$0")" && pwd)
kube() { "$netns" run "$namespace" "$user" "$kubectl" --kubeconfig="$kubeconfig" --request-timeout=120s "$@"; }
node() { kube exec "$pod" -- /bin/bash -c "$1" </dev/null; }

kube apply --validate=false --filename="$here/inside.yaml" >/dev/null || exit 1
# The addresses of two services, and one in their range that is none's.
api=$(kube get service kubernetes --output='jsonpath={.spec.clusterIP}')
dns=$(kube --namespace=kube-system get service --selector=k8s-app=kube-dns --output='jsonpath={.items[0].spec.clusterIP}')
[ -n "$api" ] && [ -n "$dns" ] || exit 1
many=$(jq '[.nodes[] | select(.role != "etcd")] | length' "$nodes")
kube wait daemonset/inside --for="jsonpath={.status.numberReady}=$many" --timeout=600s >/dev/null || exit 1
# The claim holds when all that the command prints matches the pattern. All commands of a node are run at once, by `seen`:
# on an emulated machine each `kubectl exec` takes seconds.
look() { # claim, pattern, command
    claims+=("$1") patterns+=("$2") commands+="($3) 2>&1; printf '\\n%s\\n' $mark;"
}
seen() {
    local text all number
    all=$(node "$commands" 2>&1)
    for number in "${!claims[@]}"; do
        text=${all%%$'\n'"$mark"*}
        all=${all#*$'\n'"$mark"}
        all=${all#$'\n'}
        # What the command printed, without the end of its last line, as $() gives it.
        text=${text%$'\n'}
        if [[ $text =~ ^(${patterns[number]})$ ]]; then echo "        ok      $name: ${claims[number]}"; else
            echo "        FAILED  $name: ${claims[number]}: $text"
            failed=1
        fi
    done
}
# All that is looked at on one node. It exits 1 when something is not as it should be.
look_at() { # name, role
    local name=$1 role=$2 failed=0 pod try logs domain emulated mark=--seen-- commands='' claims=() patterns=()
    pod=$(kube get pods --selector=app=inside --field-selector="spec.nodeName=$name" --output='jsonpath={.items[0].metadata.name}')
    # After a reboot the API server may still tell of the container from before it.
    for ((try = 0; try < 60; try++)); do
        node true >/dev/null 2>&1 && break
        sleep 5
    done
    look 'kubectl exec reaches it: its host name' "$name" 'cat /host/etc/hostname'
    logs=$(kube logs "$pod" 2>&1)
    if [[ $logs == "inside $name" ]]; then echo "        ok      $name: kubectl logs reaches it"; else
        echo "        FAILED  $name: kubectl logs: $logs"
        failed=1
    fi
    look 'no ssh process, as there is a kubelet' $'kubelet\n--' \
        'named() { grep -hi "$1" /proc/[0-9]*/comm | sort -u; }; named kubelet; echo --; named ssh'
    look 'nothing listens on port 22, as something does on 10250' $'[1-9]\n0' \
        'listens() { ss -ltnH "sport = :$1" | wc -l; }; listens 10250; listens 22'
    look 'no CA key is on it, but CA certificates are' $'[1-9]\n0' \
        'files() { find /host/etc/kubernetes -name "$1" | wc -l; }; files "*ca.crt"; files "*ca.key"'
    look 'every key is root'"'"'s alone, which certificates are not' $'[1-9][0-9]*\n[1-9][0-9]*\n0' \
        'files() { find /host/etc/kubernetes -name "$@" | wc -l; }; files "*.key"; files "*.crt" -perm /077; files "*.key" -perm /077'
    if [ "$boot" = second ]; then
        look 'Ignition did not run again' 'systemd' 'ls /host/run | grep -x -e hab-first-boot -e systemd'
    else
        look 'this was the first boot' $'hab-first-boot\nsystemd' 'ls /host/run | grep -x -e hab-first-boot -e systemd'
    fi
    look 'what is read-only can not be written to, what is not can' $'0\n1 .*Read-only file system\n1 .*Read-only file system' \
        'for folder in run usr opt/hab; do said=$(touch "/host/$folder/hab-test" 2>&1); echo $? $said; done'
    domain=$("$netns" run "$namespace" root virsh -q -c qemu:///system dumpxml "hab-$(jq -r .lab "$nodes")-$name")
    case $domain in
    *"<domain type='kvm'"*) emulated=no ;;
    *"<domain type='qemu'"*) emulated=yes ;;
    *) emulated='which nothing says' ;;
    esac
    look "it knows whether it is emulated ($emulated)" "EMULATED=$emulated" 'head -n 1 /host/run/hab/machine.env'
    look 'the addresses of services work on it, and no other of their range' $'yes\nyes\nno' \
        "for at in $api/443 $dns/53 ${api%.*}.251/443; do timeout 10 bash -c \": </dev/tcp/\$at\" 2>/dev/null && echo yes || echo no; done"
    if [ "$role" = worker ]; then
        look 'HAProxy listens on loopback only' '127\.0\.0\.1:6443' 'ss -ltnH "sport = :6443" | awk "{print \$4}" | sort -u'
        # The kubelet's and kube-proxy's to HAProxy, and HAProxy's to the masters: there is no third kind.
        look 'kubelet and kube-proxy speak to loopback only, HAProxy to masters' $'haproxy out\nkube-proxy loopback\nkubelet loopback' \
            'ss -tnpH state established "dport = :6443" | sed -E "s/.* ([0-9.]+):6443 +users:\(\(\"([^\"]+)\".*/\2 \1/; s/ 127\.0\.0\.1$/ loopback/; s/ [0-9.]+$/ out/" | sort -u'
        look 'a unit of the lab'"'"'s own snippet runs' 'active' 'cat /host/run/mine'
    fi
    seen
    return "$failed"
}

# Side by side: most of it is waiting for one answer after the other.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
declare -A looks
while read -r name role; do
    look_at "$name" "$role" >"$work/$name" 2>&1 </dev/null &
    looks[$name]=$!
done < <(jq -r '.nodes[] | select(.role != "etcd") | "\(.name) \(.role)"' "$nodes")
failed=0
for name in "${!looks[@]}"; do
    wait "${looks[$name]}" || failed=1
    cat "$work/$name"
done
exit "$failed"
