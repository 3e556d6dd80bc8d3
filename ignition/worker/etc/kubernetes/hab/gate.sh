#!/bin/bash
# Returns when an API server answers through this worker's own HAProxy. The kubelet and kube-proxy start after that.
set -u
. /etc/kubernetes/hab/lib.sh

# HAProxy's own word on whether a master is up, asked without starting a program.
has_master() {
    local line=''
    exec 3<>/dev/tcp/127.0.0.1/6080 || return 1
    printf 'GET /up HTTP/1.0\r\n\r\n' >&3
    read -t 20 -r line <&3
    exec 3>&-
    [[ $line == *' 200 '* ]]
}

# HAProxy calls its servers up before their first check, so its word alone is not enough.
until (has_master) 2>/dev/null && answers https://127.0.0.1:6443/readyz --cacert "$pki/ca.crt"; do
    sleep 3
done
say api
