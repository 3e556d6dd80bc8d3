#!/bin/bash
# Applies the cluster's own objects. Safe on every boot and on every master at once: server-side apply of the same
# objects by the same manager changes nothing the second time.
set -u
. /etc/kubernetes/hab/lib.sh
# This master's taint comes with its registration, so its labels wait for that.
answers 0 "https://$ADDRESS:6443/api/v1/nodes/$NODE" -cacert "$pki/ca.crt" -cert "$pki/addons.crt" -key "$pki/addons.key"
# All of it by one kubectl: starting that is dear on an emulated processor.
until /opt/hab/bin/kubectl --kubeconfig=/etc/kubernetes/addons.conf apply --server-side --force-conflicts \
    --field-manager=hab --validate=false --filename=/etc/kubernetes/addons \
    --filename=/etc/kubernetes/hab/nodes.yaml >/dev/null; do
    sleep 5
done
say addons
