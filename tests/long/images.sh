# A lab that brings container images along: nginx and postgres, made here from Debian's packages. Sourced by run.sh.
# shellcheck shell=bash

echo "-- a lab with container images of its own"
made=$work/images
# The files of Debian's packages and all they need, without what no image here needs; no script of theirs runs.
tree() { # folder, packages...
    local folder=$1 url file rest
    shift
    mkdir -p "$folder" "$made/debs"
    # Nothing of it is there already.
    apt-get -c "$cache/apt/trixie/apt.conf" -o Dir::State::status=/dev/null -qq -y install --print-uris -- "$@" |
        while read -r url file rest; do
            url=${url//\'/}
            [ -s "$made/debs/$file" ] || curl --silent --show-error --fail --location --output "$made/debs/$file" "$url" || exit 1
            dpkg-deb --fsys-tarfile "$made/debs/$file" | tar --extract --directory="$folder" --no-same-owner || exit 1
        done || return 1
    rm -rf "$folder"/usr/share/{doc,man,locale,info,perl,i18n,zoneinfo-icu} "$folder"/usr/lib/*/libLLVM* "$folder"/usr/lib/*/perl* \
        "$folder"/usr/lib/postgresql/*/lib/bitcode "$folder"/usr/lib/*/gconv
    find "$folder" \( -type b -o -type c -o -type p -o -type s \) -delete
    mkdir -p "$folder"/{usr/bin,usr/sbin,tmp,etc,data}
    chmod 1777 "$folder/tmp"
    # Links that a script of Debian's base-files would make.
    for name in bin sbin lib lib64; do ln -s "usr/$name" "$folder/$name"; done
    for applet in sh mkdir chown chmod sleep wget du cat; do ln -sf busybox "$folder/usr/bin/$applet"; done
    printf 'root:x:0:0::/:/bin/sh\nwww-data:x:33:33::/:/bin/sh\npostgres:x:999:999::/data:/bin/sh\n' >"$folder/etc/passwd"
    printf 'root:x:0:\nwww-data:x:33:\npostgres:x:999:\n' >"$folder/etc/group"
}
page() { # text: nginx' second layer, and its archive
    rm -rf "$made/page" && mkdir -p "$made/page/srv" "$made/page/etc/nginx"
    echo "$1" >"$made/page/srv/index.html"
    printf '%s\n' 'user www-data;' 'daemon off;' 'pid /tmp/nginx.pid;' 'error_log /dev/stderr;' 'events {}' \
        'http { access_log off; client_body_temp_path /tmp/b; proxy_temp_path /tmp/p; fastcgi_temp_path /tmp/f; uwsgi_temp_path /tmp/u; scgi_temp_path /tmp/s; server { listen 8080; root /srv; } }' \
        >"$made/page/etc/nginx/nginx.conf"
    python3 "$here/image.py" "$lab/images/nginx.tar" example.com/test/nginx:1 \
        '{"Cmd": ["/usr/sbin/nginx", "-c", "/etc/nginx/nginx.conf"], "Env": ["PATH=/usr/sbin:/usr/bin:/bin"]}' "$made/nginx" "$made/page"
}
postgres() {
    mkdir -p "$made/start/usr/local/bin"
    cat >"$made/start/usr/local/bin/start" <<'END'
#!/bin/sh
set -e
folder=/keep/database/17
program=/usr/lib/postgresql/17/bin
[ -s "$folder/PG_VERSION" ] || "$program/initdb" --pgdata="$folder" --auth=trust --locale=C --encoding=UTF8
exec "$program/postgres" -D "$folder" -c unix_socket_directories=/tmp -c dynamic_shared_memory_type=mmap
END
    chmod 0755 "$made/start/usr/local/bin/start"
    python3 "$here/image.py" "$lab/images/postgres.tar" example.com/test/postgres:17 \
        '{"Cmd": ["/usr/local/bin/start"], "User": "999:999", "Env": ["PATH=/usr/lib/postgresql/17/bin:/usr/bin:/bin"]}' "$made/postgres" "$made/start"
}
rm -rf "${lab:?}" && mkdir -p "$lab/images"
printf 'lab: lab\nnodes: {worker: {memory: 1536}}\n' >"$lab/hab.yaml"
holds 'a lab without images is built' "$hab" --quiet -C "$lab" build
boxes=$(box_sums) lock=$(jq -S 'del(.images)' "$lab/hab.lock") ignition=$(cd "$lab" && sha256sum out/ignition/*.ign)
claim 'its lock and its folder have nothing of images' "$(! jq -e .images "$lab/hab.lock" >/dev/null && [ ! -e "$lab/out/images" ]; echo $?)"
holds 'an image of nginx is made of packages' tree "$made/nginx" nginx busybox-static
holds 'and one of postgres' tree "$made/postgres" postgresql-17 busybox-static
holds 'both are archives' eval 'page first && postgres'
printf 'images:\n  - {archive: images/nginx.tar}\n  - {archive: images/postgres.tar}\n' >>"$lab/hab.yaml"
build=$SECONDS
said=$("$hab" -C "$lab" build 2>&1)
claim "hab build pins them, writes their disk and boots it ($((SECONDS - build)) s)" $?
said=''
holds 'the boxes are the same as without' same "$(box_sums)" "$boxes"
holds 'and all else in the lock' same "$(jq -S 'del(.images)' "$lab/hab.lock")" "$lock"
holds 'etcd nodes have the same config' bash -c 'cd "$0" && grep etcd <<<"$1" | sha256sum --check --quiet' "$lab" "$ignition"
disk=$(sha256sum "$lab"/out/images/*.qcow2 | cut -d ' ' -f 1)
claim "the disk has $(($(stat -c %s "$lab"/out/images/*.qcow2) >> 20)) MiB" 0
holds 'the report of its boot says that all holds' jq -e '.images and (.answers | length > 6) and all(.answers[]; .ok)' "$lab/out/report/images.json"
mkdir "$work/twin" && cp -r "$lab/hab.yaml" "$lab/hab.lock" "$lab/images" "$work/twin/"
rm -rf "$cache"/images/* "$cache"/image-layer/* "$cache"/container-image/*
(umask 077 && env TZ=Asia/Kathmandu "$hab" --quiet -C "$work/twin" build)
claim 'another lab with this lock makes it anew' $?
holds 'of the same bytes' same "$(sha256sum "$work"/twin/out/images/*.qcow2 | cut -d ' ' -f 1)" "$disk"
rm -rf "$work/twin"

chown -R "$user:" "$work"
holds 'the namespace starts' "$netns" start "$namespace"
holds 'nothing leads out of it' tells_apart 127.0.0.1 192.0.2.1 leads_to
up=$SECONDS
vagrant up --provider=libvirt
claim "vagrant up exits 0 when the cluster is Ready ($((SECONDS - up)) s)" $?
target() { jq -r --arg name "$1" '.images.list[] | select(.names[0] == $name) | .manifest.digest' "$lab/hab.lock"; }
nginx=example.com/test/nginx@$(target example.com/test/nginx:1)
apply() { sed "s|@NGINX@|$nginx|" "$here/images.yaml" | ns_user tee "$work/images.yaml" >/dev/null && kubectl apply --filename="$work/images.yaml" >/dev/null; }
holds 'pods of these images are taken' apply
run=$SECONDS
kubectl wait pod/web pod/client pod/database --for=condition=Ready --timeout=600s >/dev/null
claim "they run, by tag and by digest ($((SECONDS - run)) s)" $?
events() { kubectl get events --field-selector="reason=$1" --output='jsonpath={range .items[*]}{.message}{"\n"}{end}'; }
claim 'the kubelet had them' "$(events Pulled | has_line 'already present on machine'; echo $?)"
holds 'and pulled none' same "$(events Pulling | grep -c example.com)" 0
of_node() { kubectl get node "$1" --output=json | jq -r '.status.images[].names[]' | grep "^example.com/" | sort; }
wanted=$(jq -r '.images.list[].names[]' "$lab/hab.lock" | sort)
for node in kube-master-01 kube-worker-01 kube-worker-02; do
    holds "$node says the names and digests of the lock" same "$(of_node "$node")" "$wanted"
done
ask() { kubectl exec client -- wget -q -O - http://web.default.svc.cluster.local/; }
holds 'the page comes from one worker to the other, by its Service' same "$(ask)" first
used=$(kubectl exec client -- du -s -k /containerd | cut -f 1)
claim "no layer was copied: all of containerd's folder has ${used:-?} KiB" "$([ "${used:-99999999}" -lt 65536 ]; echo $?)"
sql() { kubectl exec database -- psql --host=/tmp --username=postgres --no-align --tuples-only --command="$1" postgres; }
selects() { sql 'select 1' >/dev/null 2>&1; }
answers() { retry 60 5 selects; }
holds 'the database answers' answers
holds 'and is told something' sql 'create table words (word text); insert into words values ($$kept$$)'

vagrant halt kube-worker-02
vagrant up kube-worker-02
claim 'its node is started again' $?
holds 'its pods run again' kubectl wait pod/client pod/database --for=condition=Ready --timeout=600s
holds 'the database answers again' answers
holds 'and has what it was told' same "$(sql 'select word from words')" kept
holds 'the page comes again' same "$(ask)" first
for node in $(nodes domain worker); do virsh destroy "$node"; done
vagrant up
claim 'after a power cut of both workers vagrant up ends Ready' $?
kubectl wait pod/web pod/client pod/database --for=condition=Ready --timeout=600s >/dev/null
claim 'all pods run again' $?
holds 'with what the database was told' eval 'answers && same "$(sql "select word from words")" kept'

page second
before=$(cd "$lab" && sha256sum out/ignition/*.ign)
holds 'a changed archive is pinned' "$hab" --quiet -C "$lab" lock --images
holds 'and built' "$hab" --quiet -C "$lab" build
chown -R "$user:" "$lab"
holds 'without another config or box' eval 'same "$(cd "$lab" && sha256sum out/ignition/*.ign)" "$before" && same "$(box_sums)" "$boxes"'
kubectl delete pod web --wait=true >/dev/null
vagrant reload kube-worker-01
claim 'a node that is started again has the new disk' $?
holds 'a pod of the image is taken' apply
kubectl wait pod/web --for=condition=Ready --timeout=600s >/dev/null
holds 'and has the new page' same "$(ask)" second

volumes() { ns_root ls /var/lib/libvirt/images | grep -c "images-"; }
claim 'both disks are in the pool, for a machine has each' "$([ "$(volumes)" -eq 4 ]; echo $?)"
holds 'vagrant destroy' vagrant destroy --force
holds 'leaves neither' same "$(volumes)" 0
