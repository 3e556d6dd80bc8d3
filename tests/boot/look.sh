# hab shell, hab logs, hab console, hab ls: looking into nodes without SSH. Sourced by run.sh.
# shellcheck shell=bash

echo "-- looking into nodes"
etcd=$(nodes name etcd | head -n 1) master=$(nodes name master | head -n 1) worker=$(nodes name worker | tail -n 1)

# What a node is called, where its own unit runs, by root, in a word of its own.
for node in "$etcd" "$master" "$worker"; do
    case $node in "$etcd") unit=etcd ;; *) unit=kubelet ;; esac
    took=$SECONDS
    said=$(hab shell "$node" -- bash -c "echo \$(</proc/sys/kernel/hostname) \$(id -un) \$(systemctl is-active $unit)" 2>&1)
    claim "hab shell $node -- COMMAND ($((SECONDS - took)) s)" "$([ "$said" = "$node root active" ]; echo $?)"
    said=$(hab logs "$node" hab-node 2>&1)
    claim "hab logs $node hab-node" "$([[ $said == *'"event":"network"'* ]]; echo $?)"
done
hab shell "$etcd" -- bash -c 'echo out; echo err >&2; exit 7' >"$work/out" 2>"$work/err"
status=$?
claim 'it ends as the command did, and keeps its two streams apart' \
    "$([ "$status $(<"$work/out") $(<"$work/err")" = '7 out err' ]; echo $?)"
hab shell "$etcd" -- /no/such/program >/dev/null 2>&1
claim 'a program that is not there: 127' "$([ $? -eq 127 ]; echo $?)"
head -c 300000 /dev/urandom >"$work/random" && chmod 0644 "$work/random"
took=$SECONDS
hab shell "$etcd" -- cat <"$work/random" >"$work/back"
claim "every byte passes, in both directions at once (300 kB, $((SECONDS - took)) s)" "$(cmp -s "$work/random" "$work/back"; echo $?)"
# As a person has it: a terminal, with a size.
said=$(hab shell "$etcd" 2>&1 < <(echo 'echo is-$((40 + 2))'))
claim 'a script by standard input' "$([ "$said" = is-42 ]; echo $?)"
said=$(ns_user env TERM=vt100 script --quiet --return --command "stty rows 33 cols 99; '$hab' -C '$lab' shell $etcd" /dev/null < <(
    sleep 3
    printf 'tty; stty size; exit 9\n'
    sleep 10
))
status=$?
claim 'on a terminal it is a shell on a terminal of the same size, and ends as that does' \
    "$([[ $status -eq 9 && $said == *'/dev/pts/'*'33 99'* ]]; echo $?)"

echo "-- one at a time"
# Is there a process `sleep` on the node that is to sleep so long?
seen() { hab shell "$etcd" -- bash -c "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep '[s]leep $1 '" >/dev/null 2>&1; }
hab shell "$etcd" -- bash -c 'echo in; exec sleep 1111' >"$work/first" & first=$!
for ((try = 0; try < 60; try++)); do
    grep -q in "$work/first" && break
    sleep 1
done
said=$(hab shell "$etcd" -- true 2>&1)
status=$?
claim "a second client is told so: $said" "$([[ $status -eq 255 && $said == *'another session is open'* ]]; echo $?)"
said=$(hab shell "$master" -- echo here 2>&1)
claim 'another node is none of its business' "$([ "$said" = here ]; echo $?)"
# The whole tree of it: sudo's and env's are between.
pkill -KILL -f "shell $etcd -- bash -c echo in; exec sleep 1111"
wait "$first" 2>/dev/null
for ((try = 0; try < 30; try++)); do
    hab shell "$etcd" -- true 2>/dev/null && break
    sleep 1
done
claim "a client that was killed keeps the next one out for no longer than $((try + 1)) tries" "$([ "$try" -lt 30 ]; echo $?)"
hab shell "$etcd" -- bash -c 'sleep 2222 >/dev/null 2>&1 &'
holds 'what it ran has ended, what was left in the background has not' tells_apart 2222 1111 seen
said=$(ns_user timeout --signal=INT 10 "$hab" -C "$lab" logs "$etcd" etcd --follow --lines 1 2>&1)
claim 'hab logs --follow goes on until it is ended' "$([[ $said == *' etcd['*'ended by SIGINT'* ]]; echo $?)"

echo "-- after a save and a reset"
hab save look >/dev/null 2>&1
said=$(hab shell "$etcd" -- echo here 2>&1)
claim 'the shell is there after hab save' "$([ "$said" = here ]; echo $?)"
hab shell "$etcd" -- sleep 3333 & open=$!
sleep 10
said=$(hab reset look 2>&1)
status=$?
claim "hab reset, with a session open: $(tail -n 1 <<<"$said")" "$status"
wait "$open" 2>/dev/null
claim 'that session has ended, and says so by 255' "$([ $? -eq 255 ]; echo $?)"
for node in "$etcd" "$master" "$worker"; do
    said=$(hab shell "$node" -- echo here 2>&1)
    claim "hab shell $node after hab reset" "$([ "$said" = here ]; echo $?)"
done
hab saves rm look >/dev/null 2>&1

echo "-- who gets in"
said=$(ns_root runuser -u nobody -- env HOME=/nonexistent virsh -c qemu:///system list 2>&1)
claim 'nobody else may use libvirt, so nobody else gets in' "$([[ $? -ne 0 && $said == *error* ]]; echo $?)"
mkdir "$work/without" && printf 'lab: lab\nshell: false\n' >"$work/without/hab.yaml"
said=$("$hab" -C "$work/without" shell "$worker" -- true 2>&1)
claim "shell: false: $said" "$([[ $? -eq 1 && $said == *'shell: false'* ]]; echo $?)"
rm -rf "$work/without"
