# The end of a lab. Sourced by run.sh.
# shellcheck shell=bash

echo "-- destroy"
domain=hab-$(jq -r .lab "$lab/out/nodes.json")
# A lab that is kept goes on from its save.
[ -z "${kept:-}" ] || export HAB_SAVES=keep
# Every machine and every file of one.
left() {
    virsh list --all --name | grep .
    ns_root ls /var/lib/libvirt/images | grep -v -e box_image ${kept:+-e [.]save-}
}

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
