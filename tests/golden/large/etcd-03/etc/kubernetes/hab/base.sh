# This base runs no udev and no network daemon: finds the network card in /sys and gives it the node's address.
# Sourced by node.sh.

# Sets `card` to the one with this hardware address, which the plan gave it.
find_card() {
    local address found
    card=''
    for address in /sys/class/net/*/address; do
        read -r found <"$address"
        [ "$found" = "$1" ] && card=${address%/address} card=${card##*/}
    done
    [ -n "$card" ] || {
        say network-card-missing
        exit 1
    }
}

commands="link set lo up"
# Further ones, each MAC=ADDRESS/LENGTH.
for extra in ${CARDS:-}; do
    find_card "${extra%%=*}"
    commands+=$'\n'"link set $card up"$'\n'"address replace ${extra#*=} dev $card"
done
find_card "$MAC"
commands+=$'\n'"link set $card up"$'\n'"address replace $ADDRESS/$PREFIX dev $card"
# Nothing needs to be behind the gateway, but without a default route a packet to a service address has nowhere to
# go before kube-proxy's rules see it.
commands+=$'\n'"route replace default via $GATEWAY"
ip -batch - <<<"$commands" || {
    say network-failed
    exit 1
}
