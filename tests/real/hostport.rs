//! A pod's host port with the list of CNI plugins that hab puts on nodes, and the plugins as hab builds them.

use std::path::Path;

use crate::built::build;
use crate::namespace::script;
use crate::rendered::{DEFAULT, Lab};

const LIST: &str = "/etc/kubernetes/cni/net.d/10-routed.conflist";

/// What `hostport.sh` says of a list of plugins, with what was built into `built`.
fn seen(list: &str, built: &Path) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("list");
    std::fs::write(&file, list).unwrap();
    let tool = script("hostport.sh").arg(file).arg(built.join("cni/bin")).arg(built.join("probe/bin/hab-probe"));
    tool.text().unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_host_port_leads_to_its_pod_from_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &["cni", "probe"]);
    let lab = Lab::new(DEFAULT);
    let list = lab.node("kube-worker-01").text(LIST);
    let ports = [
        "http://192.168.56.101:8088/",
        "http://127.0.0.1:8088/",
        "http://192.168.56.101:8088/",
        "http://192.168.56.101:8088/",
    ];
    let wanted = |word: &str| {
        let ports = ports.iter().map(|url| format!("{word} {url}"));
        let gone = format!("no {}", ports.clone().next().unwrap().split_once(' ').unwrap().1);
        [vec!["yes http://10.2.0.2/".to_owned()], ports.collect(), vec![gone]].concat()
    };
    assert_eq!(seen(list, dir.path()), wanted("yes"));

    // Without its last plugin there is no port, so the test above says something.
    let mut without: serde_json::Value = serde_json::from_str(list).unwrap();
    without["plugins"].as_array_mut().unwrap().pop();
    assert_eq!(seen(&without.to_string(), dir.path()), wanted("no"));
}
