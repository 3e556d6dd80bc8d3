//! What leaves a node that reaches the internet, by the rules that hab renders and the kernel.

use crate::namespace::said_with_rules;

#[test]
fn what_a_pod_sends_out_has_its_nodes_address_and_what_stays_has_its_own() {
    let said = said_with_rules("leaves.sh", "internet", "/etc/kubernetes/hab/masquerade.nft");
    let wanted = ["192.168.56.1 192.168.56.101", "192.168.56.102 10.2.0.5", "198.51.100.1 192.168.56.101"];
    assert_eq!(said, wanted);
}
