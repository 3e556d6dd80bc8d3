#!/bin/bash
# Before etcd starts without data: is there a cluster already? Then it is joined: as a learner, which counts for no
# majority until promote.sh finds that it has caught up. Without this a member that lost its disk would be refused for
# ever ("has already been bootstrapped"), and a new one would begin a cluster of its own.
set -u
. /etc/kubernetes/hab/member.sh

# Read by etcd's unit after etcd.env.
out=/run/hab/etcd.env
: >"$out"
[ ! -e /var/lib/private/etcd/member ] && [ -n "$others" ] || exit 0

# Nobody there: all begin together. Looked for first, for etcdctl waits long for who is not there.
somebody() {
    local url address
    for url in ${others//,/ }; do
        address=${url#https://}
        timeout 3 bash -c "exec 3<>/dev/tcp/${address/:/\/}" 2>/dev/null && return
    done
    return 1
}
somebody || exit 0
# No answer: the others begin, too, or are not well. If there was a cluster, etcd finds that out when they are.
members=$(etcdctl member list) || exit 0
own=$(known "$members")
IFS=, read -r id status _ <<<"$own"
if [ "$status" = ' unstarted' ]; then
    # It is expected: at the first start of all, or after a try to join that was cut off. Members that have not started
    # have no names yet but in the lab's plan.
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
if [ -n "$id" ]; then
    # The member of this name had data, and they are gone.
    etcdctl member remove "$id" || exit 1
    say etcd-removed
fi
# Refused until the others have been connected to each other for five seconds (etcd's server.go, HealthInterval), and while
# another member is a learner.
until joined=$(etcdctl member add "$NODE" --learner --peer-urls="$ETCD_INITIAL_ADVERTISE_PEER_URLS"); do sleep 3; done
grep '^ETCD_INITIAL_CLUSTER' <<<"$joined" | tr -d '"' >"$out"
say etcd-joins
