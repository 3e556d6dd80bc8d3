#!/bin/bash
# Returns when etcd answers, with the API server's static pod placed. The kubelet starts after that.
set -u
. /etc/kubernetes/hab/lib.sh

# A healthy answer needs a majority behind it, so one member's word is enough.
etcd_answers() {
    local member
    for member in $ETCD; do
        listens "$member" 2379 && answers "https://$member:2379/health" --cacert "$pki/etcd/ca.crt" \
            --cert "$pki/apiserver-etcd-client.crt" --key "$pki/apiserver-etcd-client.key" && return
    done
    return 1
}
until etcd_answers; do
    sleep 2
done
say etcd

# Two API servers that write the first roles and bindings at once slow each other down, so on a first boot the others
# let the first master do it - but not for ever: it may be the one that is broken.
if [ "$ADDRESS" != "$FIRST_MASTER" ] && [ ! -e /var/lib/hab/control-plane ]; then
    for ((second = 0; second < 240; second += 3)); do
        listens "$FIRST_MASTER" 6443 && answers "https://$FIRST_MASTER:6443/readyz" --cacert "$pki/ca.crt" && break
        sleep 3
    done
fi
place kube-apiserver
say apiserver-placed
