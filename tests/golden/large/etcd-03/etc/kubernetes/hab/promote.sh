#!/bin/bash
# After etcd has started: a learner becomes a full member as soon as it has what the others have.
set -u
. /etc/kubernetes/hab/member.sh
[ -n "$others" ] || exit 0
while members=$(etcdctl member list) && own=$(known "$members") && [[ $own == *', true' ]]; do
    # Refused until it has caught up.
    etcdctl member promote "${own%%,*}" && say etcd-promoted && break
    sleep 2
done
exit 0
