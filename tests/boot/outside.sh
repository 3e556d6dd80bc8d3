# The cluster as it is seen from outside. Sourced by run.sh.
# shellcheck shell=bash

echo "-- from outside of the cluster"
# What an HTTP server there answers, asked from the host's end of the lab's network.
fetch() { # address, port
    # shellcheck disable=SC2016 # the inner shell expands
    ns_user timeout 20 bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf "GET / HTTP/1.0\r\n\r\n" >&3 && cat <&3' "$1" "$2" 2>/dev/null
}
# Succeeds if the answer has the text in it.
answers() { # address, text, port
    [[ $(fetch "$1" "$3") == *"$2"* ]]
}
kubectl rollout status daemonset/hab-probe --timeout=300s >/dev/null
claim 'pods with a hostPort run on every worker' $?
# The ports of probe.yaml and reach.yaml, and one beside each that nobody serves.
while read -r name address; do
    holds "a hostPort of $name is answered by the pod on it" tells_apart 18080 18081 answers "$address" "$name"
    holds "a NodePort is answered through $name" tells_apart 30080 30081 answers "$address" kube-worker
done < <(paste -d ' ' <(nodes name worker) <(nodes address worker))
