#!/bin/bash
# Places the controller manager and the scheduler. This master's API server is ready: the controller manager gives up
# after 10 s without one, and its successor then waits for the lease of the first (WaitForAPIServer in
# cmd/kube-controller-manager/app/controllermanager.go).
set -u
. /etc/kubernetes/hab/lib.sh
place kube-controller-manager
place kube-scheduler
mkdir -p /var/lib/hab
: >/var/lib/hab/control-plane
