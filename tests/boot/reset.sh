# hab save, hab reset. Sourced by run.sh.
# shellcheck shell=bash

echo "-- back to Ready in a breath"
# A lab that is kept has its own save, which stays as it is.
save=ready
[ -z "${kept:-}" ] || save=chapter
exists() { kubectl get configmap "$1" >/dev/null 2>&1; }
# A watch that was open before, and what it says after, each line an object; opened anew when it ends, as any client does.
watch() {
    while true; do
        kubectl get configmaps --watch-only --output=name --request-timeout=300s
        sleep 1
    done >"$work/watched" 2>/dev/null
}
# How far the clock of a machine is from the host's, in seconds, as its etcd or API server says it.
skewed() { hab status --json | jq -r '[.nodes[].clock_skew_seconds | select(. != null) | fabs] | max > 2'; }

# How often each container was started again.
restarts() { kubectl get pods --all-namespaces --output='jsonpath={range .items[*]}{.metadata.name}{.status.containerStatuses[*].restartCount}{"\n"}{end}' | sort; }
all_answer() { kubectl wait pods --all --all-namespaces --for=condition=Ready --timeout=60s >/dev/null; }

kubectl create configmap before >/dev/null
were=$(restarts)
said=$(hab save "$save" 2>&1)
status=$?
claim "hab save: $(tail -n 1 <<<"$said")" "$status"
stands_so_far
holds 'the lab is Ready all the while' ns_user "$hab" -C "$lab" status
said=$(ns_root bash -c 'stat --format="%a %U" /var/lib/libvirt/images/*.save-*' | sort --unique)
claim "only root and the hypervisor can read what was saved ($(xargs <<<"$said"))" "$(! grep -v -e '^600 root$' -e '^600 libvirt-qemu$' <<<"$said" && [ -n "$said" ]; echo $?)"
kubectl create configmap after >/dev/null
watch & watching=$!
took=$SECONDS
said=$(hab reset "$save" 2>&1)
status=$?
claim "hab reset: $(tail -n 1 <<<"$said"), $(grep -o 'with the right clock.*' <<<"$said") ($((SECONDS - took)) s, after a boot of $booted s)" "$status"
holds 'an object from before the save is there, one from after is not' tells_apart before after exists
holds 'the pods are there and reach each other' probe
holds 'every pod is Ready' all_answer
holds 'and none was started again' same "$(restarts)" "$were"
claim 'the clocks are right' "$([ "$(skewed)" = false ]; echo $?)"
said=$(ns_user "$hab" -C "$lab" status)
claim 'hab status says which save it runs from' "$([[ $said == *'the lab runs from the save `'"$save"'`'* ]]; echo $?)"
# Its connection is one that the API server does not know any more, which HTTP/2's ping finds out.
for ((try = 0; try < 30; try++)); do
    kubectl create configmap "later-$try" >/dev/null
    sleep 4
    grep -q "configmap/later-" "$work/watched" && break
done
claim "a client that watched before the reset goes on watching, $(((try + 1) * 4)) s later" "$(grep -q configmap/later- "$work/watched"; echo $?)"
kill "$watching"

vagrant destroy --force "$(nodes name worker | tail -n 1)" >/dev/null
said=$(hab reset --keep-clock "$save" 2>&1)
status=$?
claim "a worker was destroyed: hab reset: $(tail -n 1 <<<"$said")" "$status"
holds 'its pods are there, too, and reach the others' probe
claim 'with --keep-clock the clocks are those of the save' "$([ "$(skewed)" = true ]; echo $?)"
# Not while machines build on it.
[ -z "${kept:-}" ] || { hab reset && hab saves rm "$save"; } >/dev/null 2>&1
