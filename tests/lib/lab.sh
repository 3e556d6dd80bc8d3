# A lab for tests with virtual machines: an ordinary user's, in a network namespace with no way out. Sourced, after
# install.sh and claims.sh; needs `root`, the repository's folder, and root's rights. What it makes is removed at the end,
# but with `kept`, the name of a folder for it.
# shellcheck shell=bash

needs_root

# An ordinary user in the group libvirt, with a home closed to others; everything of the lab is that user's.
user=hab-tester
made=''
id "$user" >/dev/null 2>&1 || { useradd --create-home --groups libvirt --shell /bin/bash "$user" && made=1; }
home=$(getent passwd "$user" | cut -d : -f 6)
chmod 0700 "$home"
# A lab that is kept has a folder of its own, for the next run.
folder=$home/${kept:-$$}
work=$folder/work namespace=$folder/namespace
mkdir -p "$work"
install -m 0755 "$root/target/release/hab" "$work/hab"
hab=$work/hab lab=$work/lab
cache=${XDG_CACHE_HOME:-$HOME/.cache}/hab

# What the machines and the cluster said of a boot that went wrong, where claims failed: a kernel that panics takes its
# reason with it.
consoles() {
    local log
    [ "$failed" -gt 0 ] || return 0
    kubectl get pods --all-namespaces --output=wide
    kubectl get events --all-namespaces --sort-by=.lastTimestamp | tail -n 40 | cut -c 1-250
    for log in "$lab"/out/console/*.log; do
        echo "        the last words of $(basename "$log" .log):"
        tail -n 12 "$log" | tr -d '\r' | cut -c 1-200 | sed 's/^/        /'
    done
}
cleanup() {
    "$netns" stop "$namespace"
    [ -z "${kept:-}" ] || return
    rm -rf "$folder"
    [ -z "$made" ] || userdel --remove "$user" 2>/dev/null
}
trap cleanup EXIT

# Commands in the namespace: as root, root's virsh, as the user, and three that the user has.
netns=$root/tests/lib/netns.sh
ns_root() { "$netns" run "$namespace" root "$@"; }
virsh() { ns_root virsh -q -c qemu:///system "$@"; }
ns_user() { "$netns" run "$namespace" "$user" env HOME="$home" VAGRANT_CWD="$lab" PATH="$work:$PATH" "$@"; }
hab() { ns_user "$hab" -C "$lab" "$@"; }
kubectl() { ns_user "$lab/out/bin/kubectl" --kubeconfig="$lab/out/kubeconfig" --request-timeout=120s "$@"; }
# Vagrant draws its upload progress with carriage returns, hundreds of kilobytes of it.
vagrant() {
    ns_user vagrant "$@" 2>&1 | stdbuf -oL tr '\r' '\n' | grep --line-buffered -v 'Progress:' | cut -c 1-200
    return "${PIPESTATUS[0]}"
}
# Pods on every worker resolve the API server's name and reach each other.
probe() { ns_user bash "$root/tests/lib/probe.sh" "$lab/out/bin/kubectl" "$lab/out/kubeconfig"; }
# Masters and workers as a pod sees its node.
look_inside() { # first|second
    bash "$root/tests/boot/inside.sh" "$lab/out/bin/kubectl" "$lab/out/kubeconfig" "$lab/out/nodes.json" "$1" "$netns" "$namespace" "$user"
}
leads_to() { ns_root ip route get "$1" >/dev/null 2>&1; }
# The digests of what lies in out/boxes: three lines, or it fails.
box_sums() { (cd "${1:-$lab}/out/boxes" && sha256sum etcd.box master.box worker.box); }
# A field of the lab's nodes, one a line, those of some roles only if any are named.
nodes() { # field, roles...
    local field=$1
    shift
    jq -r --arg field "$field" '.nodes[] | select($ARGS.positional == [] or (.role | IN($ARGS.positional[]))) | .[$field]' \
        "$lab/out/nodes.json" --args "$@"
}
