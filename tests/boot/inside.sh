#!/bin/bash
# Looks at a worker from inside. Arguments: kubectl, kubeconfig, then netns.sh, its room and the user to run as.
# BOOT=second when the node has booted before.
set -uo pipefail
kubectl=$1 kubeconfig=$2 netns=$3 room=$4 user=$5
here=$(cd "$(dirname "$0")" && pwd)
kube() { "$netns" run "$room" "$user" "$kubectl" --kubeconfig="$kubeconfig" --request-timeout=120s "$@"; }
node() { kube exec inside -- /bin/bash -c "$1"; }

kube apply --validate=false --filename="$here/inside.yaml" >/dev/null || exit 1
kube wait pod/inside --for=condition=Ready --timeout=600s >/dev/null || exit 1
# After a reboot the API server may still tell of the container from before it.
for ((try = 0; try < 60; try++)); do
    node true >/dev/null 2>&1 && break
    sleep 5
done
failed=0
# shows what the command prints; the claim holds when that matches the pattern
look() { # claim, pattern, command
    local seen
    seen=$(node "$3" 2>&1)
    if [[ $seen =~ $2 ]]; then echo "        ok      $1"; else
        echo "        FAILED  $1: $seen"
        failed=1
    fi
}
name=$(kube get pod inside --output='jsonpath={.spec.nodeName}')
look 'its host name' "^$name\$" 'cat /host/etc/hostname'
look 'no ssh process' '^none$' 'grep -il ssh /proc/[0-9]*/comm || echo none'
look 'nothing listens on port 22' '^$' 'ss -ltnH "sport = :22"'
look 'HAProxy listens on loopback only' '127\.0\.0\.1:6443' 'ss -ltnH "sport = :6443" | grep -v 127.0.0.1:6443; ss -ltnH "sport = :6443"'
look 'kubelet and kube-proxy speak to loopback only' '^none$' \
    'ss -tnpH state established "dport = :6443" | grep -v haproxy | grep -v "127.0.0.1:6443" | grep . || echo none'
look '/usr can not be written to' 'Read-only' 'touch /host/usr/x'
look 'the payload can not be written to' 'Read-only' 'touch /host/opt/hab/x'
look 'no CA key is on it' '^none$' 'ls /host/etc/kubernetes/pki | grep -x "ca.key" || echo none'
look 'every key is root'"'"'s alone' '^none$' 'find /host/etc/kubernetes -name "*.key" -perm /077 | grep . || echo none'
if [ "${BOOT:-first}" = second ]; then
    look 'Ignition did not run again' '^no$' '[ -e /host/run/hab-first-boot ] && echo yes || echo no'
else
    look 'this was the first boot' '^yes$' '[ -e /host/run/hab-first-boot ] && echo yes || echo no'
fi
exit "$failed"
