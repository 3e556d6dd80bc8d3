#!/bin/bash
# Applies the cluster's own objects. Safe on every boot and on every master at once: server-side apply of the same
# objects by the same manager changes nothing the second time.
set -u
. /etc/kubernetes/hab/lib.sh
kubectl() { /opt/hab/bin/kubectl --kubeconfig=/etc/kubernetes/addons.conf "$@"; }
apply() {
    until kubectl apply --server-side --force-conflicts --field-manager=hab --validate=false --filename="$1" >/dev/null; do
        sleep 5
    done
}
apply /etc/kubernetes/addons
say addons
# This master's taint comes with its registration, so its labels wait for that.
until kubectl get node "$NODE" --output=name >/dev/null 2>&1; do
    sleep 5
done
apply /etc/kubernetes/hab/nodes.yaml
say labels
