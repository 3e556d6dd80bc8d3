# Machines that are not as the lab says, or not reached. Sourced by run.sh.
# shellcheck shell=bash

echo "-- a machine that is older than its config, and one that is cut off"
etcd=$(nodes name etcd | head -n 1) worker=$(nodes name worker | head -n 1)
domain=hab-$(jq -r .lab "$lab/out/nodes.json")
cp "$lab/worker.ign" "$work/worker.ign"
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
# The lab is as it was.
mv "$work/worker.ign" "$lab/worker.ign"
"$hab" -C "$lab" render >/dev/null && chown -R "$user:" "$work"
