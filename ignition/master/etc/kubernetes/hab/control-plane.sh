#!/bin/bash
# Places the controller manager and the scheduler. This master's API server is ready: the controller manager gives up
# after 10 s without one, and its successor then waits for the lease of the first (WaitForAPIServer in
# cmd/kube-controller-manager/app/controllermanager.go).
set -u
. /etc/kubernetes/hab/lib.sh

# The leases of those that ran here before this boot would keep these waiting until they end.
if [ -e /var/lib/hab/control-plane ]; then
    /opt/hab/bin/hab-probe release -within 60s -every 2s -server "https://$ADDRESS:$API_PORT" -host "$NODE" -cacert "$pki/ca.crt" \
        -cert "$pki/addons.crt" -key "$pki/addons.key" kube-controller-manager kube-scheduler || say leases-kept
fi

# Twice Kubernetes' own times: all machines of a lab share one host. An emulated one has longer ones (emulated.env).
times=(
    -e "s/HAB_LEASE_DURATION/${HAB_LEASE_DURATION:-30s}/"
    -e "s/HAB_LEASE_RENEW/${HAB_LEASE_RENEW:-25s}/"
    -e "s/HAB_LEASE_RETRY/${HAB_LEASE_RETRY:-5s}/"
)
place kube-controller-manager "${times[@]}"
place kube-scheduler "${times[@]}"
mkdir -p /var/lib/hab
: >/var/lib/hab/control-plane
