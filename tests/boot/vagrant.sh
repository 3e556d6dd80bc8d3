#!/bin/bash
# The lab's Vagrantfile with a real libvirt and a guest of one sector: what Vagrant does around a machine, without
# waiting for Kubernetes. As root, for the namespace; Vagrant is run by an ordinary user whose home is closed.
#
#   vagrant.sh HAB    HAB: the program to test
set -uo pipefail
hab=$(realpath "$1") || exit 1
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/lib/guest.sh"

etcd=$(jq -r '.nodes[] | select(.role == "etcd") | .name' "$lab/out/nodes.json")
log=$lab/out/console/$etcd.log
starts() { grep -c '"event":"start"' "$log"; }
ups() { grep -c 'guest is up' "$log"; }

echo "-- a machine's console"
cwd=$lab
said=$(vagrant up "$etcd")
claim "vagrant up $etcd" $?
claim 'it says which machines the cluster still lacks' "$([[ $said == *'not waiting for the cluster, because not running: kube-master-01, kube-worker-01'* ]]; echo $?)"
claim 'the console is recorded' "$([ "$(starts) $(ups)" = '1 1' ]; echo $?)"
said=$(stat --format '%a %U' "$log" "$(dirname "$log")")
claim 'it is its user'"'"'s alone' "$([ "$said" = "600 $user"$'\n'"700 $user" ]; echo $?)"
claim 'its user can read it' "$(in_namespace "$user" grep -q 'guest is up' "$log"; echo $?)"
claim 'libvirt knows the machine by the name in nodes.json' "$([ "$(state "$(jq -r '.nodes[0].domain' "$lab/out/nodes.json")")" = running ]; echo $?)"
said=$(in_namespace "$user" timeout 5 script --quiet --command "virsh -c qemu:///system console hab-one-$etcd" /dev/null 2>&1)
claim 'virsh console connects all the same' "$([[ $said == *'Connected to domain'* && $said != *rror* ]]; echo $?)"
origin=$(jq -r '.nodes[0] | "\(.box_version) \(.ignition_sha256)"' "$lab/out/nodes.json")
claim 'what it was made from is noted' "$([ "$(cat "$lab/.vagrant/machines/$etcd/libvirt/hab-origin")" = "$origin" ]; echo $?)"
said=$(vagrant halt "$etcd")
claim 'vagrant halt, by the power button' "$([[ $(state "hab-one-$etcd") == 'shut off' && $said != *'switching it off'* ]]; echo $?)"
said=$(vagrant up)
claim 'vagrant up of all asks hab, once, in the lab' "$([[ $(grep -c "asked in $lab: wait" <<<"$said") -eq 1 ]]; echo $?)"
claim 'the console is recorded further' "$([ "$(starts) $(ups)" = '2 2' ]; echo $?)"
# What virtlogd leaves behind when a machine has said more than it takes in one file.
in_namespace root bash -c 'mv "$0" "$0.0" && install -m 0600 -o root /dev/null "$0"' "$log"
vagrant reload "$etcd" >/dev/null
claim 'after virtlogd made a file of its own, the next start makes one of the user' "$([ "$(starts) $(ups) $(stat --format %U "$log")" = "1 1 $user" ]; echo $?)"

echo "-- a console that can not be recorded"
vagrant halt >/dev/null
# What root finds there is not what the user finds: so it is on NFS, where root is nobody.
in_namespace root mount -t tmpfs -o ro none "$lab/out/console"
as_user_of_nfs() {
    in_namespace root unshare --mount bash -c 'umount "$0" && mount -t tmpfs none "$0" && chown "$1:" "$0" && shift && exec "$@"' \
        "$lab/out/console" "$user" runuser -u "$user" -- env HOME="$home" VAGRANT_CWD="$lab" "$@" 2>&1
}
said=$(as_user_of_nfs vagrant up)
claim 'vagrant up says so, and does not wait' "$([[ $? -eq 1 && $said == *"hab: libvirt, which is root, can not write $log"* && $said != *asked* && $said != *'hab: not waiting'* ]]; echo $?)"
said=$(as_user_of_nfs HAB_CONSOLE=off vagrant up)
claim 'HAB_CONSOLE=off goes without' "$([[ $? -eq 0 && $said == *'asked in'* ]]; echo $?)"
in_namespace root umount "$lab/out/console"
vagrant reload "$etcd" >/dev/null
claim 'and once it can be recorded, it is' "$([ "$(starts) $(ups)" = '2 2' ]; echo $?)"

echo "-- a console that is not to be recorded"
worker=kube-worker-01
# What hab.yaml says of the worker; all else of the lab stays as it is, and who is asked to wait says at once that all is Ready.
of_worker() {
    local data
    sed -i "s/^  worker: .*/  worker: $1/" "$lab/hab.yaml"
    in_namespace "$user" env HOME="$home" "$home/hab" --quiet -C "$lab" render || return
    data=$(jq --arg hab "$home/ready" '.hab = $hab' "$lab/out/nodes.json") && echo "$data" >"$lab/out/nodes.json"
}
records() { in_namespace root virsh -q -c qemu:///system dumpxml "hab-one-$1" | has_line '<log file='; }
recording() { [ -e "$lab/out/console/$1.log" ]; }
vagrant reload "$worker" >/dev/null
holds 'the machine is recorded before' records "$worker"
holds 'hab.yaml says console: false of one role' of_worker '{count: 1, console: false}'
said=$(in_namespace "$user" env HOME="$home" "$home/hab" -C "$lab" plan)
claim 'hab plan says in what its machine differs then' "$(grep -q "^$worker .*other recordings of consoles" <<<"$said"; echo $?)"
vagrant reload "$worker" >/dev/null
holds 'its machine is started without, and no other' tells_apart "$etcd" "$worker" records
holds 'what was recorded of it is gone, and of no other' tells_apart "$etcd" "$worker" recording
said=$(in_namespace "$user" env HOME="$home" "$home/hab" -C "$lab" console "$worker" 2>&1)
claim 'hab console says so, and does not wait' "$([[ $? -eq 1 && $said == *"console: false\` for $worker"* ]]; echo $?)"
holds 'hab.yaml says nothing of it any more' of_worker '{count: 1}'
vagrant reload "$worker" >/dev/null
holds 'and its machine is recorded again' records "$worker"

echo "-- two labs in one run"
id=$(jq -r --arg name "$etcd" --arg lab "$lab" '.machines | to_entries[] | select(.value.name == $name and .value.vagrantfile_path == $lab) | .key' "$home/.vagrant.d/data/machine-index/index")
cwd=$other
libvirt_has "hab-one-$etcd.ign"
claim 'the machine has an Ignition volume' $?
said=$(vagrant destroy --force "$id")
claim 'vagrant destroy ID, in the folder of another lab' $?
claim 'nothing is left of the machine, above all not its keys' "$(! libvirt_has "hab-one-$etcd"; echo $?)"
claim 'the others are left alone' "$(libvirt_has hab-one-kube-worker-01.ign; echo $?)"
claim 'the console of a machine that was destroyed stays' "$([ "$(ups)" = 2 ]; echo $?)"
cwd=$lab
vagrant up "$etcd" >/dev/null
claim 'that of a new machine begins anew' "$([ "$(starts) $(ups)" = '1 1' ] && [ ! -e "$log.0" ]; echo $?)"
vagrant destroy --force >/dev/null
claim 'nothing is left of the lab' "$(! libvirt_has hab-one; echo $?)"

echo "-- data of a backup"
mkdir "$home/from"
qemu-img create -q -f qcow2 "$home/from/hab-one-$etcd.data" 4G
qemu-io -f qcow2 -c 'write -q -P 0x5a 4k 512' "$home/from/hab-one-$etcd.data"
chown -R "$user:" "$home/from"
begins_with() { # byte
    local said
    said=$(in_namespace root qemu-io -f qcow2 -r -U -c "read -P $1 4k 512" "/var/lib/libvirt/images/hab-one-$etcd.data" 2>&1)
    [[ $said == *'read 512/512 bytes'* && $said != *'verification failed'* ]]
}
said=$(HAB_DATA_FROM="$home/from" vagrant up "$etcd")
claim 'a machine begins with the data that it is given' $?
holds 'and with no other' tells_apart 0x5a 0x5b begins_with
vagrant destroy --force >/dev/null
