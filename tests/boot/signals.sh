#!/bin/bash
# What signals do to a hab that works. Runs in the namespace, where every packer and every qemu is this hab's.
#   signals.sh killed COMMAND...   SIGKILL, as from a kernel that is out of memory, while machines run
#   signals.sh nohup COMMAND...    SIGHUP, as from a terminal that is closed, with nohup and without
# Prints what it saw; exits 1 when that is not as it should be.
set -uo pipefail
how=$1
shift

# The names of all packers and qemus; the kernel cuts names at 15 characters (proc_pid_comm(5)).
running() { grep -hx -e 'packer.*' -e 'qemu-system-x86' /proc/[0-9]*/comm 2>/dev/null | sort | uniq --count | xargs; }

killed() {
    local hab begin=$SECONDS seen pids log
    log=$(mktemp)
    "$@" >"$log" 2>&1 &
    hab=$!
    until seen=$(running) && [[ $seen == *packer* && $seen == *qemu* ]]; do
        if ! kill -0 "$hab" 2>/dev/null || ((SECONDS - begin > 120)); then
            echo "no machine was started: $(tail -n 5 "$log")"
            return 1
        fi
        sleep 0.1
    done
    kill -KILL "$hab"
    wait "$hab" 2>/dev/null
    rm "$log"
    begin=$SECONDS
    while [ -n "$(running)" ]; do
        if ((SECONDS - begin > 10)); then
            echo "of $seen there are still $(running)"
            pids=$(grep -lx -e 'packer.*' -e 'qemu-system-x86' /proc/[0-9]*/comm | cut -d / -f 3)
            # shellcheck disable=SC2086 # one word each
            kill -KILL $pids
            return 1
        fi
        sleep 0.1
    done
    echo "$seen, gone after $((SECONDS - begin)) s"
}

# Succeeds if the command still runs a second after SIGHUP. Whoever runs the tests may ignore that signal, too.
outlives() {
    local pid status
    env --default-signal=HUP "$@" >/dev/null 2>&1 &
    pid=$!
    sleep 2
    if ! kill -HUP "$pid"; then
        echo "it had ended before: $*"
        exit 1
    fi
    sleep 1
    kill -0 "$pid" 2>/dev/null
    status=$?
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    return "$status"
}

nohup_decides() {
    if outlives "$@"; then
        echo 'it lives on without nohup, too'
        return 1
    fi
    if ! outlives nohup "$@"; then
        echo 'it ends all the same'
        return 1
    fi
    echo 'with nohup it lives on, without it ends'
}

case $how in
killed) killed "$@" ;;
nohup) nohup_decides "$@" ;;
*) exit 2 ;;
esac
