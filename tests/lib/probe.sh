#!/bin/bash
# Shows that a cluster's network works: a pod on every worker looks up the API server's name and fetches from the pods
# on all other workers. Arguments: kubectl, kubeconfig. Prints a line for each thing seen; exits 1 when one fails.
set -euo pipefail
kubectl() { "$KUBECTL" --kubeconfig="$CONFIG" --request-timeout=120s "$@"; }
KUBECTL=$1 CONFIG=$2

kubectl apply --validate=false --filename="$(dirname "$0")/probe.yaml" >/dev/null
workers=$(kubectl get nodes --selector=node-role.kubernetes.io/worker --output=name | wc -l)
kubectl wait daemonset/hab-probe --for="jsonpath={.status.numberReady}=$workers" --timeout=900s >/dev/null
pods=$(kubectl get pods --selector=app=hab-probe \
    --output='jsonpath={range .items[*]}{.spec.nodeName} {.metadata.name} {.status.podIP}{"\n"}{end}')
failed=0
while read -r node pod _; do
    ask=(-resolve kubernetes.default.svc.cluster.local)
    others=()
    while read -r other _ address; do
        if [ "$other" != "$node" ]; then
            ask+=(-fetch "http://$address:8080/")
            others+=("$other")
        fi
    done <<<"$pods"
    # After a reboot the API server may still tell of the containers from before it: ask again.
    for ((try = 0; try < 30; try++)); do
        answer=$(kubectl exec "$pod" -- /opt/hab/bin/hab-probe check -within 300s "${ask[@]}" </dev/null 2>&1) && break
        sleep 10
    done
    if ((try < 30)); then
        echo "a pod on $node resolves kubernetes.default.svc.cluster.local${others[*]:+ and reaches the pods on ${others[*]}}"
    else
        echo "a pod on $node FAILED: $answer"
        failed=1
    fi
done <<<"$pods"
exit "$failed"
