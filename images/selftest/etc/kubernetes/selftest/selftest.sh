#!/bin/bash
# Does this box hold what hab says? Each line of /etc/kubernetes/selftest/checks is a check, its fields apart by tabs:
#   start  UNIT                 the unit starts
#   unit   UNIT                 systemd can load the unit
#   masked UNIT                 systemd will not start the unit
#   there  PATH                 something is at this path
#   gone   PATH                 nothing is
#   tell   WHAT                 holds whatever the guest knows of it
#   file   PATH SHA256          the payload's file has these bytes
#   run    NAME EXPECTED ARGV.. the program exits with 0, and what it prints has EXPECTED in it
#   image  REFERENCE DIGEST     containerd has the image under this digest
#   again                       the machine starts once more, and Ignition has not run again; the last one, if at all
# Each answer is a line of JSON on the second serial port, where nobody else speaks: the kernel's messages go to the
# first. The last line says how many there were.
set -u
here=/etc/kubernetes/selftest
exec 3>/dev/ttyS1
count=0

# Text for a JSON string: one line, no control characters, quotes and backslashes escaped, no longer than an error.
text() {
    local text=${1//[$'\x01'-$'\x1f']/ }
    text=${text:0:300}
    text=${text//\\/\\\\}
    printf '%s' "${text//\"/\\\"}"
}

answer() {
    local up _
    read -r up _ </proc/uptime
    count=$((count + 1))
    printf '{"hab":"selftest","check":"%s","ok":%s,"detail":"%s","uptime":%s}\n' "$(text "$1")" "$2" "$(text "$3")" "$up" >&3
}

running() { systemctl --plain --no-legend --type=service,socket --state=running,listening | cut -d ' ' -f 1; }

# What this machine is, and what runs on it.
facts() {
    case $1 in
    system) (. /etc/os-release && echo "$PRETTY_NAME, Linux $(uname -r)") ;;
    default-target) systemctl get-default ;;
    running-units) running ;;
    # What neither the default target nor a check has started, by wanting it or what wants it.
    unexpected-units)
        local started
        mapfile -t started < <(systemctl get-default && grep '^start' "$here/checks" | cut -f 2)
        comm -23 <(running | sort) <(systemctl list-dependencies --all --plain "${started[@]}" | tr -d ' ' | sort -u)
        ;;
    failed-units) systemctl --plain --no-legend --state=failed | cut -d ' ' -f 1 ;;
    selinux)
        if [ -e /sys/fs/selinux/enforce ]; then
            echo "enforce $(</sys/fs/selinux/enforce), denials: $(dmesg | grep -c 'avc: *denied')"
        else
            echo none
        fi
        ;;
    *) echo 'nobody knows' ;;
    esac
}

check() {
    local kind=$1 out
    shift
    case $kind in
    start)
        if out=$(systemctl start "$1" 2>&1); then
            answer "start:$1" true started
        else
            answer "start:$1" false "$out $(journalctl --unit "$1" --lines 5 --no-pager --output cat 2>&1)"
        fi
        ;;
    unit)
        out=$(systemctl show --property LoadState --value "$1" 2>&1)
        if [ "$out" = loaded ]; then answer "unit:$1" true "$out"; else answer "unit:$1" false "$out"; fi
        ;;
    masked)
        out=$(systemctl show --property LoadState --value "$1" 2>&1)
        if [ "$out" = masked ]; then answer "masked:$1" true "$out"; else answer "masked:$1" false "$out"; fi
        ;;
    there) if [ -e "$1" ]; then answer "there:$1" true 'it is'; else answer "there:$1" false 'nothing is there'; fi ;;
    gone) if [ ! -e "$1" ]; then answer "gone:$1" true 'it is'; else answer "gone:$1" false 'it is there'; fi ;;
    tell) answer "tell:$1" true "$(facts "$1" 2>&1)" ;;
    file)
        out=$(sha256sum "/opt/hab/$1" 2>&1)
        if [ "${out%% *}" = "$2" ]; then answer "file:$1" true "$2"; else answer "file:$1" false "expected $2, found ${out%% *}"; fi
        ;;
    run)
        local name=$1 expected=$2 code=0
        shift 2
        out=$("$@" 2>&1) || code=$?
        if [[ $code -eq 0 && $out == *"$expected"* ]]; then
            answer "run:$name" true "$expected"
        else
            answer "run:$name" false "expected $expected, found $out (exit code $code)"
        fi
        ;;
    image)
        out=$(/opt/hab/bin/ctr --namespace k8s.io images ls "name==$1" 2>&1)
        if [[ $out == *" $2 "* ]]; then answer "image:$1" true "$2"; else answer "image:$1" false "expected $2, found ${out#*SIZE}"; fi
        ;;
    again)
        # Ignition brings `boots`, and would write it anew.
        if [ ! -e "$here/booted" ]; then
            echo changed >"$here/boots" && : >"$here/booted"
            # For the unit, which switches the machine off else.
            : >/run/hab-selftest-again
            systemctl --no-block reboot
            exit
        fi
        if [ "$(<"$here/boots")" = changed ]; then
            answer second-boot true 'Ignition ran once'
        else
            answer second-boot false 'Ignition ran again'
        fi
        ;;
    *)
        answer "$kind" false "no such check"
        ;;
    esac
}

export PATH=/opt/hab/bin:/usr/sbin:/usr/bin
while IFS=$'\t' read -r -a fields; do
    # The second time all else was answered.
    [ ! -e "$here/booted" ] || [ "${fields[0]}" = again ] || continue
    check "${fields[@]}"
done <"$here/checks"
printf '{"hab":"selftest","done":%s}\n' "$count" >&3
