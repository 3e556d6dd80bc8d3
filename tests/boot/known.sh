#!/bin/bash
# What hab knows of other programs is what these have as they are built: of some each flag, as their --help has it; of
# the kubelet and kube-proxy each field of their configuration, as they read it and as their types have it.
#
#   known.sh CACHE    CACHE: hab's cache, in which the programs are, and the modules that they are made of
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../src/config/known" || exit 1
failed=0
program() { find "$cache/go-programs" -path "*/bin/$1" -print -quit; }
wrong() {
    echo "$1"
    failed=1
}

cache=$1
for name in kube-apiserver kube-controller-manager kube-scheduler etcd; do
    flags=$("$(program "$name")" --help 2>&1 | grep -oE '^ +(-[a-z], )?--[a-z0-9-]+' | sed 's/.*--//' | LC_ALL=C sort -u)
    if [ -z "$flags" ] || ! diff <(echo "$flags") "$name"; then
        wrong "$name: another list of flags"
    fi
done

# Where a user without rights finds the programs.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
# Runs a program as nobody, and where it reaches nobody: it reads a configuration that it ends with, and were that not
# so, it could do nothing.
alone() {
    timeout --kill-after=5 60 unshare --net --pid --fork --kill-child \
        setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs env --ignore-environment "$@" 2>&1
}
while read -r name api kind; do
    install --mode=755 "$(program "$name")" "$work/$name"
    { read -r configuration && planted=$(sort); } < <(python3 "$here/sample.py" "$api" "$kind" <"$name")
    echo "$configuration" >"$work/$name.json"
    # It first reads strictly, and logs what it does not know. That must be what was planted, and nothing of the list.
    said=$(alone "$work/$name" --config "$work/$name.json")
    unknown=$(grep -oE 'unknown field \\"[^"\\]+' <<<"$said" | sed 's/.*"//' | sort)
    if [ -z "$planted" ] || ! diff <(echo "$unknown") <(echo "$planted"); then
        wrong "$name: does not read what the list has, or does not miss what was planted: $(head -n 3 <<<"$said")"
    fi
    version=$(alone "$work/$name" --version)
    fields=$(python3 "$here/fields.py" "$cache/go/mod" "${version#Kubernetes }" "$name")
    if [ -z "$fields" ] || ! diff <(echo "$fields") "$name"; then
        wrong "$name: another list of fields"
    fi
done <<'END'
kubelet kubelet.config.k8s.io/v1beta1 KubeletConfiguration
kube-proxy kubeproxy.config.k8s.io/v1alpha1 KubeProxyConfiguration
END
exit "$failed"
