#!/bin/bash
# Before etcd starts without data: is there a cluster already? Then it is joined: as a learner, which counts for no
# majority until promote.sh finds that it has caught up. Without this a member that lost its disk would be refused for
# ever ("has already been bootstrapped"), and a new one would begin a cluster of its own.
set -u
. /etc/kubernetes/hab/member.sh

# Read by etcd's unit after etcd.env.
out=/run/hab/etcd.env
: >"$out"
# A folder alone says nothing: etcd makes it before it knows whether it may begin.
[ ! -d /var/lib/private/etcd/member/wal ] && [ -n "$others" ] || exit 0

# Those of the others that listen, which etcd does as soon as it has started.
listening() {
    local url address
    for url in ${others//,/ }; do
        address=${url#https://}
        ! timeout 3 bash -c "exec 3<>/dev/tcp/${address/:/\/}" 2>/dev/null || echo "$url"
    done
}
# Answered by every member of a cluster, if it has a majority or not, and by none that has just begun.
cluster_is_there() {
    local url
    for url in $up; do
        ask "$url" --command-timeout=10s endpoint status >/dev/null && return
    done
    return 1
}
# The first member begins when nobody is there, and all others with it: two that began without it, because it is halted,
# would be a majority of a cluster of their own.
first=${ETCD_INITIAL_CLUSTER%%=*}
until up=$(listening) && [ -n "$up" ]; do
    [ "$NODE" != "$first" ] || exit 0
    sleep 2
done
cluster_is_there || exit 0
# Needs a majority; without one this is tried again, like all below.
members=$(etcdctl member list) || exit 1
own=$(known "$members")
IFS=, read -r id status _ _ clients _ <<<"$own"
if [ "$status" = ' unstarted' ]; then
    # It is expected, after a try to join that was cut off. Members that have not started have no names yet but in the
    # lab's plan.
    cluster=''
    while IFS=, read -r _ _ name peer _; do
        name=${name# } peer=${peer# }
        for member in ${ETCD_INITIAL_CLUSTER//,/ }; do
            [ -z "$name" ] && [ "${member#*=}" = "$peer" ] && name=${member%%=*}
        done
        cluster+=${cluster:+,}$name=$peer
    done <<<"$members"
    printf 'ETCD_INITIAL_CLUSTER=%s\nETCD_INITIAL_CLUSTER_STATE=existing\n' "$cluster" >"$out"
    exit 0
fi
# The others have begun with it, and it is late: only who has started says where clients reach it.
[ -z "$id" ] || [ -n "${clients# }" ] || exit 0
if [ -n "$id" ]; then
    # The member of this name had data, and they are gone.
    etcdctl member remove "$id" || exit 1
    say etcd-removed
fi
# Refused until the others have been connected to each other for five seconds (etcd's server.go, HealthInterval), and while
# another member is a learner.
joined=$(etcdctl member add "$NODE" --learner --peer-urls="$ETCD_INITIAL_ADVERTISE_PEER_URLS") || exit 1
grep '^ETCD_INITIAL_CLUSTER' <<<"$joined" | tr -d '"' >"$out"
say etcd-joins
