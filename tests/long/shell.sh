# A lab whose nodes have no shell. Sourced by run.sh.
# shellcheck shell=bash

echo "-- nodes without a shell"
rm -rf "${lab:?}" && mkdir -p "$lab"
port() { virsh dumpxml "$(domain "$1")" --inactive | has_line "<target type='virtio' port="; }
lab_of() { # true or false
    printf 'lab: lab\nshell: %s\nnodes: {worker: {count: 1}}\n' "$1" >"$lab/hab.yaml"
    "$hab" --quiet -C "$lab" build && chown -R "$user:" "$lab"
}
worker=kube-worker-01 master=kube-master-01
holds 'hab build' lab_of true
chown "$user:" "$work"
holds 'the namespace starts' "$netns" start "$namespace"
holds 'vagrant up' vagrant up --provider=libvirt
said=$(hab shell "$worker" -- echo here 2>&1)
claim 'hab shell gets in' "$([ "$said" = here ]; echo $?)"
holds 'one without is rendered' lab_of false
said=$(hab roll "$worker" 2>&1)
claim 'hab roll makes the worker anew with it' $?
holds 'its machine has no such port, another that was not made anew has' tells_apart "$master" "$worker" port
# As if hab.yaml said nothing: what the machine answers is what counts.
holds 'one with it is rendered again' lab_of true
said=$(hab shell "$worker" -- true 2>&1)
claim "nobody gets in there: $said" "$([[ $? -eq 255 && $said == *'no port'* ]]; echo $?)"
said=$(hab roll "$worker" 2>&1)
claim 'hab roll gives it the port again' $?
said=$(hab shell "$worker" -- echo here 2>&1)
claim 'and the shell' "$([ "$said" = here ]; echo $?)"
holds 'vagrant destroy' vagrant destroy --force
