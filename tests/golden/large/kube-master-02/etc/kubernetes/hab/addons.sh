#!/bin/bash
# Applies the cluster's own objects. Safe on every boot and on every master at once: server-side apply of the same
# objects by the same manager changes nothing the second time.
set -u
. /etc/kubernetes/hab/lib.sh

# This master's taint comes with its registration, so its labels wait for that. The nodes come first, for the scheduler
# must know every worker before it places a pod. An object with a field that somebody else has set to another value
# stays as it is, such as a Deployment that was scaled; whatever else goes wrong is tried again.
server=https://$ADDRESS:6443
/opt/hab/bin/hab-probe apply -within 0 -every 2s -when "$server/api/v1/nodes/$NODE" -server "$server" -manager hab \
    -cacert "$pki/ca.crt" -cert "$pki/addons.crt" -key "$pki/addons.key" \
    /etc/kubernetes/hab/nodes.yaml /etc/kubernetes/addons || exit
say addons
