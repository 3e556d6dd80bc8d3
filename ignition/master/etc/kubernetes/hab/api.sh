#!/bin/bash
# Returns when this master's own API server is ready.
set -u
. /etc/kubernetes/hab/lib.sh
answers 0 "https://$ADDRESS:$API_PORT/readyz" -cacert "$pki/ca.crt"
say api
