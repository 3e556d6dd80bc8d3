#!/bin/bash
# Applies the cluster's own objects. Safe on every boot and on every master at once: server-side apply of the same
# objects by the same manager changes nothing the second time.
set -u
. /etc/kubernetes/hab/lib.sh
# This master's taint comes with its registration, so its labels wait for that.
answers 0 "https://$ADDRESS:6443/api/v1/nodes/$NODE" -cacert "$pki/ca.crt" -cert "$pki/addons.crt" -key "$pki/addons.key"

# All of it by one kubectl: starting that is dear on an emulated processor. The nodes come first, for the scheduler must
# know every worker before it places a pod. Without force: an object with a field that somebody else has set to another
# value stays as it is, such as a Deployment that was scaled. kubectl calls that a conflict and fails when it has done
# the rest; whatever else it says has to be tried again.
apply() {
    local said
    said=$(/opt/hab/bin/kubectl --kubeconfig=/etc/kubernetes/addons.conf apply --server-side \
        --field-manager=hab --validate=false --filename=/etc/kubernetes/hab/nodes.yaml \
        --filename=/etc/kubernetes/addons 2>&1 >/dev/null) && return
    echo "$said"
    [[ $said == *'Apply failed with '* && -z $(sed '/Apply failed with [0-9]* conflict/,/#conflicts$/d' <<<"$said") ]]
}
until apply; do
    sleep 5
done
say addons
