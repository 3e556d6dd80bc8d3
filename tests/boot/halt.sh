# All machines are switched off, and boot again. Sourced by run.sh.
# shellcheck shell=bash

echo "-- halt, and up again"
etcd=$(nodes name etcd | head -n 1)
domain=hab-$(jq -r .lab "$lab/out/nodes.json")
hab shell "$etcd" -- systemd-cat --identifier=lifecycle echo hab-lifecycle-word
lease=$(kubectl --namespace=kube-system get lease kube-controller-manager --output='jsonpath={.metadata.uid}')
# What a user does to what hab has brought stays at the next boot.
kubectl --namespace=kube-system scale deployment coredns --replicas=1 >/dev/null
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
said=$(kubectl --namespace=kube-system get deployment coredns --output='jsonpath={.spec.replicas} {.metadata.managedFields[*].manager}')
claim "a user's own scale of CoreDNS stays: $said" "$([[ $said == 1' '*hab* ]]; echo $?)"
holds 'the second boot was no first boot' look_inside second
written() { hab logs "$etcd" --boot "$1" 2>/dev/null | has_line hab-lifecycle-word; }
holds 'the log of the boot before is there, and is not of this one' tells_apart -1 0 written
