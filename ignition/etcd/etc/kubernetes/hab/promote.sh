#!/bin/bash
# After etcd has started: a learner becomes a full member as soon as it has what the others have.
set -u
. /etc/kubernetes/hab/member.sh
[ -n "$others" ] || exit 0
while :; do
    # The others may be gone for good, and then it is no learner: those can't answer this.
    members=$(etcdctl member list || alone member list)
    own=$(known "$members")
    [ -z "$own" ] || [[ $own == *', true' ]] || exit 0
    # Refused until it has caught up.
    [ -z "$own" ] || ! etcdctl member promote "${own%%,*}" || break
    sleep 2
done
say etcd-promoted
