# Claims: each is one line, and the script that makes them ends as "N passed, N failed". Sourced.
# shellcheck shell=bash

passed=0 failed=0 start=$SECONDS

# Ends the script where it is not run by root, who alone may make network namespaces.
needs_root() {
    [ "$(id -u)" -eq 0 ] && return
    echo "the boot tests make network namespaces, so they run as root: sudo ./test --boot" >&2
    echo "0 passed, 1 failed"
    exit 1
}

# One that fails shows what the script last kept in `said`, if anything.
claim() { # text, status
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
        printf '%5d s  ok      %s\n' $((SECONDS - start)) "$1"
    else
        failed=$((failed + 1))
        printf '%5d s  FAILED  %s\n' $((SECONDS - start)) "$1"
        [ -z "${said:-}" ] || echo "$said"
    fi
}

# The claim holds when the command succeeds.
holds() { # text, command...
    local text=$1
    shift
    "$@"
    claim "$text" $?
}

# Runs the command until it succeeds, so many times at most, with so many seconds in between.
retry() { # times, seconds, command...
    local times=$1 pause=$2 try
    shift 2
    for ((try = 0; try < times; try++)); do
        "$@" && return
        sleep "$pause"
    done
    return 1
}

# Whether a line of the input is of that pattern. All of it is read: `grep -q` ends at the first such line, and what still
# writes then is killed, which under pipefail says that there is none.
has_line() { # grep's options, pattern
    [ "$(grep -c "$@")" -gt 0 ]
}

# A command that fails shows an absence only if it would have shown a presence. So it is run twice: with PRESENT as its
# last argument it must succeed, with ABSENT it must fail.
tells_apart() { # present, absent, command...
    local present=$1 absent=$2
    shift 2
    if ! "$@" "$present"; then
        echo "        the control failed: $* $present" >&2
        return 1
    fi
    ! "$@" "$absent"
}

# Two texts are the same, and not for both being empty.
same() { # found, wanted
    if [ -z "$1" ] || [ "$1" != "$2" ]; then
        printf '        found:  %s\n        wanted: %s\n' "$1" "$2" >&2
        return 1
    fi
}

# Ends the script where a claim failed on which the rest stands: it would wait long for what is not there.
stands_so_far() {
    [ "$failed" -eq 0 ] && return
    echo "the rest needs all of this, so it is left out"
    summary
    exit 1
}

# The last line; fails when a claim has.
summary() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
