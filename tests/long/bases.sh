# Labs of bases that are like Flatcar and Fedora CoreOS (tests/standin/README.md), for their images can't be had here. Each is
# built, starts, is switched off and starts again; of two traps it is first seen that they bite. HAB_TEST_BASES may
# name only one of them. Sourced by run.sh.
# shellcheck shell=bash

. "$root/tests/lib/standin.sh"

# A unit as a user writes it, with default dependencies, so sysinit.target comes with it; and one that says on the console
# what it finds, time and again, for what comes too much comes late.
looks() {
    jq -n --arg script "$(base64 --wrap=0 <<'END'
while sleep 10; do
    {
        echo "looks: addresses $(ip -br -4 address show dev eth0 | tr -s ' ' | cut -d ' ' -f 3- | xargs)"
        echo "looks: targets $(systemctl is-active sysinit.target multi-user.target | xargs)"
        echo "looks: listens $(grep -c ':0016 ' /proc/net/tcp6)"
        echo "looks: stamp $(ls /boot 2>/dev/null | grep -c ignition)"
    } >/dev/ttyS0
done
END
)" '{ignition: {version: "3.3.0"},
        storage: {files: [{path: "/etc/looks.sh", overwrite: true, contents: {source: ("data:;base64," + $script)}}]},
        systemd: {units: [
            {name: "mine.service", enabled: true, contents: "[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"},
            {name: "looks.service", enabled: true, contents: "[Unit]\nDefaultDependencies=no\nAfter=hab-node.service\n[Service]\nExecStart=/bin/bash /etc/looks.sh\n[Install]\nWantedBy=hab.target\n"}]}}'
}
# The last line of this kind on a console.
last() { tr -d '\r' <"$1" | grep -a "^looks: $2 " | tail -n 1 | cut -d ' ' -f 3-; }
first_boots() { tr -d '\r' <"$1" | grep -ac '^hab: first boot, Ignition runs'; }

# Boots the etcd node's box alone, with its Ignition config as a filter for jq changes it, until its console has a line, or for
# ten minutes. Its disk stays for the next call: with `again` it is booted once more.
alone() { # name for its files, filter, line, [again]
    local box=$work/alone serial=$work/$1.serial pid try
    mkdir -p "$box"
    rm -f "$serial"
    [ -e "$box/disk1.qcow2" ] || tar -C "$box" -xf "$lab/out/boxes/etcd.box" disk1.qcow2 disk2.qcow2 || return
    jq "$2" "$lab/out/ignition/etcd-01.ign" >"$box/$1.ign" || return
    if [ "${4:-}" != again ]; then
        qemu-img create -q -f qcow2 -b "$box/disk1.qcow2" -F qcow2 "$box/$1.qcow2"
        qemu-img create -q -f raw "$box/$1.data" 1G
    fi
    qemu-system-x86_64 -machine pc -accel tcg -cpu max,-erms -m 1024 -nodefaults -display none -vga none -no-reboot \
        -serial "file:$serial" -drive "file=$box/$1.qcow2,if=none,id=root" -device virtio-blk-pci,drive=root,bootindex=0 \
        -drive "file=$box/disk2.qcow2,if=virtio,readonly=on" \
        -drive "file=$box/$1.data,if=none,id=data,format=raw" -device virtio-blk-pci,drive=data,serial=hab-data \
        -netdev user,id=n0,restrict=on -device "virtio-net-pci,netdev=n0,mac=$(jq -r '.nodes[0].mac' "$lab/out/nodes.json"),romfile=" \
        -device virtio-rng-pci -fw_cfg "name=opt/com.coreos/config,file=$box/$1.ign" </dev/null &
    pid=$!
    for ((try = 0; try < 300; try++)); do
        grep -aqE "$3" "$serial" 2>/dev/null && break
        kill -0 "$pid" 2>/dev/null || break
        sleep 2
    done
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    grep -aqE "$3" "$serial" && return
    tail -n 20 "$serial"
    return 1
}
# For jq: without the links that match.
without() { echo ".storage.links |= map(select(.path | test(\"$1\") | not))"; }
is_up='"event":"etcd"'

echo "-- nodes of other bases, written by the vendors' Ignition"
holds 'Ignition 2.24 is built' "$root/tests/lib/ignition.sh" "$tools/ignition"
said=$(cd "$root" && HAB_TEST_IGNITION=$tools/ignition cargo test --quiet --test real bases::ignition 2>&1)
claim 'it writes every node of both over what the vendors have there' "$([[ $said == *'1 passed'* ]]; echo $?)"

for base in ${HAB_TEST_BASES:-flatcar fedora-coreos}; do
    echo "-- a base like $base"
    rm -rf "${lab:?}" "$work/alone" "$work/source" && mkdir -p "$lab"
    standin "$base" "$work/source" "$hab"
    built=$?
    claim 'a hab is built whose base is like it' "$built"
    [ "$built" -eq 0 ] || continue
    looks >"$lab/looks.ign"
    printf 'lab: lab\nignition: {common: looks.ign}\nnodes: {etcd: {memory: 1024}, worker: {count: 1, memory: 1536}}\n' >"$lab/hab.yaml"
    said=$("$hab" --quiet -C "$lab" build 2>&1)
    built=$?
    claim 'hab build' "$built"
    [ "$built" -eq 0 ] || continue
    told() { jq -r --arg check "$1" '.answers[] | select(.check == $check) | "\(.ok) \(.detail)"' "$lab/out/report/etcd.json"; }
    claim "its boot test tells what runs: $(told tell:running-units)" "$([[ $(told tell:default-target) == 'true hab.target' ]]; echo $?)"
    claim "and what of it nothing wants: $(told tell:unexpected-units)" "$([[ $(told tell:unexpected-units) == true* ]]; echo $?)"
    claim "it has started the machine twice: $(told second-boot)" "$([[ $(told second-boot) == 'true Ignition ran once' ]]; echo $?)"

    holds 'an etcd node comes up' alone whole . "$is_up"
    case $base in
    flatcar)
        said=$(alone unmasked "$(without '/ensure-sysext[.]service$|/systemd-networkd[.]|/serial-getty@|/sshd[.]')" 'login:')
        claim 'without the masks all of multi-user.target starts, and a login prompt takes the console' $?
        ;;
    fedora-coreos)
        holds 'its disk starts again' alone whole . 'looks: stamp' again
        claim 'and Ignition does not run again' "$([ "$(first_boots "$work/whole.serial")" -eq 0 ]; echo $?)"
        holds 'without the unit that ends the first boot it comes up, too' alone unended "$(without 'firstboot-complete')" "$is_up"
        holds 'and starts again' alone unended . 'looks: stamp' again
        claim 'but Ignition runs again' "$([ "$(first_boots "$work/unended.serial")" -eq 1 ]; echo $?)"
        ;;
    esac

    chown -R "$user:" "$work"
    holds 'the namespace starts' "$netns" start "$namespace"
    up=$SECONDS
    vagrant up --provider=libvirt
    claim "vagrant up of a whole lab ends Ready ($((SECONDS - up)) s)" $?
    for name in etcd-01 kube-master-01 kube-worker-01; do
        claim "$name has its own address alone: $(last "$lab/out/console/$name.log" addresses)" \
            "$([[ $(last "$lab/out/console/$name.log" addresses) =~ ^192\.168\.56\.[0-9]+/24$ ]]; echo $?)"
        claim "$name has started sysinit.target, for a unit of the user's, and no more" "$([ "$(last "$lab/out/console/$name.log" targets)" = 'active inactive' ]; echo $?)"
        claim "nothing of it listens on port 22" "$([ "$(last "$lab/out/console/$name.log" listens)" = 0 ]; echo $?)"
        claim "nobody can log in on its console" "$(! grep -aq 'login:' "$lab/out/console/$name.log"; echo $?)"
    done
    holds 'pods reach each other' probe
    halt=$SECONDS
    vagrant halt
    claim "vagrant halt ends by the power button ($((SECONDS - halt)) s for three machines)" "$([ $((SECONDS - halt)) -lt 120 ]; echo $?)"
    holds 'vagrant up ends Ready again' vagrant up
    claim 'Ignition ran once on each' "$([ "$(cat "$lab"/out/console/*.log | tr -d '\r' | grep -ac '^hab: first boot, Ignition runs')" -eq 3 ]; echo $?)"
    consoles
    vagrant destroy --force >/dev/null
    "$netns" stop "$namespace"
done
