# This base runs no udev and no network daemon: finds the network card in /sys and gives it the node's address.
# Sourced by node.sh.

# The card is known by the hardware address that the plan gave it.
card=''
for address in /sys/class/net/*/address; do
    read -r found <"$address"
    [ "$found" = "$MAC" ] && card=${address%/address} card=${card##*/}
done
if [ -z "$card" ]; then
    say network-card-missing
    exit 1
fi
{
    echo "link set lo up"
    echo "link set $card up"
    echo "address replace $ADDRESS/$PREFIX dev $card"
    # Nothing needs to be behind the gateway, but without a default route a packet to a service address has nowhere to
    # go before kube-proxy's rules see it.
    echo "route replace default via $GATEWAY"
} | ip -batch - || {
    say network-failed
    exit 1
}
