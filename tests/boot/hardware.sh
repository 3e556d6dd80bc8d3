#!/bin/bash
# What hab.yaml gives a machine besides memory, processors and its data disk, found again in the machine: one etcd node, with
# real packer, Vagrant, libvirt and qemu. As root, after a release build. Prints a line for each claim.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/lib/install.sh"
. "$root/tests/lib/claims.sh"
. "$root/tests/lib/lab.sh"

echo "-- what a machine has"
mkdir -p "$lab/data"
echo a-word >"$lab/data/word"
# Says on the console what it finds.
cat >"$lab/looks.ign" <<'END'
{"ignition": {"version": "3.3.0"},
 "storage": {"files": [{"path": "/etc/looks.sh", "contents": {"source": "data:;base64,BASE64"}}]},
 "systemd": {"units": [{"name": "looks.service", "enabled": true, "contents": "[Unit]\nDefaultDependencies=no\nAfter=hab-node.service\n\n[Service]\nExecStart=/bin/bash /etc/looks.sh\n\n[Install]\nWantedBy=hab.target\n"}]}}
END
sed -i "s/BASE64/$(base64 --wrap=0 <<'END'
disk=$(readlink -f /dev/disk/by-id/virtio-scratch)
{
    echo "looks: sectors $(<"/sys/class/block/${disk##*/}/size")"
    # For whoever looks at the screen.
    while [ ! -d /srv/data ] && sleep 2; do
        for line in {1..30}; do echo "$RANDOM $line $RANDOM $RANDOM"; done >&3
    done
    echo "looks: word $(</srv/data/word)"
    mount -o remount,rw /srv/data
    touch /srv/data/mine 2>/dev/null && echo "looks: it writes" || echo "looks: it can not write"
    touch /srv/mine && echo "looks: beside it, it can"
} 3>&1 >/dev/ttyS0
END
)/" "$lab/looks.ign"
cat >"$lab/hab.yaml" <<'END'
lab: lab
ignition: {etcd: looks.ign}
network: {extra: {storage: 192.168.57.0/24}}
nodes:
  etcd:
    disks: {scratch: 2}
    networks: [storage]
    forwardedPorts: [{host: 12379, guest: 2379}, {host: 15353, guest: 53, protocol: udp, hostIp: 127.0.0.2}]
    gui: true
    cpuExecutionCap: 60
END
"$hab" --quiet -C "$lab" build
claim 'hab build' $?
chown -R "$user:" "$work"
holds 'the namespace starts' "$netns" start "$namespace"
(umask 077 && sed -n '/^# etcd-client/,$p' "$lab/private/host.pem" >"$work/etcd.pem" && chown "$user:" "$work/etcd.pem")
# etcd answers at this address and port of the host's.
answers() {
    ns_user curl --silent --max-time 15 --cacert "$lab/private/ca/etcd.crt" --cert "$work/etcd.pem" "https://$1/health" | has_line '"health":"true"'
}
xml() { virsh dumpxml hab-lab-etcd-01; }
log=$lab/out/console/etcd-01.log
is_off() { [ "$(virsh domstate hab-lab-etcd-01)" = 'shut off' ]; }
powers_off() {
    virsh shutdown hab-lab-etcd-01 >/dev/null || return
    # Emulated on a busy host it takes some seconds; what does not hear the button stays on.
    retry 60 1 is_off
}
logged() { grep -aq "looks: $1" "$log"; }

vagrant up --provider=libvirt etcd-01
status=$?
claim 'vagrant up of one machine' "$status"
if [ "$status" -ne 0 ]; then
    summary
    exit 1
fi
retry 60 5 answers 192.168.56.11:2379
holds 'etcd answers' answers 192.168.56.11:2379
holds "so it does at the host's forwarded port, and at no other" tells_apart 127.0.0.1:12379 127.0.0.1:12380 answers
# A card that is there refuses the connection; one that is not is not found.
there() { [[ $(ns_user bash -c ": </dev/tcp/$1/1" 2>&1) == *refused* ]]; }
holds 'it has its address on the further network' tells_apart 192.168.57.11 192.168.57.12 there
holds 'it finds its further disk' logged "sectors $((2 << 21))"
# How large its data disk is, and the file system on it, in GiB.
data_disk() {
    local size
    size=$(virsh vol-dumpxml --pool default hab-lab-etcd-01.data | sed -n "s/.*<capacity unit='bytes'>\([0-9]*\).*/\1/p")
    echo "$((size >> 30)) $(hab shell etcd-01 -- df --block-size=1G --output=size /var/lib/etcd 2>&1 | tail -n 1 | tr -d ' ')"
}
was=$(data_disk)
# How many bytes of two pictures of the screen differ, some seconds apart; a cursor that blinks is 400 of them.
pictures() { # seconds
    local number
    for number in 1 2; do
        virsh screenshot hab-lab-etcd-01 --file "$work/screen$number" >/dev/null || return
        sleep "$1"
    done
    python3 - "$work/screen1" "$work/screen2" <<'END'
import sys
import zlib


def pixels(path):
    data = open(path, "rb").read()
    if data[:4] != b"\x89PNG":
        return data
    at, packed = 8, b""
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + size]
        at += size + 12
    return zlib.decompress(packed)


print(sum(one != other for one, other in zip(*map(pixels, sys.argv[1:]))))
END
}
differ=$(pictures 12)
claim "its screen shows the log, which grows ($differ bytes of two pictures differ)" "$([ "${differ:-0}" -gt 5000 ]; echo $?)"
# What the button's own unit does, before Vagrant would pull the plug.
holds 'its power button powers it off' powers_off
holds 'it starts again' virsh start hab-lab-etcd-01
holds 'its processor has a cap' same "$(virsh schedinfo hab-lab-etcd-01 | awk '$1 == "vcpu_quota" {print $3}')" 60000
# How often these, and its name, are in its definition.
parts() {
    local part
    for part in disk-scratch id=hab-ports udp:127.0.0.2:15353- quota vnc lab.storage '<name>hab-lab-etcd-01<'; do xml | grep -c "$part"; done | paste -sd ' '
}
holds 'its definition has all of it' same "$(parts)" '1 1 1 1 1 1 1'
volumes() { ns_root ls /var/lib/libvirt/images | grep -c '^hab-lab-etcd-01'; }
holds 'the pool has its disks, the further one among them' ns_root test -e /var/lib/libvirt/images/hab-lab-etcd-01.disk-scratch
printf 'lab: lab\nignition: {etcd: looks.ign}\nnodes: {etcd: {disk: 12}}\n' >"$lab/hab.yaml"
"$hab" --quiet -C "$lab" render
chown -R "$user:" "$work"
said=$(ns_user "$hab" -C "$lab" plan)
claim 'hab plan says what is other now' "$(grep -q 'etcd-01 .*node.env.*other disks; other networks; other forwarded ports; other screens; other caps of processors' <<<"$said"; echo $?)"
# It was started a moment ago, and nobody listens to its button yet.
pressed=$SECONDS
HAB_DATA=keep vagrant destroy --force etcd-01
claim "a machine that still boots is off soon ($((SECONDS - pressed)) s)" "$([ $((SECONDS - pressed)) -lt 90 ]; echo $?)"
left=$(volumes)
vagrant up etcd-01
claim 'the machine is made anew without all that' $?
retry 60 5 answers 192.168.56.11:2379
holds 'etcd answers, and no port of the host leads there' tells_apart 192.168.56.11:2379 127.0.0.1:12379 answers
claim "its data disk has grown, with what is on it (GiB: $was, $(data_disk))" "$([[ $was != 12* && $(data_disk) =~ ^'12 1'[12]$ ]]; echo $?)"
holds 'its definition has none of it' same "$(parts)" '0 0 0 0 0 0 1'
claim "what HAB_DATA=keep has kept ($left disks) goes with the next destroy" "$([ "$left" -eq 2 ] && vagrant destroy --force >/dev/null && [ "$(volumes)" -eq 0 ]; echo $?)"

echo "-- a shared folder"
printf 'lab: lab\nignition: {etcd: looks.ign}\nnodes: {etcd: {sharedFolders: [{host: data, guest: /srv/data}]}}\n' >"$lab/hab.yaml"
"$hab" --quiet -C "$lab" render
chown -R "$user:" "$work"
said=$(vagrant up etcd-01)
status=$?
# The package that this takes is one of its own since Debian 13.
! apt-cache show virtiofsd >/dev/null 2>&1 || install_packages virtiofsd
if at_least "$(virsh version | sed -n 's/^Using library: libvirt //p')" 11; then
    claim 'vagrant up' "$status"
    retry 60 5 logged 'beside it'
    holds 'the node reads it' logged 'word a-word'
    holds 'it can not write there' logged 'it can not write'
    holds 'where it can elsewhere' logged 'beside it, it can'
    said=$(ns_user "$hab" -C "$lab" save --anyway 2>&1)
    claim "the machine is not saved: $(tail -n 1 <<<"$said")" "$([[ $said == *'etcd-01 has a shared folder'* ]]; echo $?)"
else
    claim 'a libvirt that can not keep it read-only is refused' "$([[ $status -ne 0 && $said == *'this libvirt can not share a folder read-only'* ]]; echo $?)"
    # What Vagrant removes because it did not start keeps its data.
    holds 'and nothing is left of the machine but its data disk' same "$(volumes)" 1
fi
vagrant destroy --force >/dev/null
holds 'vagrant destroy removes all' same "$(volumes)" 0

summary
