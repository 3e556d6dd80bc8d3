//! A pod's host port with the list of CNI plugins that hab puts on nodes, and the plugins as hab builds them.

use std::path::Path;

use hab::artifacts::{Origin, Table, build, fetch, pin, toolchain};
use hab::cache::Cache;
use hab::exec::Tool;
use hab::progress::Silent;

use crate::rendered::{DEFAULT, Lab};

const LIST: &str = "/etc/kubernetes/cni/net.d/10-routed.conflist";

/// Builds the CNI plugins and the probe; what they are made of is fetched once.
fn programs(dir: &Path) -> hab::artifacts::Artifacts {
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let root = dir.join("hab");
    std::fs::create_dir_all(&modules).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(modules, root.join("go")).unwrap();
    let cache = Cache::at(root);
    let mut table = Table::source().unwrap();
    let wanted = ["cni", "probe"];
    table.upstreams.retain(|name, _| wanted.contains(&name.as_str()));
    table
        .artifacts
        .retain(|_, entry| matches!(&entry.origin, Origin::Go { upstream, .. } if wanted.contains(&upstream.as_str())));
    table.images.clear();
    let lock = pin(&table, toolchain(&cache).unwrap(), Vec::new()).unwrap();
    fetch(&cache, &table, &lock, &Silent).unwrap();
    build(&cache, &table, &lock, &Silent).unwrap()
}

/// What `hostport.sh` says of a list of plugins.
fn seen(list: &str, programs: &hab::artifacts::Artifacts) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("list");
    std::fs::write(&file, list).unwrap();
    let program = |name: &str| &programs.program(name).unwrap().file.path;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/hostport.sh");
    let tool = Tool::find("unshare", "util-linux").unwrap().args(["--map-root-user", "--mount", "--net", "bash"]);
    let tool = tool.arg(script).arg(file).arg(program("bridge").parent().unwrap()).arg(program("hab-probe"));
    tool.text().unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_host_port_leads_to_its_pod_from_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let programs = programs(dir.path());
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
        [vec!["yes http://10.2.1.2/".to_owned()], ports.collect(), vec![gone]].concat()
    };
    assert_eq!(seen(list, &programs), wanted("yes"));

    // Without its last plugin there is no port, so the test above says something.
    let mut without: serde_json::Value = serde_json::from_str(list).unwrap();
    without["plugins"].as_array_mut().unwrap().pop();
    assert_eq!(seen(&without.to_string(), &programs), wanted("no"));
}
