# What the nodes are, seen from the host and from inside. Sourced by run.sh.
# shellcheck shell=bash

echo "-- what the nodes are"
seen=$(kubectl get nodes --output='jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' | sort)
holds 'host names are those of the plan' same "$seen" "$(nodes name master worker | sort)"
seen=$(kubectl get nodes --output='jsonpath={range .items[*]}{.status.nodeInfo.machineID}{"\n"}{end}' | sort)
planned=$("$hab" -C "$lab" plan --json | jq -r '.nodes[] | select(.role != "etcd") | .machine_id' | sort)
holds 'machine ids are those of the plan' same "$seen" "$planned"

takes_connections() { # address, port
    ns_user timeout 10 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null
}
while read -r role address; do
    # What must answer there: etcd, the API server, the kubelet.
    case $role in etcd) port=2379 ;; master) port=6443 ;; *) port=10250 ;; esac
    holds "no SSH port on $address, where $port takes connections" tells_apart "$port" 22 takes_connections "$address"
done < <(paste -d ' ' <(nodes role) <(nodes address))

volumes=$(ns_root bash -c 'stat --format="%a %U %n" /var/lib/libvirt/images/*.ign')
holds 'every Ignition config is its qemu user'"'"'s alone' same "$(cut -d ' ' -f 1,2 <<<"$volumes" | sort | uniq --count | xargs)" '4 600 libvirt-qemu'
# By its name, for others may not list the folder.
reads() { # file, user
    "$netns" run "$namespace" "$2" cat "$1" >/dev/null 2>&1
}
closed() {
    local file
    while read -r _ _ file; do
        tells_apart root nobody reads "$file" && tells_apart root "$user" reads "$file" || return 1
    done <<<"$volumes"
}
holds 'no other user can read them, not even the one who runs vagrant' closed

holds 'inside masters and workers: names, no ssh, no CA key; on workers loopback only for HAProxy' look_inside first
