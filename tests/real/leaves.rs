//! What leaves a node that reaches the internet, by the rules that hab renders and the kernel.

use std::path::Path;

use hab::exec::Tool;

use crate::rendered::Lab;

#[test]
fn what_a_pod_sends_out_has_its_nodes_address_and_what_stays_has_its_own() {
    let lab = Lab::of_network("internet");
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    std::fs::write(&rules, lab.node("kube-worker-01").text("/etc/kubernetes/hab/masquerade.nft")).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/leaves.sh");
    let tool = Tool::find("unshare", "util-linux").unwrap().args(["--map-root-user", "--mount", "--net", "bash"]);
    let said = tool.arg(script).arg(rules).text().unwrap();
    let wanted = ["192.168.56.1 192.168.56.101", "192.168.56.102 10.2.0.5", "198.51.100.1 192.168.56.101"];
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted);
}
