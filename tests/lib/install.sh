# Installs what a task needs and the machine lacks. Sourced by ./demo and ./test.
# shellcheck shell=bash

# What is built here because Debian has no package of it.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
tools=$root/target/tools
export PATH=$PATH:$tools/packer

# What building boxes and running a lab needs, besides packer.
demo_packages=(
    # hab build: the boot test of every box
    qemu-system-x86 qemu-utils
    # vagrant up
    vagrant vagrant-libvirt libarchive-tools libvirt-daemon-system libvirt-clients dnsmasq-base
    # namespaces without a way out
    iproute2
)

# What only the tests need.
test_packages=(
    "${demo_packages[@]}"
    curl e2fsprogs git haproxy ignition nftables openssl shellcheck hyperfine jq squashfs-tools mtools python3
    # tests/vendor_image: a vendor's keys, and what checks and unpacks an image
    gpg gpg-agent gpgconf gpgv-static xz-utils
    # tests/container_images: a registry, and who may use it
    docker-registry apache2-utils
)

# Runs a command as root.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# Installs those of the named Debian packages that are not there yet.
install_packages() {
    local missing=() package
    for package in "$@"; do
        [[ $(dpkg-query --show --showformat '${db:Status-Abbrev}' "$package" 2>/dev/null) == ii* ]] || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
        return 0
    fi
    if ! command -v apt-get >/dev/null; then
        echo "This is no Debian machine; please install by hand: ${missing[*]}" >&2
        return 1
    fi
    echo "installing ${missing[*]}"
    # A daemon that starts by itself while its package is installed is nothing a test machine without systemd can do.
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# packer: Debian's, where there is one (12), else from its Go modules. Another archive's may lack the qemu plugin.
install_packer() {
    local packer
    if ! command -v packer >/dev/null; then
        as_root apt-get update -qq
        # Not "apt-cache show", which knows the name as long as another package mentions it.
        if [[ $(apt-cache madison packer) == *'| 1.6.'* ]]; then
            install_packages packer
        else
            "$root/tests/lib/packer.sh" "$tools/packer"
        fi
    fi
    packer=$(command -v packer) || return
    # The user's own shell does not find that one.
    [[ $packer != "$tools"/* ]] || echo "packer is $packer; for hab build by hand: PATH=\$PATH:$tools/packer"
}

# cargo-deny, which looks at what hab is linked with.
install_cargo_deny() {
    local version=0.20.2
    if [ "$("$tools/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
        # Without optimization: it runs for a second, and is built for minutes with it.
        CARGO_PROFILE_DEV_DEBUG=false cargo install --debug --quiet --locked --root "$tools" "cargo-deny@$version"
    fi
}

# Is version $1 at least $2?
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort --version-sort | head -n 1)" = "$2" ]
}

# Go, from Debian where there is none and Debian's is new enough. Any from 1.21 on fetches the toolchain it is told to use.
install_go() {
    if at_least "$(go_version)" 1.21 || ! command -v apt-cache >/dev/null; then
        return 0
    fi
    as_root apt-get update -qq
    local candidate
    candidate=$(apt-cache policy golang-go | sed -nE 's/^ *Candidate: (2:)?([0-9.]+).*/\2/p')
    if at_least "${candidate:-0}" 1.21; then
        install_packages golang-go
    fi
}

go_version() {
    local version
    # Missing is an answer, too, where the caller ends at the first error.
    version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || true
    version=${version#go}
    echo "${version:-0}"
}

# The two toolchains, new enough: Cargo.toml's rust-version, and a Go that fetches toolchains.
need_toolchains() {
    local rust go
    install_go
    rust=$(cargo --version 2>/dev/null | cut -d ' ' -f 2) || true
    go=$(go_version)
    if ! at_least "${rust:-0}" 1.88; then
        echo "hab is built with Rust 1.88 or newer (found: ${rust:-none}). Debian's package rustup, then: rustup default stable" >&2
        return 1
    fi
    if ! at_least "$go" 1.21; then
        echo "hab needs Go 1.21 or newer (found: ${go/#0/none}); see https://go.dev/doc/install" >&2
        return 1
    fi
}
