# The cluster comes up, and its network works. Sourced by run.sh.
# shellcheck shell=bash

echo "-- vagrant up"
up=$SECONDS
vagrant up --provider=libvirt
status=$? booted=$((SECONDS - up))
claim "vagrant up exits 0 when the cluster is Ready ($booted s)" "$status"
consoles
stands_so_far
kubectl get nodes --output=wide
ready=$(kubectl get nodes --no-headers | awk '$2 == "Ready"' | wc -l)
claim "three nodes are Ready ($ready)" "$([ "$ready" -eq 3 ]; echo $?)"
# Wanted by later chapters; they start meanwhile, and are part of what is saved.
kubectl apply --validate=false --filename="$here/reach.yaml" --filename="$here/inside.yaml" >/dev/null
holds 'a pod on each worker resolves the API name and reaches the other' probe
holds 'hab status says that all is Ready' ns_user "$hab" -C "$lab" status
consoles
stands_so_far
# Now that there is a bridge with machines on it.
holds 'nothing leads out of the namespace beside the lab' tells_apart "$(nodes address worker | head -n 1)" 192.0.2.1 leads_to

mkdir "$work/two" && printf 'lab: two\nnodes: {master: {count: 2}}\n' >"$work/two/hab.yaml" && "$hab" --quiet -C "$work/two" render
contexts=$("$lab/out/bin/kubectl" --kubeconfig="$work/two/out/kubeconfig" config get-contexts --output=name | paste -sd ' ')
claim "every master has a context in the kubeconfig: $contexts" "$([ "$contexts" = 'two two@kube-master-02' ]; echo $?)"
