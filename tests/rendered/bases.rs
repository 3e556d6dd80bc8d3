//! What the nodes of one base have other than those of another: what its groups of files say, and nothing else. Recorded as
//! other golden files are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::golden::{compare, compared, golden};
use super::rendered::{Lab, Node};

/// The same lab with each base: the default of memory follows the base.
fn lab(base: &str) -> Lab {
    let memory = "nodes: {etcd: {memory: 4096}, master: {memory: 4096}, worker: {memory: 4096}}";
    Lab::new(&format!("lab: demo\nbase: {base}\n{memory}\n"))
}

/// Everything on a node that is not a key or a certificate, by path: a file with its mode, or a link.
fn things(node: &Node) -> BTreeMap<String, String> {
    let files = node.settings().map(|(path, text)| (path.to_owned(), format!("{:o} {text}", node.files[path].0)));
    files.chain(node.links.iter().map(|(path, target)| (path.clone(), format!("-> {target}")))).collect()
}

/// The paths on a node that the groups of this base bring: their files, their links, and the links of their units.
fn of_groups(groups: &[&str]) -> BTreeSet<String> {
    let ignition = Path::new(env!("CARGO_MANIFEST_DIR")).join("ignition");
    let mut paths = BTreeSet::new();
    for group in groups {
        for file in super::support::files(&ignition.join(group)).into_iter().filter(|path| !path.ends_with('/')) {
            if let Some(unit) = file.strip_prefix("etc/systemd/system/").filter(|unit| unit.ends_with(".service")) {
                paths.insert(format!("/etc/systemd/system/hab.target.wants/{unit}"));
            }
            paths.insert(format!("/{file}"));
        }
    }
    let table = std::fs::read_to_string(ignition.join("links")).unwrap();
    let links = table.lines().filter_map(|line| line.split_once(' ')).filter(|(group, _)| groups.contains(group));
    paths.extend(links.map(|(_, link)| link.split(' ').next().unwrap().to_owned()));
    paths
}

#[test]
fn nodes_differ_only_where_the_bases_groups_say_so() {
    let debian = lab("debian");
    for base in ["flatcar", "fedora-coreos"] {
        let other = lab(base);
        let mut differences = BTreeSet::new();
        for node in &debian.nodes {
            let (before, after) = (things(node), things(other.node(&node.name)));
            let gone: BTreeSet<String> = before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
            let new: BTreeSet<String> = after.keys().filter(|path| !before.contains_key(*path)).cloned().collect();
            assert_eq!(gone, of_groups(&["base-debian"]), "{}", node.name);
            assert_eq!(new, of_groups(&["udev", &format!("base-{base}")]), "{}", node.name);
            let same = before.iter().filter(|(path, _)| after.contains_key(*path));
            for (path, thing) in same {
                assert_eq!(&after[path], thing, "{} {path}", node.name);
            }
            differences.extend(gone.into_iter().map(|path| format!("- {path}\n")));
            differences.extend(new.into_iter().map(|path| {
                let ending = Path::new(&path).extension().and_then(|ending| ending.to_str());
                let (thing, whole) = (&after[&path], matches!(ending, Some("conf" | "link")));
                if thing.starts_with("->") {
                    format!("+ {path} {thing}\n")
                } else if whole {
                    format!("+ {path}\n{}", thing.lines().fold(String::new(), |text, line| text + "    " + line + "\n"))
                } else {
                    format!("+ {path}\n")
                }
            }));
        }
        compare(&golden().join("bases").join(format!("{base}.txt")), &differences.into_iter().collect::<String>());
    }
    compared();
}
