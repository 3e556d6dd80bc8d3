# A lab with a registry of its own: images come into it while it runs, and stay when masters come and go. Sourced by run.sh.
# shellcheck shell=bash

echo "-- a lab with a registry of its own"
made=$work/images
mkdir -p "$made/base/bin" "$made/debs"
# Of Debian's busybox-static; no script of its runs.
busybox() {
    local url file rest
    apt-get -c "$cache/apt/trixie/apt.conf" -qq -y install --print-uris -- busybox-static |
        while read -r url file rest; do
            curl --silent --show-error --fail --location --output "$made/debs/$file" "${url//\'/}" || exit 1
            dpkg-deb --fsys-tarfile "$made/debs/$file" | tar --extract --directory="$made/debs" --no-same-owner || exit 1
        done && install -m 0755 "$(find "$made/debs" -type f -path '*/bin/busybox')" "$made/base/bin/busybox" &&
        ln -sf busybox "$made/base/bin/sh" && ln -sf busybox "$made/base/bin/cat" && ln -sf busybox "$made/base/bin/sleep"
}
# An image that says a word, as an archive.
word() { # name, word
    mkdir -p "$made/word/etc" && echo "$2" >"$made/word/etc/word"
    python3 "$here/image.py" "$made/word.tar" "$1" '{"Cmd": ["/bin/sh", "-c", "cat /etc/word; exec sleep 100000"], "Env": ["PATH=/bin"]}' \
        "$made/base" "$made/word"
}
# The one who built the lab has the programs that fetch images, and the namespace has the lab.
image() { ns_root env HOME="$HOME" "$hab" -C "$lab" image "$@"; }
load() { # name, word
    word "$1" "$2" && image load "$made/word.tar" --json
}
# A pod of an image on a node; it tolerates a master's taint.
pod() { # pod, image, policy, node
    kubectl run "$1" --image="$2" --image-pull-policy="$3" --overrides='{"spec": {"nodeName": "'"$4"'", "terminationGracePeriodSeconds": 0, "tolerations": [{"operator": "Exists"}]}}' >/dev/null
}
runs() { kubectl wait "pod/$1" --for=condition=Ready --timeout=300s >/dev/null; }
logged() { [ "$(kubectl logs "$1" 2>/dev/null)" = "$2" ]; }
says() { retry 30 2 logged "$@"; } # pod, word
on_both() { [ "$(masters_with "$1" 2>/dev/null)" = 'kube-master-01 kube-master-02' ]; }
caught_up() { retry 60 5 on_both "$1"; } # name
masters_with() { image ls --json | jq -r --arg name "$1" '[.[] | select(.name == $name) | .masters[]] | join(" ")'; }

rm -rf "${lab:?}" && mkdir -p "$lab"
printf 'lab: lab\nnodes: {master: {count: 2}}\n' >"$lab/hab.yaml"
holds 'a lab without a registry is built' "$hab" --quiet -C "$lab" build
boxes=$(box_sums)
said=$("$hab" -C "$lab" image ls 2>&1)
claim 'without one hab image says what to write' "$([[ $said == *'registry: {inLab: true}'* ]]; echo $?)"
printf 'registry: {inLab: true}\n' >>"$lab/hab.yaml"
said=$("$hab" -C "$lab" build 2>&1)
claim 'with one it is built' $?
said=''
holds 'the boxes of etcd nodes and workers are the same' same "$(box_sums | grep -v master)" "$(grep -v master <<<"$boxes")"
holds 'the report of the master says that its program runs' jq -e '.answers[] | select(.check == "run:bin/hab-registry") | .ok' "$lab/out/report/master.json"
holds 'busybox is there' busybox

first_up 'vagrant up'
# Without a pause: it waits for the registry, which comes up after what makes the cluster Ready.
took=$SECONDS
said=$(load example.com/team/app:1 first)
status=$?
claim "hab image load ($((SECONDS - took)) s): $(jq -c '.[0].masters' <<<"$said")" "$status"
# The second one's registry may come up after the first one's.
holds 'both masters have it' caught_up example.com/team/app:1
took=$SECONDS
pod one example.com/team/app:1 IfNotPresent kube-worker-01
pod two example.com/team/app:1 Always kube-worker-02
pod three example.com/team/app:1 IfNotPresent kube-master-02
runs one && runs two && runs three
claim "pods of it run on workers and on a master ($((SECONDS - took)) s)" $?
holds 'and say its word' says two first

took=$SECONDS
pod none quay.io/nobody/none:1 IfNotPresent kube-worker-01
missing() { kubectl get events --field-selector=involvedObject.name=none --output='jsonpath={.items[*].message}' | has_line 'quay.io/nobody/none:1: not found'; }
retry 30 1 missing
claim "an image that is nowhere is said by its name ($((SECONDS - took)) s)" $?
said=$(kubectl get events --field-selector=involvedObject.name=none --output='jsonpath={.items[*].message}')
kubectl delete pod none two >/dev/null

holds 'a name of one word, with latest' eval 'load tool:latest latest >/dev/null && pod tool tool Always kube-worker-02 && runs tool && says tool latest'
holds 'a tag that leads elsewhere' eval 'load example.com/team/app:1 second >/dev/null && pod two example.com/team/app:1 Always kube-worker-02 && runs two && says two second'
digest=$(image ls --json | jq -r '.[] | select(.name == "example.com/team/app:1") | .digest')
holds 'by digest' eval 'pod digest "example.com/team/app@$digest" IfNotPresent kube-worker-01 && runs digest && says digest second'

vagrant halt kube-master-02
said=$(load example.com/team/app:1 third)
claim 'while a master is off, hab image load says who has it not' "$([ "$(jq -r '.[0].away[]' <<<"$said")" = kube-master-02 ]; echo $?)"
kubectl delete pod two >/dev/null
holds 'and nodes run it' eval 'pod two example.com/team/app:1 Always kube-worker-02 && runs two && says two third'
vagrant up kube-master-02
claim 'the master comes back' $?
holds 'and has it' caught_up example.com/team/app:1
vagrant destroy --force kube-master-02 >/dev/null
vagrant up kube-master-02
claim 'a master is destroyed with its data, and made anew' $?
holds 'and has it again' caught_up example.com/team/app:1

vagrant halt
vagrant up
claim 'all machines are halted and come up' $?
sed -i 's/nodes: .*/nodes: {master: {count: 2}, worker: {count: 3}}/' "$lab/hab.yaml"
holds 'a worker more' "$hab" --quiet -C "$lab" build
chown -R "$user:" "$lab"
vagrant up kube-worker-03
claim 'it joins' $?
holds 'and runs the image' eval 'pod joined example.com/team/app:1 Always kube-worker-03 && runs joined && says joined third'

skopeo=$(find "$cache/container-tools" -path '*/bin/skopeo' | head -n 1)
first=$(nodes address master | head -n 1)
word ignored pushed
holds 'skopeo pushes with what is in out/registry' ns_root "$skopeo" --insecure-policy copy --quiet --dest-cert-dir "$lab/out/registry" "docker-archive:$made/word.tar" "docker://$first:5000/team/pushed:1"
holds 'and nodes run that' eval 'pod pushed team/pushed:1 Always kube-worker-01 && runs pushed && says pushed pushed'
holds 'hab image rm' image rm team/pushed:1
holds 'it is in no list any more' same "$(image ls --json | jq -r '[.[].name] | sort | join(" ")')" 'docker.io/library/tool:latest example.com/team/app:1'
kubectl delete pod pushed >/dev/null
pod pushed team/pushed:1 Always kube-worker-01
gone() { kubectl get events --field-selector=involvedObject.name=pushed --output='jsonpath={.items[*].message}' | has_line 'team/pushed:1: not found'; }
holds 'and no node pulls it any more' retry 30 2 gone
vagrant destroy --force >/dev/null
