#!/bin/bash
# Returns when etcd answers, with the API server's static pod placed. The kubelet starts after that.
set -u
. /etc/kubernetes/hab/lib.sh

# A healthy answer needs a majority behind it, so one member's word is enough.
urls=()
for member in $ETCD; do
    urls+=(-fetch "https://$member:2379/health")
done
/opt/hab/bin/hab-probe any -within 0 -every 2s "${urls[@]}" -cacert "$pki/etcd/ca.crt" \
    -cert "$pki/apiserver-etcd-client.crt" -key "$pki/apiserver-etcd-client.key"
say etcd

# Two API servers that write the first roles and bindings at once slow each other down, so on a first boot the others
# let the first master do it - but not for ever: it may be the one that is broken.
if [ "$ADDRESS" != "$FIRST_MASTER" ] && [ ! -e /var/lib/hab/control-plane ]; then
    answers "${HAB_FIRST_MASTER:-240s}" "https://$FIRST_MASTER:$API_PORT/readyz" -cacert "$pki/ca.crt"
fi
place kube-apiserver
say apiserver-placed
