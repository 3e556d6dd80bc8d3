#!/bin/bash
# hab save and hab reset with a real libvirt and a guest of one sector: all that Kubernetes has no part in, many times and
# in every order. As root, for the namespace; Vagrant and hab are run by an ordinary user of the group libvirt.
#
#   saves.sh HAB    HAB: the program to test
set -uo pipefail
hab=$(realpath "$1") || exit 1
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$root/tests/lib/guest.sh"

cwd=$lab
as_user() { in_namespace "$user" env HOME="$home" "$@"; }
hab() { as_user "$home/hab" -C "$lab" "$@" 2>&1; }
# What hab says goes to `said`, how it ends to `status`.
try() { said=$(hab "$@"); status=$?; }
virsh() { in_namespace root virsh -q -c qemu:///system "$@"; }
pool() { in_namespace root ls /var/lib/libvirt/images; }
# The files of saves, but for that of another lab which has this one's name.
foreign=hab-one-etcd-01.save-0a0b0c0d-01020304.memory
files() { pool | grep -F '.save-' | grep -v -x -F "$foreign" | sort; }
running() { virsh list --state-running --name | grep -c hab-one; }
etcd=hab-one-etcd-01 worker=hab-one-kube-worker-01
# What a guest's disk has at a place where it writes nothing itself: a text put there while the machine is off.
mark() { # node, text
    in_namespace root qemu-io -f qcow2 -c "write -q -s /dev/stdin 4k 512" "/var/lib/libvirt/images/$1.img" < <(printf '%-512s' "$2")
}
marked() { # node
    in_namespace root qemu-io -f qcow2 -r -U -c 'read -v 4k 16' "/var/lib/libvirt/images/$1.img" | sed -n '1s/.*  //p' | tr -d '. '
}

# A pool that is soon full.
in_namespace root mount -t tmpfs -o size=1g,mode=0711 none /var/lib/libvirt/images
in_namespace root install --mode=0600 /dev/null "/var/lib/libvirt/images/$foreign"
virsh pool-refresh default

echo "-- nothing to save"
said=$(hab saves)
claim "hab saves: $said" "$([ "$said" = 'no saves; `hab save` makes one of the running lab' ]; echo $?)"
try reset
claim "hab reset: $said" "$([[ $status -eq 1 && $said == *'there is no save `ready`'* ]]; echo $?)"
try save
claim "hab save of a lab that is not Ready: $said" "$([[ $status -eq 1 && $said == *'--anyway'* ]]; echo $?)"
try save --anyway
claim "hab save of a lab that is not there: $said" "$([[ $status -eq 1 && $said == *'has no machine'* ]]; echo $?)"
vagrant up >/dev/null

echo "-- save and reset"
try save --anyway
claim "hab save: $(tail -n 1 <<<"$said")" "$status"
claim 'the lab goes on' "$([ "$(running)" -eq 3 ]; echo $?)"
said=$(in_namespace root bash -c 'stat --format="%a %U" /var/lib/libvirt/images/*.save-*' | sort --unique)
claim "only root can read what was saved ($said)" "$([[ $said == '600 root' ]]; echo $?)"
claim "each machine has its memory and three disks, etcd a further one" "$([ "$(files | wc -l)" -eq 13 ]; echo $?)"
hab saves | sed 's/^/        /'
try reset --no-wait
claim "hab reset: $(tail -n 1 <<<"$said")" "$status"
claim 'all machines run' "$([ "$(running)" -eq 3 ]; echo $?)"
# Of a disk that built on nothing when it was saved, a hypervisor may know no better.
said=$(virsh dumpxml "$worker" | grep -c "source file='.*\.save-[^']*\.vd")
claim "each of a machine's disks builds on its copy ($said)" "$([ "$said" -eq 3 ]; echo $?)"
said=$(hab saves --json | jq -r '.[] | "\(.name) \(.fits)"')
claim "hab saves --json: $said" "$([ "$said" = 'ready true' ]; echo $?)"
# What a command makes of each machine's definition.
of_each() { for machine in "$etcd" hab-one-kube-master-01 "$worker"; do virsh dumpxml "$machine" | "$@"; done; }
generations() { of_each sed -n 's,.*<genid>\(.*\)</genid>.*,\1,p'; }
holds 'each machine has a type with a version, which an update of qemu keeps' same "$(of_each grep -c "machine='pc-i440fx-[0-9]" | xargs)" '1 1 1'
was=$(generations)
holds 'each machine has a number for its generation' same "$(wc -l <<<"$was")" 3
hab reset --no-wait >/dev/null
said=$(comm -12 <(sort <<<"$was") <(generations | sort))
claim 'a reset gives each another' "$([ -z "$said" ] && [ "$(generations | wc -l)" -eq 3 ]; echo $?)"

echo "-- as Vagrant sees it"
said=$(vagrant status)
claim 'vagrant status' "$([ "$(grep -c 'running (libvirt)' <<<"$said")" -eq 3 ]; echo $?)"
vagrant halt >/dev/null
claim 'vagrant halt' "$([ "$(running)" -eq 0 ]; echo $?)"
mark "$worker" later
claim 'the disk of a machine can be written to' "$([ "$(marked "$worker")" = later ]; echo $?)"
said=$(vagrant up)
claim 'vagrant up' "$([ "$(running)" -eq 3 ]; echo $?)"
claim 'the disk is still as it was written' "$([ "$(marked "$worker")" = later ]; echo $?)"
try save second --anyway
claim "a second save, on top of the first: $(tail -n 1 <<<"$said")" "$status"
hab reset --no-wait >/dev/null
claim 'a reset to the first: what was written since is gone' "$([ "$(marked "$worker")" != later ]; echo $?)"
hab reset second --no-wait >/dev/null
claim 'a reset to the second: it is there' "$([ "$(marked "$worker")" = later ]; echo $?)"
hab saves rm ready
claim 'hab saves rm ready keeps what the second builds on' "$([ "$(files | grep -c memory)" -eq 3 ] && hab reset second --no-wait >/dev/null && [ "$(marked "$worker")" = later ]; echo $?)"
hab save --anyway >/dev/null && hab saves rm second
hab save --anyway >/dev/null
claim 'a save that replaces another of its name' "$([ "$(hab saves --json | jq -r '.[].name')" = ready ] && [ "$(files | grep -c memory)" -eq 3 ]; echo $?)"

echo "-- machines that are not as they were"
vagrant destroy --force kube-worker-01 >/dev/null
claim 'a machine is destroyed, the save stays' "$(! libvirt_has "$worker.img" && [ "$(files | grep -c memory)" -eq 3 ]; echo $?)"
said=$(hab reset --no-wait)
claim 'hab reset brings it back' "$([ "$(running)" -eq 3 ]; echo $?)"
claim 'Vagrant knows it' "$([[ $(vagrant status kube-worker-01) == *'running (libvirt)'* ]]; echo $?)"
vagrant destroy --force kube-worker-01 >/dev/null && vagrant up kube-worker-01 >/dev/null
hab reset --no-wait >/dev/null
claim 'also in the place of one that was made since' "$([ "$(running)" -eq 3 ] && [[ $(vagrant status kube-worker-01) == *'running (libvirt)'* ]]; echo $?)"
virsh managedsave "$worker"
claim 'a machine is off, with its memory kept' "$([ "$(virsh dominfo "$worker" | grep -c 'Managed save: *yes')" -eq 1 ]; echo $?)"
hab reset --no-wait >/dev/null
claim 'hab reset throws that memory away' "$([ "$(running)" -eq 3 ] && [ "$(virsh dominfo "$worker" | grep -c 'Managed save: *no')" -eq 1 ]; echo $?)"
vagrant halt kube-master-01 >/dev/null
hab reset --no-wait >/dev/null
claim 'and one that was off' "$([ "$(running)" -eq 3 ]; echo $?)"

echo "-- cut off"
whole() { [ "$(running)" -eq 3 ] && [ "$(virsh list --all --name | grep -c hab-one)" -eq 3 ]; }
status=0
for after in 0.1 0.4 0.7 1.1 1.6; do
    as_user timeout --signal=KILL "$after" "$home/hab" -C "$lab" reset --no-wait >/dev/null 2>&1
    if ! said=$(hab reset --no-wait) || ! whole; then
        status=1
        echo "        after $after s: $said"
    fi
done
claim 'a reset that was killed at any point is run again' "$status"
status=0
for after in 0.1 0.4 0.7 1.1 1.6; do
    as_user timeout --signal=KILL "$after" "$home/hab" -C "$lab" save --anyway cut >/dev/null 2>&1
    hab saves rm cut >/dev/null 2>&1
    if ! said=$(hab save --anyway other) || ! whole || ! hab saves rm other || [ "$(files | grep -c memory)" -ne 3 ]; then
        status=1
        echo "        after $after s: $said"
    fi
done
claim 'a save that was killed at any point leaves a lab that goes on with the next, and nothing else' "$status"
# Tells a save to end while it is at a step; one that was complete before it heard is removed, and another is made.
cut_at() { # step
    local cut try
    for try in 1 2 3 4 5; do
        # A shell in the background has its children ignore Ctrl-C.
        as_user env --default-signal=INT "$home/hab" -C "$lab" save --anyway cut >"$home/cut" 2>&1 & cut=$!
        until grep -q " $1$" "$home/cut" || ! kill -0 "$cut" 2>/dev/null; do sleep 0.01; done
        pkill -INT -u "$user" -x hab
        wait "$cut"
        status=$?
        hab saves rm cut >/dev/null || return "$((status != 130))"
        echo "        save $try was complete before it was told to end"
    done
    return 1
}
before=$(files)
for step in disks memory; do
    cut_at "$step"
    status=$? said="$(running) run; $(files); $(cat "$home/cut")"
    claim "Ctrl-C at the step '$step': the lab goes on at once, and nothing is left" "$([ "$status" -eq 0 ] && whole && [ "$(files)" = "$before" ]; echo $?)"
done
hab reset --no-wait >"$home/one" & one=$!
hab reset --no-wait >"$home/two" & two=$!
wait "$one"; first=$?
wait "$two"; second=$?
claim 'two resets at once: one waits for the other' "$([ "$first $second" = '0 0' ] && whole && grep -q 'waiting for another run of hab' "$home/one" "$home/two"; echo $?)"

echo "-- what does not fit"
cp "$lab/out/nodes.json" "$home/nodes.json"
sed -i 's/"ignition_sha256": "./"ignition_sha256": "x/' "$lab/out/nodes.json"
try reset --no-wait
claim "another config: $(tail -n 3 <<<"$said" | head -n 1)" "$([[ $status -eq 1 && $said == *'etcd-01 has another Ignition config now'* ]] && whole; echo $?)"
cp "$home/nodes.json" "$lab/out/nodes.json"
copy=$(files | grep -m 1 'kube-worker-01.*[.]vda')
in_namespace root mv "/var/lib/libvirt/images/$copy" /var/lib/libvirt/images/elsewhere
try reset --no-wait
claim "a file of it is gone: $(tail -n 1 <<<"$said")" "$([[ $status -eq 1 && $said == *"the file $copy is gone"* ]] && whole; echo $?)"
in_namespace root mv /var/lib/libvirt/images/elsewhere "/var/lib/libvirt/images/$copy"
cp "$lab/private/saves/ready.json" "$home/ready.json"
sed -i 's/"hypervisor": "QEMU /"hypervisor": "QEMU 0/' "$lab/private/saves/ready.json"
try reset --no-wait
claim "another hypervisor: $(tail -n 1 <<<"$said")" "$([[ $status -eq 1 && $said == *'it was saved by QEMU 0'* ]] && whole; echo $?)"
cp "$home/ready.json" "$lab/private/saves/ready.json"
echo torn >>"$lab/private/saves/ready.json"
try saves
claim "a record that is torn: $(tail -n 1 <<<"$said")" "$([[ $status -eq 1 && $said == *'`hab saves rm` removes it'* ]]; echo $?)"
try save --anyway other
claim 'takes no files of any save away' "$([ "$status" -eq 0 ] && [ "$(files | grep -c memory)" -eq 6 ]; echo $?)"
hab saves rm other
cp "$home/ready.json" "$lab/private/saves/ready.json"
hab save --anyway other >/dev/null
echo torn >"$lab/private/saves/other.json"
try saves rm other
claim 'and can be removed' "$([ "$status" -eq 0 ] && [ "$(files | grep -c memory)" -eq 3 ] && hab reset --no-wait >/dev/null && whole; echo $?)"
mkdir -p "$home/clean/private" && cp "$lab/hab.yaml" "$home/clean" && cp -r "$lab/private/saves" "$home/clean/private" && chown -R "$user:" "$home/clean"
said=$(as_user "$home/hab" -C "$home/clean" clean 2>&1)
claim "hab clean: $(tail -n 1 <<<"$said")" "$([[ $said =~ 'the save `ready` stays: '[0-9.]+' MiB' ]]; echo $?)"
cp "$lab/hab.yaml" "$home/hab.yaml"
sed -i 's/worker: {count: 1}/worker: {count: 1, memory: 1900}/' "$lab/hab.yaml"
try reset --no-wait
claim "another size: $(tail -n 1 <<<"$said")" "$([[ $status -eq 1 && $said == *'of memory and has 1900 now'* ]] && whole; echo $?)"
cp "$home/hab.yaml" "$lab/hab.yaml"
sed -i 's/worker: {count: 1}/worker: {count: 2}/' "$lab/hab.yaml"
try reset --no-wait
claim "another node: $(tail -n 1 <<<"$said")" "$([[ $status -eq 1 && $said == *'kube-worker-02 is not in it'* ]] && whole; echo $?)"
cp "$home/hab.yaml" "$lab/hab.yaml"
in_namespace root bash -c 'cd /var/lib/libvirt/images && fallocate --length "$(($(df --output=avail --block-size=1 . | tail -n 1) - 20000000))" filler'
try save --anyway full
claim "a pool with no room: $(tail -n 1 <<<"$said")" "$([[ $status -eq 1 && $said == *' MiB left'* ]]; echo $?)"
in_namespace root rm /var/lib/libvirt/images/filler
claim 'is said before anything is stopped' "$(whole; echo $?)"

echo "-- the end of a lab"
said=$(HAB_SAVES=keep vagrant destroy --force)
claim 'with HAB_SAVES=keep a save outlives all machines' "$([ "$(virsh list --all --name | grep -c hab-one)" -eq 0 ] && [ "$(files | grep -c memory)" -eq 3 ]; echo $?)"
mv "$lab/out/console" "$home/console"
touch "$lab/out/console"
said=$(vagrant up)
status=$?
claim 'a vagrant up that fails takes its machines away and no save' "$([ "$status" -ne 0 ] && ! virsh list --all --name | has_line hab-one && [ "$(files | grep -c memory)" -eq 3 ]; echo $?)"
rm "$lab/out/console"
mv "$home/console" "$lab/out/console"
said=$(hab reset --no-wait)
claim 'from which they come back, with their network' "$(whole; echo $?)"
said=$(virsh net-list --name && virsh domblklist hab-one-etcd-01 && virsh dumpxml hab-one-etcd-01)
claim 'and with further ones, disks and ports' "$([[ $said == *hab-one.storage* && $said == *hab-one-etcd-01.disk-scratch* && $said == *127.0.0.1:12361-* ]]; echo $?)"
vagrant destroy --force >/dev/null
claim 'else it goes with the last machine' "$([ -z "$(files)" ] && [ "$(hab saves --json)" = '[]' ] && [ "$(virsh list --all --name | grep -c hab-one)" -eq 0 ] && [ "$(pool | grep -c hab-one)" -eq 1 ]; echo $?)"

echo "-- start: saved"
echo 'start: saved' >>"$lab/hab.yaml"
jq '.start = "saved"' "$home/nodes.json" >"$lab/out/nodes.json"
chown -R "$user:" "$lab"
said=$(vagrant up)
claim 'vagrant up boots when there is no save, and says so' "$([[ $said == *'booting, not starting from the save'* ]] && whole; echo $?)"
hab save --anyway >/dev/null
vagrant destroy --force >/dev/null
claim 'the save stays when the machines go' "$([ "$(files | grep -c memory)" -eq 3 ]; echo $?)"
vagrant reload >/dev/null
claim 'vagrant reload of no machine does nothing' "$([ "$(virsh list --all --name | grep -c hab-one)" -eq 0 ]; echo $?)"
said=$(vagrant up)
claim 'vagrant up starts from it, once' "$([ "$(grep -c 'starting all machines from the save' <<<"$said")" -eq 1 ] && whole; echo $?)"
claim 'and asks whether all is Ready' "$([ "$(grep -c 'asked in' <<<"$said")" -eq 1 ]; echo $?)"
claim 'Vagrant knows its machines' "$([ "$(vagrant status | grep -c 'running (libvirt)')" -eq 3 ]; echo $?)"
hab saves rm --all
claim 'hab saves rm --all leaves what the machines build on' "$([ "$(files | grep -c -v memory)" -eq 10 ] && whole; echo $?)"
sed -i '/^start: saved/d' "$lab/hab.yaml"
jq '.start = "boot"' "$home/nodes.json" >"$lab/out/nodes.json"
vagrant destroy --force >/dev/null
claim 'until they are gone, too' "$([ -z "$(files)" ] && [ -z "$(ls -A "$lab/private/saves")" ]; echo $?)"
claim 'the file of another lab of the same name was left alone' "$([[ $(pool) == *"$foreign"* ]]; echo $?)"
