#!/bin/bash
# Returns when an API server answers through this worker's own HAProxy. The kubelet and kube-proxy start after that.
set -u
. /etc/kubernetes/hab/lib.sh

answers 0 "https://127.0.0.1:$API_PORT/readyz" -cacert "$pki/ca.crt"
say api
