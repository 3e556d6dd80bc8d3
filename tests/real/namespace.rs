//! Scripts of this folder in namespaces of their own.

use std::path::Path;

use hab::exec::Tool;

use crate::rendered::Lab;

/// The script in a network and a mount namespace of its own, where it is root.
pub fn script(name: &str) -> Tool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name);
    Tool::find("unshare", "util-linux").unwrap().args(["--map-root-user", "--mount", "--net", "bash"]).arg(script)
}

/// The lines that a script prints which wants the rules in this file of a worker, of a lab of [`crate::rendered::NETWORKS`].
pub fn said_with_rules(name: &str, lab: &str, file: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    std::fs::write(&rules, Lab::of_network(lab).node("kube-worker-01").text(file)).unwrap();
    script(name).arg(rules).text().unwrap().lines().map(str::to_owned).collect()
}
