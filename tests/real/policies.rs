//! That no pod is open before its network policies are enforced, by the rules that hab renders and the kernel.

use std::path::Path;

use hab::exec::Tool;

use crate::rendered::Lab;

#[test]
fn no_connection_of_a_pod_begins_before_its_policies_are_enforced() {
    let lab = Lab::of_network("network-policies");
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    std::fs::write(&rules, lab.node("kube-worker-01").text("/etc/kubernetes/hab/policies.nft")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/policies.sh");
    let tool = Tool::find("unshare", "util-linux").unwrap().args(["--map-root-user", "--mount", "--net", "bash"]);
    let said = tool.arg(script).arg(rules).text().unwrap();
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
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted);
}
