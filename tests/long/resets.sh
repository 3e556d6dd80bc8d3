# Seven machines back to a save again and again. Sourced by run.sh.
# shellcheck shell=bash

echo "-- twenty resets in a row"
rm -rf "${lab:?}" && mkdir -p "$lab"
printf 'lab: lab\nnodes: {etcd: {count: 3}, master: {count: 2, cpus: 1}}\n' >"$lab/hab.yaml"
holds 'hab build' "$hab" --quiet -C "$lab" build
first_up 'vagrant up of seven machines'
stands_so_far
# libvirt's events say when each was stopped, to the millisecond.
ns_root stdbuf -oL virsh -c qemu:///system event --all --loop --timestamp >"$work/events" 2>/dev/null & watching=$!
sleep 2
said=$(ns_user "$hab" -C "$lab" save)
status=$?
claim "hab save of seven machines: $(tail -n 1 <<<"$said")" "$status"
kill "$watching"
# Milliseconds between the first and the last of these that were stopped.
between() {
    awk -v name="$1" '$0 ~ "domain .*" name ".*: Suspended" {
        split($2, at, /[:.+]/)
        now = ((at[1] * 60 + at[2]) * 60 + at[3]) * 1000 + at[4]
        if (!first) first = now
        last = now
    } END {print last - first}' "$work/events"
}
said=$(grep Suspended "$work/events")
# A tenth of the heartbeat that etcd has on an emulated node (ignition/etcd, 1 s).
claim "etcd's three members stood within $(between etcd) ms, all seven within $(between -) ms" "$([ "$(grep -c 'etcd.*Suspended' <<<"$said")" -eq 3 ] && [ "$(between etcd)" -le 100 ]; echo $?)"
broken=0
for ((number = 1; number <= 20; number++)); do
    said=$(ns_user "$hab" -C "$lab" reset 2>&1) || broken=$((broken + 1))
    echo "        $number: $(grep -o 'with the right clock.*' <<<"$said"); $(tail -n 1 <<<"$said")"
done
claim "each ended Ready ($broken did not)" "$broken"
holds 'a pod on each worker resolves the API name and reaches the other' probe

# Killed while memory is written, and all machines stand.
ns_user "$hab" -C "$lab" save cut >"$work/cut" 2>&1 & saving=$!
until grep -q ' memory$' "$work/cut" || ! kill -0 "$saving" 2>/dev/null; do sleep 0.05; done
sleep 1
pkill -KILL -u "$user" -x hab
wait "$saving" 2>/dev/null
said=$(ns_user "$hab" -C "$lab" saves rm cut 2>&1)
claim "a save that was killed is undone: $(head -n 1 <<<"$said")" "$([[ $said == *'was cut off: its machines go on'* ]]; echo $?)"
holds 'and the lab is Ready' ns_user "$hab" -C "$lab" wait

# As a save of three hours ago would have it: each clock goes on by so much at once.
for name in $(nodes name); do
    virsh qemu-agent-command "$(domain "$name")" \
        "{\"execute\": \"guest-set-time\", \"arguments\": {\"time\": $((($(date +%s) + 3 * 3600) * 1000000000))}}" >/dev/null
done
claim 'all clocks go on by three hours' $?
# That of a CoreDNS, in its kubelet's folder. Not by the link to it: in a folder that everybody may write to, the kernel lets
# nobody follow a link of another's (proc(5), protected_symlinks).
token=$(ns_user "$hab" -C "$lab" shell kube-worker-01 -- bash -c \
    'for file in /var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/kube-api-access-*/..data/token; do cat "$file" && echo; done' 2>/dev/null | head -n 1)
holds 'the nodes are Ready' kubectl wait node --all --for=condition=Ready --timeout=300s
holds 'pods resolve names and reach each other' probe
# Without the certificate of the lab's own user, which would come first.
sed '/client-/d' "$lab/out/kubeconfig" >"$work/tokenless" && chown "$user:" "$work/tokenless"
said=$(ns_user "$lab/out/bin/kubectl" --kubeconfig="$work/tokenless" --token="$token" auth whoami --output=jsonpath='{.status.userInfo.username}' 2>&1)
claim "a pod's token of before is good still: $said" "$([[ $said == system:serviceaccount:kube-system:* ]]; echo $?)"
holds 'vagrant destroy' vagrant destroy --force
