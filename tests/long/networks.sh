# Pod networks: with each that hab brings and that can run here pods of different workers reach each other, a policy lets one
# in and another not, and nodes reach what is outside if the lab says so, and else not. Sourced by run.sh.
# shellcheck shell=bash

# shellcheck source=tests/long/pods.sh
. "$here/pods.sh"

# A place outside of the namespace of the lab, which answers at 198.51.100.2 (RFC 5737) and has a name for itself: as the
# internet does, it knows the way back to the host, and to no node. Arguments: what it runs.
outside() { ns_root ip netns exec outside "$@"; }
begin_outside() {
    # The name of an earlier one may be left.
    ns_root mkdir -p /run/netns && ns_root rm -f /run/netns/outside &&
        ns_root ip netns add outside &&
        ns_root ip link add outside0 type veth peer name eth0 netns outside &&
        ns_root ip address add 198.51.100.1/24 dev outside0 &&
        ns_root ip link set outside0 up &&
        ns_root ip route replace default via 198.51.100.2 &&
        outside ip address add 198.51.100.2/24 dev eth0 &&
        outside ip link set eth0 up &&
        outside ip link set lo up || return 1
    mkdir -p "$work/outside" && echo outside >"$work/outside/index.html"
    # They end with the namespace.
    outside python3 -m http.server --bind 198.51.100.2 --directory "$work/outside" 8000 >"$work/outside.log" 2>&1 &
    outside dnsmasq --keep-in-foreground --no-resolv --no-hosts --bind-interfaces --listen-address=198.51.100.2 \
        --address=/outside.example/198.51.100.2 --pid-file= >"$work/outside-dns.log" 2>&1 &
    # The host's resolver, in the namespace's own mounts: libvirt's dnsmasq asks it when it starts.
    echo 'nameserver 198.51.100.2' >"$work/resolv.conf"
    ns_root mount --bind "$work/resolv.conf" /etc/resolv.conf
}
# A connection that was let in stays: so each question is a new one, until the policy has arrived. Somebody else is let in
# before and after: a machine that is merely slow denies nobody.
only_denied() { web friend 120 && ! web "$1" 20 && web friend 120; }
denied() { retry 20 5 only_denied "$1"; } # pod

echo "-- pod networks, network policies, and the way out"
chown -R "$user:" "$work"
holds 'the namespace starts' "$netns" start "$namespace"
holds 'there is a place outside' begin_outside
holds 'which the host reaches by name' ns_root getent ahostsv4 outside.example

begin_lab 'kubernetes: {networkPolicies: true}' 'network: {internet: true}'
holds 'and says that the lab reaches the internet' grep -q 'its nodes reach the internet' <<<"$said"
said=''
reach_each_other
holds 'a policy is taken' kubectl apply --filename="$here/policy.yaml"
for pod in far near; do holds "$pod is denied" denied "$pod"; done
holds 'friend still reaches web' web friend
holds 'without the policy' kubectl delete --filename="$here/policy.yaml"
for pod in far near; do holds "$pod reaches web again" web "$pod"; done
holds 'a pod reaches what is outside' asks far 300 -fetch http://198.51.100.2:8000/
holds 'by name, too' asks near 300 -resolve outside.example -fetch http://outside.example:8000/
holds 'as the host' eval 'grep -q "^198.51.100.1 " "$work/outside.log" && ! grep -q "^\(10\|192\)\." "$work/outside.log"'
trusts() { ns_user "$hab" -C "$lab" shell kube-worker-01 -- bash -c 'grep -c BEGIN /run/hab/roots.pem; tr "\\0" "\\n" </proc/$(systemctl show --property=MainPID --value containerd)/environ | grep ^SSL_CERT_FILE'; }
holds 'containerd trusts more than a hundred authorities' eval '[ "$(trusts | head -n 1)" -gt 100 ] && trusts | has_line -x SSL_CERT_FILE=/run/hab/roots.pem'
# libvirt's network stays as it was made, whatever hab.yaml says since.
sed -i 's/internet: true/internet: false/' "$lab/hab.yaml"
said=$(hab render 2>&1 && hab wait --older 2>&1)
claim 'hab wait says where the network really leads' "$([[ $? -eq 0 && $said == *'leads out of this host, unlike hab.yaml'* ]]; echo $?)"
said=$(hab roll 2>&1)
claim 'hab roll refuses it' "$([[ $? -eq 1 && $said == *'leads out of this host, unlike hab.yaml'* ]]; echo $?)"
said=''
holds 'before a node is gone' same "$(kubectl get nodes --no-headers | grep -cw Ready)" 3
vagrant halt kube-worker-02 >/dev/null
claim 'vagrant halt' $?
said=$(vagrant up kube-worker-02)
claim 'and vagrant starts no machine on it' "$([[ $? -eq 1 && $said == *'leads out of this host, unlike hab.yaml'* ]]; echo $?)"
said=''
end_lab

begin_lab 'kubernetes: {cni: flannel, networkPolicies: true}'
holds 'and says that no packet leaves' grep -q 'no packet leaves the lab' <<<"$said"
said=''
reach_each_other
holds 'flanneld is ready on each node' kubectl -n kube-flannel rollout status daemonset/kube-flannel-ds --timeout=600s
ranges() { kubectl get nodes --output='jsonpath={range .items[*]}{.metadata.name} {.spec.podCIDR}{"\n"}{end}' | sort; }
planned=$("$hab" -C "$lab" plan --json | jq -r '.nodes[] | select(.pods) | "\(.name) \(.pods)"' | sort)
holds 'nodes have the ranges of the plan' same "$(ranges)" "$planned"
vxlan() { ns_user "$hab" -C "$lab" shell kube-worker-01 -- ip -details link show flannel.1; }
holds 'they speak VXLAN' eval 'vxlan | has_line "vxlan id 1"'
holds 'a policy is taken' kubectl apply --filename="$here/policy.yaml"
for pod in far near; do holds "$pod is denied" denied "$pod"; done
holds 'friend still reaches web' web friend
holds 'nothing outside is reached' tells_apart "http://$address:8080/" http://198.51.100.2:8000/ asks friend 60 -fetch
vagrant reload kube-worker-02 >/dev/null
claim 'a worker starts again' $?
holds 'its pods run again' kubectl wait pod/friend pod/far --for=condition=Ready --timeout=600s
holds 'friend reaches web again' web friend
holds 'and far is still denied' denied far
# A Node that is new: so are its range, its annotations and its end of the VXLAN.
echo 'haproxy: {timeout: {check: 30s}}' >>"$lab/hab.yaml"
said=$(hab render 2>&1 && hab roll --force kube-worker-02 2>&1)
claim 'hab roll makes that worker anew' $?
said=''
holds 'which has the range of the plan again' same "$(ranges)" "$planned"
holds 'four pods run' pods
holds 'friend reaches web from there' web friend
holds 'and far is denied there' denied far
end_lab
