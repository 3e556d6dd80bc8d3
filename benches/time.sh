# How long commands take. Sourced by benches.
# shellcheck shell=bash

# Runs a command; how long it took, in milliseconds, goes to `took`.
timed() {
    local start
    start=$(date +%s%N)
    "$@"
    took=$((($(date +%s%N) - start) / 1000000))
}
seconds() { echo "$(($1 / 1000)).$(($1 / 100 % 10)) s"; }
