//! That no pod is open before its network policies are enforced, by the rules that hab renders and the kernel.

use crate::namespace::said_with_rules;

#[test]
fn no_connection_of_a_pod_begins_before_its_policies_are_enforced() {
    let said = said_with_rules("policies.sh", "network-policies", "/etc/kubernetes/hab/policies.nft");
    let wanted = [
        "without, from a pod: here",
        "without, to a pod: here",
        "without, from the node: here",
        "before, from a pod: nothing",
        "before, to a pod: nothing",
        "before, from the node: here",
        "after, from a pod: here",
        "after, to a pod: here",
        "after, from the node: here",
    ];
    assert_eq!(said, wanted);
}
