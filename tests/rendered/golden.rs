//! Whole trees of nodes as files under `tests/golden/<lab>/<node>`, so that what a change does to a node is seen in
//! review. `SNAPSHOTS=overwrite cargo test --test rendered golden` records them anew - and fails, for what was only
//! recorded was not compared.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use snapbox::Data;

use super::rendered::{DEFAULT, LARGE, Lab, Node};
use super::support;

const RECORD: &str = "SNAPSHOTS";

pub fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn recording() -> bool {
    std::env::var(RECORD).is_ok_and(|action| action == "overwrite")
}

/// To be called last: a run that recorded has shown nothing.
pub fn compared() {
    assert!(!recording(), "recorded; look at the difference, then run again without {RECORD}");
}

pub fn compare(path: &Path, actual: &str) {
    if recording() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    }
    // As they are, without filters: `raw` also keeps snapbox from taking `[..]` for anything.
    snapbox::assert_data_eq!(actual.to_owned(), Data::read_from(path, Some(snapbox::data::DataFormat::Text)).raw());
}

/// What stands where, with modes, for files carry none in git: certificates and keys by name only.
fn listing(node: &Node) -> String {
    let mut lines: Vec<String> = node.files.iter().map(|(path, (mode, _))| format!("{mode:04o} {path}")).collect();
    lines.extend(node.links.iter().map(|(path, target)| format!("link {path} -> {target}")));
    lines.sort_by(|a, b| a[5..].cmp(&b[5..]));
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").unwrap();
        text
    })
}

/// Compares one node of each role.
fn trees(name: &str, lab: &Lab, nodes: [&str; 3]) {
    let root = golden().join(name);
    if recording() && root.exists() {
        std::fs::remove_dir_all(&root).unwrap();
    }
    let mut known = BTreeSet::from(["nodes.json".to_owned(), "kubeconfig".to_owned()]);
    for node in nodes.map(|name| lab.node(name)) {
        compare(&root.join(format!("{}.list", node.name)), &listing(node));
        known.insert(format!("{}.list", node.name));
        for (path, text) in node.settings() {
            compare(&root.join(format!("{}{path}", node.name)), text);
            known.insert(format!("{}{path}", node.name));
        }
    }
    data(&root, lab);
    let recorded = support::files(&root).into_iter().filter(|path| !path.ends_with('/'));
    assert_eq!(recorded.collect::<BTreeSet<_>>(), known, "recorded, but not rendered any more");
    compared();
}

/// `out/nodes.json` without the path of hab and the digests, which depend on keys; the kubeconfig without secrets.
fn data(root: &Path, lab: &Lab) {
    let mut nodes: Value = serde_json::from_slice(&std::fs::read(lab.path("out/nodes.json")).unwrap()).unwrap();
    assert_eq!(nodes["hab"], env!("CARGO_BIN_EXE_hab"));
    nodes["hab"] = "hab".into();
    for node in nodes["nodes"].as_array_mut().unwrap() {
        assert_eq!(node["ignition_sha256"].as_str().unwrap().len(), 64);
        node["ignition_sha256"] = "sha256".into();
    }
    compare(&root.join("nodes.json"), &format!("{nodes:#}\n"));
    let kubeconfig = std::fs::read_to_string(lab.path("out/kubeconfig")).unwrap();
    let redacted = kubeconfig.lines().fold(String::new(), |mut text, line| {
        match line.split_once("-data: \"") {
            Some((key, data)) => {
                assert!(data.len() > 200, "{key}");
                writeln!(text, "{key}-data: \"...\"").unwrap();
            }
            None => writeln!(text, "{line}").unwrap(),
        }
        text
    });
    compare(&root.join("kubeconfig"), &redacted);
}

#[test]
fn the_default_lab_is_as_reviewed() {
    trees("default", &Lab::new(DEFAULT), ["etcd-01", "kube-master-01", "kube-worker-01"]);
}

#[test]
fn a_lab_with_more_of_everything_is_as_reviewed() {
    trees("large", &Lab::new(LARGE), ["etcd-03", "kube-master-02", "kube-worker-02"]);
}

#[test]
fn a_second_render_of_the_same_lab_has_the_same_bytes() {
    let lab = Lab::new(DEFAULT);
    let read = || lab.configs().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>();
    let first = read();
    std::fs::remove_dir_all(lab.path("out")).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hab"));
    // Another umask, time zone, locale and working folder.
    command.args(["-C"]).arg(lab.path("")).arg("render").current_dir("/");
    command.env("TZ", "Asia/Kathmandu").env("LC_ALL", "tr_TR.UTF-8");
    assert!(command.output().unwrap().status.success());
    assert_eq!(read(), first);
}

#[test]
fn a_node_is_the_same_with_every_provider_and_supply() {
    use std::os::unix::fs::PermissionsExt as _;
    let lab = Lab::new(DEFAULT);
    let read = || lab.configs().map(|path| std::fs::read(path).unwrap()).collect::<Vec<_>>();
    let drive = |node: &Node| lab.path(&format!("out/ignition/{}.iso", node.name));
    let render = |line: &str| {
        std::fs::write(lab.path("hab.yaml"), format!("{DEFAULT}{line}\n")).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hab"));
        assert!(command.arg("render").current_dir(lab.path("")).output().unwrap().status.success());
    };
    let before = read();
    render("supply: upstream");
    assert_eq!(read(), before);
    for line in ["provider: virtualbox", "provider: [libvirt, virtualbox]"] {
        render(line);
        assert_eq!(read(), before, "{line}");
        for (node, config) in lab.nodes.iter().zip(&before) {
            // In its twenty-second sector.
            let bytes = std::fs::read(drive(node)).unwrap();
            assert!(bytes[21 * 2048..].starts_with(config), "{}", node.name);
            assert_eq!(std::fs::metadata(drive(node)).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    render("provider: libvirt");
    assert!(lab.nodes.iter().all(|node| !drive(node).exists()), "keys that nobody needs any more stay");
}
