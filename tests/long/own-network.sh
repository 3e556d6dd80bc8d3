# A pod network that the user brings: by hab.yaml, and by kubectl into a lab that waits for it. Sourced by run.sh.
# shellcheck shell=bash

# shellcheck source=tests/long/pods.sh
. "$here/pods.sh"

echo "-- pod networks of the user's own"
chown -R "$user:" "$work"
holds 'the namespace starts' "$netns" start "$namespace"
begin_lab 'kubernetes: {cni: {name: files, conflist: own-network.conflist, manifests: [own-network.yaml]}}'
said=''
reach_each_other
end_lab

begin_lab 'kubernetes: {cni: none}'
holds 'and says what the nodes wait for' grep -q 'waits for a pod network' <<<"$said"
said=''
holds 'no node is Ready' same "$(kubectl get nodes --no-headers | grep -cw NotReady)" 3
holds 'a network is brought' kubectl apply --filename="$here/own-network.yaml"
holds 'the cluster becomes Ready' eval 'kubectl wait node --all --for=condition=Ready --timeout=900s >/dev/null && hab wait >/dev/null 2>&1'
reach_each_other
# A roll waits until the node that it makes anew has the network that was brought.
echo 'haproxy: {timeout: {check: 30s}}' >>"$lab/hab.yaml"
said=$(hab render 2>&1 && hab roll --force kube-worker-02 2>&1)
claim 'hab roll makes a worker anew' $?
said=''
holds 'and ends when it is Ready' kubectl wait node/kube-worker-02 --for=condition=Ready --timeout=1s
end_lab
