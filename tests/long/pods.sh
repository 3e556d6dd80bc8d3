# Labs of one pod network each, with a server and its clients as pods (networks.yaml). Sourced.
# shellcheck shell=bash

# hab-probe in a pod, which gives up after some seconds; the rest is its arguments.
asks() { # pod, seconds, arguments
    local pod=$1 within=$2
    shift 2
    kubectl exec "$pod" -- /opt/hab/bin/hab-probe check -within "${within}s" "$@" </dev/null >/dev/null 2>&1
}
web() { asks "$1" "${2:-300}" -fetch "http://$address:8080/"; }
begin_lab() { # hab.yaml's lines
    rm -rf "${lab:?}" && mkdir -p "$lab"
    printf '%s\n' 'lab: lab' "$@" >"$lab/hab.yaml"
    cp "$here"/own-network.{conflist,yaml} "$lab/"
    holds "hab build: $*" "$hab" --quiet -C "$lab" build
    chown -R "$user:" "$lab"
    said=$(vagrant up --provider=libvirt)
    claim 'vagrant up exits 0' $?
}
pods() {
    kubectl apply --filename="$here/networks.yaml" >/dev/null &&
        kubectl wait pod/web pod/friend pod/far pod/near --for=condition=Ready --timeout=600s >/dev/null &&
        address=$(kubectl get pod web --output='jsonpath={.status.podIP}')
}
reach_each_other() {
    holds 'pods of both workers resolve names and reach each other' probe
    holds 'four pods run' pods
    for pod in friend far near; do holds "$pod reaches web" web "$pod"; done
}
end_lab() {
    vagrant destroy --force >/dev/null
    claim 'vagrant destroy' $?
    said=''
}
