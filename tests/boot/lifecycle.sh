# Halt, up, reload, destroy. Sourced by run.sh.
# shellcheck shell=bash

echo "-- halt, up, reload, destroy"
virsh() { ns_root virsh -q -c qemu:///system "$@"; }
etcd=$(nodes name etcd | head -n 1) worker=$(nodes name worker | head -n 1)
domain=hab-$(jq -r .lab "$lab/out/nodes.json")
# Every machine and every file of one.
left() {
    virsh list --all --name | grep .
    ns_root ls /var/lib/libvirt/images | grep -v box_image
}

hab shell "$etcd" -- systemd-cat --identifier=lifecycle echo hab-lifecycle-word
lease=$(kubectl --namespace=kube-system get lease kube-controller-manager --output='jsonpath={.metadata.uid}')
halt=$SECONDS
vagrant halt
claim "vagrant halt ($((SECONDS - halt)) s)" $?
off=$(virsh list --state-shutoff --name | grep -c .)
claim "all four machines are off ($off)" "$([ "$off" -eq 4 ]; echo $?)"
seen=$(ns_root bash "$here/disk.sh" "/var/lib/libvirt/images/$domain-$etcd.img" "$work" /etc/hostname /etc/machine-id)
planned=$("$hab" -C "$lab" plan --json | jq -r --arg name "$etcd" '.nodes[] | select(.name == $name) | .name, .machine_id')
holds "host name and machine id of $etcd, where no pod looks, are those of the plan" same "$seen" "$planned"
said=$(hab shell "$etcd" -- true 2>&1)
claim "hab shell of a machine that is off: $said" "$([[ $? -eq 255 && $said == *'does not run'* ]]; echo $?)"
said=$(hab console "$etcd" --past 2>&1)
claim 'its console is there all the same' "$([[ $said == *'"event":"network"'* ]]; echo $?)"
# It knows the labs that this user has rendered; root has rendered this one.
hab render >/dev/null
said=$(hab ls 2>&1)
claim "hab ls: $(grep " $lab\$" <<<"$said")" "$(grep -q "^${domain#hab-} \+off .* $lab\$" <<<"$said"; echo $?)"

up=$SECONDS
vagrant up
claim "vagrant up after halt comes back to Ready ($((SECONDS - up)) s)" $?
holds 'the pods are back and reach each other' probe
said=$(kubectl --namespace=kube-system get lease kube-controller-manager --output='jsonpath={.metadata.uid}')
claim 'the controller manager waited for no lease of its forerunner' "$([ -n "$lease" ] && [ -n "$said" ] && [ "$said" != "$lease" ]; echo $?)"
holds 'the second boot was no first boot' look_inside second
written() { hab logs "$etcd" --boot "$1" 2>/dev/null | grep -q hab-lifecycle-word; }
holds 'the log of the boot before is there, and is not of this one' tells_apart -1 0 written

sed -i 's/echo active/echo changed/' "$lab/worker.ign"
"$hab" -C "$lab" render && chown -R "$user:" "$work"
said=$(vagrant up)
status=$?
older() { grep -q "^==> $1: .*this machine is older" <<<"$said"; }
holds 'vagrant up says that a machine is older than its Ignition config, and of no other' tells_apart "$worker" "$etcd" older
claim 'it does its work, so vagrant up exits 0, and says how to make it anew' "$([[ $status -eq 0 && $said == *"older than their box or Ignition config: "*"$worker"*'hab roll'* ]]; echo $?)"
said=$(hab wait 2>&1)
claim 'hab wait does not call it Ready' "$([[ $? -eq 1 && $said == *'hab roll '*"$worker"* ]]; echo $?)"
holds 'vagrant status' vagrant status
said=$(vagrant ssh "$worker")
claim 'vagrant ssh is refused' "$([[ $? -ne 0 && $said == *"there is no SSH on $worker"* ]]; echo $?)"
card=$(virsh domiflist "$domain-$worker" | awk '{print $1}')
ns_root ip link set dev "$card" down
said=$(ns_user env HAB_WAIT_TIMEOUT=20 vagrant up 2>&1)
claim "vagrant up exits 1 and names a worker that is cut off" "$([[ $? -eq 1 && $said == *"$worker: not on the network"* ]]; echo $?)"

before=$(left)
holds 'vagrant destroy' vagrant destroy --force
after=$(left)
# Four machines and their Ignition configs were there to be seen.
seen=$(nodes name | while read -r name; do grep -x -e "$domain-$name" -e "$domain-$name.ign" <<<"$before"; done | wc -l)
claim "of $(wc -l <<<"$before") machines and files nothing is left: ${after:-nothing}" "$([ "$seen" -eq 8 ] && [ -z "$after" ]; echo $?)"

install -D -m 0644 "$here/trial.rb" "$work/trial/Vagrantfile" && chown -R "$user:" "$work/trial"
said=$(ns_user env VAGRANT_CWD="$work/trial" LAB="$lab" vagrant status 2>&1)
wanted=$'sound: nil\nbroken: "the trial guest does not get to 64-bit code"\nleft: []\nseen: ["trial-seen"]'
claim 'the guest that tries kvm tells a sound machine from a broken one' "$([[ $said == *"$wanted"* ]]; echo $?)"
