# What the scripts of an etcd member share. Sourced, never run.

. /etc/kubernetes/hab/lib.sh
. /etc/kubernetes/etcd.env

# The other members that this lab has, as clients reach them.
others=''
for member in ${ETCD_INITIAL_CLUSTER//,/ }; do
    url=${member#*=}
    [ "${member%%=*}" = "$NODE" ] || others+=${others:+,}${url/%:2380/:2379}
done

# Asks the other members.
etcdctl() { ask "$others" "$@"; }
# Asks this one.
alone() { ask "$ETCD_ADVERTISE_CLIENT_URLS" "$@"; }
ask() { # URLs of clients, then what is asked
    /opt/hab/bin/etcdctl --endpoints="$1" --dial-timeout=5s --command-timeout=20s \
        --cacert="$pki/etcd/ca.crt" --cert="$pki/etcd/server.crt" --key="$pki/etcd/server.key" "${@:2}"
}

# What the others know of this member: a line of id, status, name, peers' URL, clients' URL, whether it is a learner; each
# but the first begins with a blank. Nothing when they do not know it.
known() { # the list of members
    grep -F ", $ETCD_INITIAL_ADVERTISE_PEER_URLS," <<<"$1"
}
