#!/bin/bash
# No private key is in a box. Every file of both disks is looked into, what is compressed unpacked; and every byte of
# the disks, files or not. The same search must find keys planted in a copy of the first box, wherever a box has room
# for one. Arguments: a folder to work in, the lab's private folder, the boxes.
set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C
work=$(realpath "$1")/secrets private=$2
shift 2
rm -rf "$work"
mkdir "$work"
chmod 0700 "$work"

# What a key looks like, as basic regular expressions: a PEM header; the same in base64, as in a kubeconfig or a data
# URL (3 bytes are 4 characters, so a cut at 24 bytes keeps them whole); and this lab's own keys without any header.
patterns=$work/patterns
{
    echo '-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----'
    for kind in '' 'EC ' 'RSA ' 'OPENSSH ' 'ENCRYPTED '; do
        printf -- '-----BEGIN %sPRIVATE KEY-----' "$kind" | head -c 24 | base64
    done
    find "$private" -type f -exec awk '/-BEGIN .*PRIVATE KEY-/ {key = 1; next} /-END / {key = 0} key && length >= 40' {} +
} >"$patterns"
if [ "$(wc -l <"$patterns")" -le 6 ]; then
    echo "there are no keys in $private to look for" >&2
    exit 1
fi

fail() {
    echo "$*" >&2
    return 1
}

# Is this an archive, or compressed? By its name, or by its first bytes: gzip, xz, zstd, bzip2, lz4.
packed() {
    local start
    [[ $1 != *.tar ]] || return 0
    IFS= read -r -d '' -n 4 start <"$1" || true
    case $start in $'\x1f\x8b'* | $'\xfd7zX' | $'\x28\xb5\x2f\xfd' | BZh* | $'\x04\x22\x4d\x18') ;; *) return 1 ;; esac
}

# Unpacks what is packed in a folder, and what is in that, beside it; but for the kernel's modules.
open_up() { # folder
    local file
    while IFS= read -r -d '' file; do
        packed "$file" || continue
        mkdir "$file.unpacked"
        bsdtar -xf "$file" -C "$file.unpacked" 2>/dev/null || bsdcat "$file" >"$file.unpacked/content" || fail "can't unpack $file"
        open_up "$file.unpacked"
    done < <(find "$1" -type f -size +0 ! -name '*.ko.xz' -print0)
}

# grep with the patterns; that nothing matches is no failure.
matching() { # options, files
    grep --text --file="$patterns" "$@" || [ $? -eq 1 ]
}

# The partitions of a raw disk, one a line: name and first byte.
partitions() { # disk
    partx --show --noheadings --output NAME,START "$1" | awk '{printf "%s %d\n", $1, $2 * 512} END {exit NR == 0}'
}

# Copies every file of a partition to a folder.
unpack() { # disk, first byte, folder
    local type said
    type=$(blkid --probe --offset "$2" --match-tag TYPE --output value "$1") || fail "$1 at $2: no file system"
    mkdir -p "$3"
    case $type in
    squashfs) unsquashfs -quiet -no-progress -no-xattrs -force -offset "$2" -dest "$3" "$1" ;;
    ext4)
        # It ends with 0 whatever happens, and says its own name in any case.
        said=$(debugfs -R "rdump / $3" "$1?offset=$2" 2>&1 | sed '/^debugfs [0-9.]* (/d')
        [ -z "$said" ] || fail "$1 at $2: $said"
        ;;
    vfat) mcopy -s -n -Q -i "$1@@$2" '::/*' "$3" ;;
    *) fail "$1 at $2: nobody knows how to unpack $type" ;;
    esac
    [ -n "$(find "$3" -type f -print -quit)" ] || fail "$1 at $2: no file came out"
}

# Prints where there is a key in a raw disk: NAME-OF-THE-PARTITION/FILE, or "bytes" for any of the disk's bytes.
keys_on_disk() { # disk, folder
    local list name start lines
    list=$(partitions "$1")
    while read -r name start; do
        unpack "$1" "$start" "$2/$name"
    done <<<"$list"
    open_up "$2"
    # They are hundreds: all in one go.
    find "$2" -type f -name '*.ko.xz' -exec bsdcat {} + >"$2/modules"
    (cd "$2" && matching --recursive --files-with-matches . | sed 's|^\./||')
    # tar leaves out the holes, of which the base has 8 GiB; grep would read them.
    lines=$(tar --sparse -cf - -C "$(dirname "$1")" "$(basename "$1")" | matching --count)
    [ "$lines" -eq 0 ] || echo bytes
    echo "$(find "$2" -type f | wc -l) files, $(du --block-size=1M "$1" | cut -f 1) MiB" >>"$work/looked"
}

# Prints where there is a key in a box. Disks are often the same in several boxes: each is looked into once.
keys_in() { # box
    local box=$work/box disk disks sum
    mkdir "$box"
    tar -xf "$1" -C "$box"
    disks=$(jq --raw-output --exit-status '.disks[].path' "$box/metadata.json")
    for disk in $disks; do
        sum=$(sha256sum "$box/$disk" | cut -d ' ' -f 1)
        if [ ! -e "$work/$sum" ]; then
            qemu-img convert -O raw "$box/$disk" "$box/disk.raw"
            keys_on_disk "$box/disk.raw" "$box/$disk.files" >"$work/new"
            mv "$work/new" "$work/$sum"
        fi
        cat "$work/$sum"
        rm -rf "$box/disk.raw" "${box:?}/$disk" "$box/$disk.files"
    done
    # What is beside the disks.
    (cd "$box" && matching --recursive --files-with-matches . | sed 's|^\./||')
    rm -rf "$box"
}

# A copy of a box with a key in every place that a box has, in one way or another.
plant() { # box, new box
    local box=$work/planted key=$work/key disk disks raw list name start
    mkdir -p "$box" "$work/usr/lib" "$work/payload/images"
    tar -xf "$1" -C "$box"
    openssl ecparam -name prime256v1 -genkey -noout -out "$key"
    cp "$key" "$box/planted.key"
    disks=$(jq --raw-output --exit-status '.disks[].path' "$box/metadata.json")
    for disk in $disks; do
        raw=$box/$disk.raw
        qemu-img convert -O raw "$box/$disk" "$raw"
        list=$(partitions "$raw")
        while read -r name start; do
            case $name in
            hab-boot)
                mcopy -i "$raw@@$start" "$key" ::/planted.key
                bsdtar -cf "$work/initrd" --format newc --zstd -C "$work" key
                mcopy -o -i "$raw@@$start" "$work/initrd" ::/initrd
                # Where no partition is: between the table and the first one.
                dd if="$key" of="$raw" bs=1 seek=$((start - 4096)) conv=notrunc status=none
                ;;
            hab-usr)
                printf 'client-key-data: %s\n' "$(base64 --wrap=0 "$key")" >"$work/usr/lib/planted.conf"
                mksquashfs "$work/usr" "$work/usr.img" -quiet -no-progress -comp zstd
                dd if="$work/usr.img" of="$raw" bs=1M seek="$start" oflag=seek_bytes conv=notrunc status=none
                ;;
            hab-root) debugfs -w -R "write $key /etc/planted.key" "$raw?offset=$start" >/dev/null 2>&1 ;;
            hab-payload)
                # One of this lab's own, without a header, in a compressed layer of an image.
                tail -n 1 "$patterns" >"$work/payload/file"
                tar -czf "$work/payload/layer" -C "$work/payload" --remove-files file
                tar -cf "$work/payload/images/planted.tar" -C "$work/payload" --remove-files layer
                mksquashfs "$work/payload" "$work/payload.img" -quiet -no-progress -comp gzip
                dd if="$work/payload.img" of="$raw" bs=1M seek="$start" oflag=seek_bytes conv=notrunc status=none
                ;;
            *) fail "no key is planted in the partition $name" ;;
            esac
        done <<<"$list"
        qemu-img convert -O qcow2 "$raw" "$box/$disk"
        rm "$raw"
    done
    tar -cf "$2" -C "$box" --exclude='*.raw' .
    rm -rf "$box"
}

plant "$1" "$work/with-keys.box"
found=$(keys_in "$work/with-keys.box" | sort)
wanted='bytes
hab-boot/initrd.unpacked/key
hab-boot/planted.key
hab-payload/images/planted.tar.unpacked/layer.unpacked/file
hab-root/etc/planted.key
hab-usr/lib/planted.conf
planted.key'
if [ "$found" != "$wanted" ]; then
    diff <(echo "$wanted") <(echo "$found") >&2 || true
    fail 'the search does not find keys that were planted'
fi
rm "$work/looked" "$work/with-keys.box"

status=0
for box in "$@"; do
    found=$(keys_in "$box")
    [ -z "$found" ] || { sed "s|^|$(basename "$box"): a key in |" <<<"$found" >&2; status=1; }
done
echo "        looked into: $(paste -sd ';' "$work/looked" | sed 's/;/; /g')"
[ "$status" -ne 0 ] || rm -rf "$work"
exit "$status"
