#!/bin/bash
# Makes a backup of this member every EVERY minutes, and keeps the newest KEEP on the data disk. No timer of systemd's:
# that would begin anew at every boot.
set -u
. /etc/kubernetes/hab/member.sh
[ "$KEEP" -gt 0 ] || exec sleep infinity

folder=/var/lib/hab/backups
begun=$(date +%s)
# Their names sort by age.
backups() { find "$folder" -name '*.db' | sort; }
due() {
    local newest last=$begun
    newest=$(backups | tail -n 1)
    [ -z "$newest" ] || last=$(stat --format=%Y "$newest")
    [ $(($(date +%s) - last)) -ge $((EVERY * 60)) ]
}
# Room for one more, and for as much again that etcd may write meanwhile.
has_room() {
    local size
    size=$(stat --format=%s /var/lib/private/etcd/member/snap/db) || return 1
    [ "$(df --output=avail --block-size=1 "$folder" | tail -n 1)" -gt $((2 * size)) ]
}
make() {
    rm -f "$folder"/.new*
    alone snapshot save "$folder/.new" >/dev/null && sync "$folder/.new" || return
    mv "$folder/.new" "$folder/$(date --utc +%Y%m%dT%H%M%SZ).db"
    backups | head -n "-$KEEP" | while read -r old; do rm -f "$old"; done
}
while sleep 20; do
    if due && has_room; then make; fi
done
