# The cluster comes up and its network works. Sourced by run.sh.
# shellcheck shell=bash

echo "-- vagrant up"
up=$SECONDS
vagrant up --provider=libvirt
claim "vagrant up exits 0 when the cluster is Ready ($((SECONDS - up)) s)" $?
kubectl get nodes --output=wide
ready=$(kubectl get nodes --no-headers | awk '$2 == "Ready"' | wc -l)
claim "three nodes are Ready ($ready)" "$([ "$ready" -eq 3 ]; echo $?)"
# Wanted further below; they start meanwhile.
kubectl apply --validate=false --filename="$here/reach.yaml" >/dev/null
probe() { ns_user bash "$root/tests/lib/probe.sh" "$lab/out/bin/kubectl" "$lab/out/kubeconfig"; }
holds 'a pod on each worker resolves the API name and reaches the other' probe
holds 'hab status says that all is Ready' ns_user "$hab" -C "$lab" status
# Now that there is a bridge with machines on it.
holds 'nothing leads out of the namespace beside the lab' tells_apart "$(nodes address worker | head -n 1)" 192.0.2.1 leads_to

mkdir "$work/two" && printf 'lab: two\nnodes: {master: {count: 2}}\n' >"$work/two/hab.yaml" && "$hab" --quiet -C "$work/two" render
contexts=$("$lab/out/bin/kubectl" --kubeconfig="$work/two/out/kubeconfig" config get-contexts --output=name | paste -sd ' ')
claim "every master has a context in the kubeconfig: $contexts" "$([ "$contexts" = 'two two@kube-master-02' ]; echo $?)"

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
kubectl rollout status daemonset/reach --timeout=300s >/dev/null
claim 'pods with a hostPort run on every worker' $?
# The ports of reach.yaml, and one beside each that nobody serves.
while read -r name address; do
    holds "a hostPort of $name is answered by the pod on it" tells_apart 18080 18081 answers "$address" "$name"
    holds "a NodePort is answered through $name" tells_apart 30080 30081 answers "$address" kube-worker
done < <(paste -d ' ' <(nodes name worker) <(nodes address worker))
