#!/bin/bash
# Applies the cluster's own objects. Safe on every boot and on every master at once: server-side apply of the same
# objects by the same manager changes nothing the second time.
set -u
. /etc/kubernetes/hab/lib.sh

# A field that somebody else has set to another value stays as it is, such as the number of pods of a Deployment that was
# scaled; whatever else goes wrong is tried again. What was applied once, and is in no file any more, is removed; files in
# folders are hab-lab-addons' to apply.
/opt/hab/bin/hab-probe apply -within 0 -every 2s -server "https://$ADDRESS:$API_PORT" -manager hab \
    -cacert "$pki/ca.crt" -cert "$pki/addons.crt" -key "$pki/addons.key" \
    -inventory hab-addons -keep /etc/kubernetes/addons -fresh /run/hab-first-boot /etc/kubernetes/addons || exit
say addons
