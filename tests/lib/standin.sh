# Makes a hab whose Debian base is like another (tests/standin/README.md). Sourced; needs `root`, the repository's folder.
# shellcheck shell=bash

# Replaces a line of a file, which must be there, by text.
replace() { # file, line, text
    awk -v line="$2" -v text="$3" '$0 == line {print text; found = 1; next} {print} END {exit !found}' "$1" >"$1.new" || {
        echo "$1 has no line: $2" >&2
        return 1
    }
    cat "$1.new" >"$1" && rm "$1.new"
}

# Copies hab's source, as git knows its files, into a folder, and makes its base like the one of this name.
standin_source() { # flatcar or fedora-coreos, folder
    local name=$1 folder=$2 base=$2/images/base/debian init=$2/images/base/debian/initramfs/init
    local standin=$root/tests/standin kind
    case $name in
    flatcar) kind=crate::kinds::Base::Flatcar ;;
    fedora-coreos) kind=crate::kinds::Base::FedoraCoreos ;;
    esac
    mkdir -p "$folder" && git -C "$root" ls-files -z |
        tar --create --directory="$root" --null --files-from=- | tar --extract --directory="$folder" || return
    # Its nodes, and their boot test, are the other base's.
    replace "$folder/src/node/groups.rs" \
        '        Self { base, role, network, images: false, registry: false, shell: false, addons: NodeAddons::default() }' \
        "        let _ = base; Self { base: $kind, role, network, images: false, registry: false, shell: false, addons: NodeAddons::default() }" || return
    cp "$standin/drop" "$base/drop"
    printf 'udev\n' >>"$base/packages"
    printf 'overlay\nvirtio_net\n' >>"$base/initramfs/modules"
    printf 'ip\numount\n' >>"$base/initramfs/applets"
    cp -r "$standin/common/." "$standin/$name/." "$base/rootfs/"
    # The vendors' kernels are not told to be quiet.
    sed -i 's/ quiet$//' "$base/syslinux.cfg"
    # Their initramfs has udev, which tells nobody later, asks DHCP, and formats disks.
    replace "$init" announce_disks 'mkdir -p /sysroot/run' || return
    replace "$init" '  # Everything Ignition wrote is on the disk before the stamp says so.' '  leave_traces' || return
    replace "$init" '# What Ignition says goes to a file: when it fails it prints the whole config, and a node'"'"'s keys are in that.' \
        'leave_traces() {
  for serial in /sysroot/sys/class/block/*/serial; do
    read -r name < "$serial"
    [ "$name" = hab-data ] || continue
    device=${serial%/serial}
    # As theirs is told to: what has data on it stays. On a console mke2fs would also ask.
    chroot /sysroot /usr/sbin/e2label "/dev/${device##*/}" >/dev/null 2>&1 && continue
    chroot /sysroot /usr/sbin/mke2fs -q -t ext4 -L hab-data "/dev/${device##*/}" || die "the data disk can not be formatted"
  done
  ip link set eth0 up && ip address add 192.168.56.200/24 dev eth0
}' || return
    case $name in
    flatcar)
        # /etc is an overlay, made before Ignition runs.
        mkdir -p "$base/rootfs/usr/share/flatcar" && mv "$base/rootfs/etc" "$base/rootfs/usr/share/flatcar/etc"
        cat "$standin/common.table" "$standin/flatcar.table" >>"$base/rootfs.table"
        sed -i 's| /etc/| /usr/share/flatcar/etc/|' "$base/rootfs.table"
        replace "$init" 'stamp=/sysroot/var/lib/hab/provisioned' 'mount -t overlay -o lowerdir=/sysroot/usr/share/flatcar/etc,upperdir=/sysroot/etc,workdir=/sysroot/etc.work overlay /sysroot/etc || die "/etc can not be mounted"
stamp=/sysroot/var/lib/first-boot-done'
        ;;
    fedora-coreos)
        sed -i -e '/^folder 0755 \/opt/d' -e 's| /var/| /stateroot/var/|' "$base/rootfs.table"
        cat "$standin/common.table" "$standin/fedora-coreos.table" >>"$base/rootfs.table"
        # Ignition finds /var there, and the real root has to mount it itself.
        replace "$init" 'stamp=/sysroot/var/lib/hab/provisioned' 'stamp=/sysroot/stateroot/boot/ignition.firstboot' &&
            replace "$init" 'if [ ! -e "$stamp" ]; then' 'if [ -e "$stamp" ]; then
  mount -o bind /sysroot/stateroot/var /sysroot/var' &&
            replace "$init" "  : > \"\$stamp\" || die \"\$stamp can't be written\"" '  umount /sysroot/var'
        ;;
    esac || return
    # The stamp of hab's own initramfs, which others do not have.
    replace "$init" '  : > /sysroot/run/hab-first-boot' '  :'
}

# Builds it, as a program at this path.
standin() { # flatcar or fedora-coreos, folder for the source, program
    standin_source "$1" "$2" && (cd "$2" && CARGO_TARGET_DIR="$root/target/other" cargo build --quiet --release) &&
        install -m 0755 "$root/target/other/release/hab" "$3"
}
