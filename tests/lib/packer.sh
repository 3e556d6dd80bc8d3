#!/bin/bash
# Builds today's packer and its qemu plugin from their Go modules, for a Debian that has no package of packer (13 and
# later), and to see that hab works with it. Usage: packer.sh FOLDER; then FOLDER/packer is a packer with that plugin.
set -euo pipefail
mkdir -p "$1"
folder=$(realpath "$1")
cd "$(dirname "$0")/packer"

# One at a time; who comes later finds it built.
exec 9>"$folder/lock"
flock 9
# While the modules stay, nothing changes.
if [ -x "$folder/packer" ] && cmp --silent go.sum "$folder/go.sum"; then
    exit 0
fi
build() { # package, file
    env -u GOFLAGS CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=auto go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$2" "$1"
}
rm -rf "$folder/packer" "$folder/plugins"
echo "building packer and its qemu plugin from their Go modules"
# Some hundred modules are fetched; one that fails on the way is asked for once more.
build github.com/hashicorp/packer "$folder/lib/packer" || build github.com/hashicorp/packer "$folder/lib/packer"
build github.com/hashicorp/packer-plugin-qemu "$folder/lib/packer-plugin-qemu"
CHECKPOINT_DISABLE=1 PACKER_PLUGIN_PATH=$folder/plugins "$folder/lib/packer" plugins install \
    -path "$folder/lib/packer-plugin-qemu" github.com/hashicorp/qemu >/dev/null
cat >"$folder/packer" <<'END'
#!/bin/sh
here=$(dirname "$(realpath "$0")")
# It asks nobody whether there is a newer one.
CHECKPOINT_DISABLE=1 PACKER_PLUGIN_PATH=$here/plugins exec "$here/lib/packer" "$@"
END
chmod +x "$folder/packer"
cp go.sum "$folder/go.sum"
