#!/bin/sh
# A libvirt of our own in a namespace with no way out.
#
#   netns.sh start STATE             make the namespace and start virtlogd and libvirtd in it
#   netns.sh run   STATE USER CMD..  run a command in it (USER: root or any account), in the current folder
#   netns.sh stop  STATE             end everything in it
#
# "The namespace" is three kernel namespaces together, held by one process:
#   net    only a loopback device; libvirt's bridges and taps appear in it, nothing leads out of it
#   mount  libvirt's folders (/etc, /run, /var/lib, ...) are STATE's; a libvirt of the machine's owner is not touched
#   pid    ending the holder ends libvirtd, dnsmasq and every qemu: nothing is looked up by name to be killed
# libvirt keeps Debian's stock settings: qemu runs as libvirt-qemu with dynamic ownership, and members of the
# group libvirt may speak to the socket (polkit is not there to ask, so the socket's mode alone decides).
set -eu

FOLDERS="etc/libvirt run/libvirt var/lib/libvirt var/cache/libvirt var/log/libvirt"
# Pid 1 of the namespace. It must reap orphans (bash does): libvirt waits 40 s for each qemu that stays a zombie.
HOLDER='while sleep 3600; do :; done # hab-netns'

die() { echo "netns: $*" >&2; exit 1; }

# The pid of the namespace's holder, if it lives. The number alone says nothing: it may be somebody else's by now.
holder() {
    pid=$(cat "$1/pid" 2>/dev/null) || return 1
    case $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") in "bash -c $HOLDER "*) echo "$pid" ;; *) return 1 ;; esac
}

# Run a command inside the namespace of STATE.
inside() {
    state=$1; shift
    pid=$(holder "$state") || die "nothing runs for $state"
    nsenter --target "$pid" --net --mount --pid -- env --chdir="$PWD" -- "$@"
}

start() {
    state=$1
    [ "$(id -u)" = 0 ] || die "only root can make namespaces with bridges in them"
    for tool in unshare nsenter ip libvirtd virtlogd virsh dnsmasq; do
        command -v "$tool" >/dev/null || die "$tool is missing"
    done
    getent group libvirt >/dev/null || die "the group libvirt is missing (package libvirt-daemon-system)"
    [ -n "$state" ] || die "the folder for the namespace's state has no name"
    ! holder "$state" >/dev/null || die "the namespace of $state runs already"
    # What an earlier libvirtd noted of itself: its pools are not there any more.
    rm -rf "$state/run/libvirt"
    mkdir -p "$state"
    for folder in $FOLDERS; do mkdir -p "$state/$folder" "/$folder"; done
    cp -a /etc/libvirt/. "$state/etc/libvirt/"
    rm -rf "$state"/etc/libvirt/qemu/*.xml "$state/etc/libvirt/qemu/networks" "$state/etc/libvirt/storage"
    chmod 0711 "$state/var/lib/libvirt"
    cat >>"$state/etc/libvirt/libvirtd.conf" <<CONF

# Added by $0: no polkit in this namespace.
unix_sock_group = "libvirt"
unix_sock_rw_perms = "0770"
auth_unix_ro = "none"
auth_unix_rw = "none"
CONF
    # The holder reports its own pid as this machine sees it: unshare's child is pid 1 inside.
    unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc \
        -- bash -c "$HOLDER" </dev/null >/dev/null 2>&1 &
    parent=$!
    # Until it has become the holder, it is still unshare.
    until tr -d ' ' 2>/dev/null <"/proc/$parent/task/$parent/children" >"$state/pid" && holder "$state" >/dev/null; do
        kill -0 "$parent" 2>/dev/null || die "unshare failed"
        sleep 0.1
    done
    # As udev makes it on a stock machine; libvirt asks its qemu again for its capabilities at every step (seconds
    # each) when /dev/kvm is there but closed to qemu's user.
    if [ -e /dev/kvm ]; then
        [ -e "$state/kvm" ] || mknod "$state/kvm" c 10 232
        chgrp kvm "$state/kvm"
        chmod 0660 "$state/kvm"
    fi
    # shellcheck disable=SC2016,SC2086 # the inner shell expands; FOLDERS is a list
    inside "$state" sh -euc '
        state=$1; shift
        for folder in "$@"; do mount --bind "$state/$folder" "/$folder"; done
        [ ! -e "$state/kvm" ] || mount --bind "$state/kvm" /dev/kvm
        ip link set lo up
        # Their usual pid files are in /run, which the namespace shares with the machine and with other namespaces.
        virtlogd --daemon --pid-file /run/libvirt/virtlogd.pid
        libvirtd --daemon --pid-file /run/libvirt/libvirtd.pid
    ' sh "$state" $FOLDERS
    tries=100
    until inside "$state" virsh -q -c qemu:///system version >/dev/null 2>&1; do
        tries=$((tries - 1)); [ $tries -gt 0 ] || die "libvirtd does not answer; see $state/var/log/libvirt"
        sleep 0.2
    done
    inside "$state" sh -euc '
        mkdir -p /var/lib/libvirt/images
        virsh -q -c qemu:///system pool-define-as default dir --target /var/lib/libvirt/images
        virsh -q -c qemu:///system pool-start default
        virsh -q -c qemu:///system pool-autostart default
    ' >/dev/null
}

run() {
    state=$1 user=$2; shift 2
    if [ "$user" = root ]; then
        inside "$state" "$@"
    else
        inside "$state" runuser -u "$user" -- "$@"
    fi
}

stop() {
    state=$1
    if pid=$(holder "$state"); then
        kill -9 "$pid"
        while [ -e "/proc/$pid" ]; do sleep 0.1; done
    fi
    rm -f "$state/pid"
}

verb=${1:-}; [ $# -ge 2 ] || die "usage: netns start|run|stop STATE ..."; shift
case $verb in
    start | run | stop) "$verb" "$@" ;;
    *) die "unknown verb $verb" ;;
esac
