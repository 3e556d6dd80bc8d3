# No base runs a network daemon here: finds the network card in /sys and gives it the node's address. Sourced by node.sh.

# Each is MAC=ADDRESS/LENGTH: the card is known by the hardware address that the plan gave it.
commands="link set lo up"
for wanted in ${CARDS:-} "$MAC=$ADDRESS/$PREFIX"; do
    card=''
    for address in /sys/class/net/*/address; do
        read -r found <"$address"
        [ "$found" = "${wanted%%=*}" ] && card=${address%/address} card=${card##*/}
    done
    if [ -z "$card" ]; then
        say network-card-missing
        exit 1
    fi
    # An initramfs may have asked DHCP; what that gave would stay, and come first.
    commands+=$'\n'"address flush dev $card"$'\n'"link set $card up"$'\n'"address replace ${wanted#*=} dev $card"
done
# Nothing needs to be behind the gateway, but without a default route a packet to a service address has nowhere to
# go before kube-proxy's rules see it.
commands+=$'\n'"route replace default via $GATEWAY"
ip -batch - <<<"$commands" || {
    say network-failed
    exit 1
}
