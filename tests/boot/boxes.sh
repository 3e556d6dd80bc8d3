#!/bin/bash
# The boxes of a new lab, built and tested through packer without a network, once everything is fetched. ./test runs this beside
# its first stages, and once more to wait for it. As root, after a release build. Argument: the program to test.
set -euo pipefail
hab=$(realpath "$1")
lab=$(mktemp -d)
trap 'rm -rf "$lab"' EXIT
"$hab" --quiet init "$lab"
"$hab" --quiet -C "$lab" fetch
unshare --net bash -c 'ip link set lo up && exec "$0" --quiet -C "$1" build' "$hab" "$lab"
