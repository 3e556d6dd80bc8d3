//! Snippets with chance mistakes in them: what hab takes and merges, Ignition must take.

use std::path::Path;

use hab::config::read;
use hab::exec::Tool;
use hab::node::files::{Entry, NodeFiles};
use hab::node::ignition::Configs;
use hab::node::{Snippet, base_files};
use hab::plan::Plan;
use serde_json::{Value, json};

use crate::mistakes::{HI, good, snippets};

/// Enough for every kind of mistake below, in a few seconds. For a long run: `HAB_FUZZ_CASES=100000`.
const CASES: u32 = 1500;

/// How many of those for one that Ignition is to write, which takes longer.
const CASES_A_RUN: u32 = 50;

/// What another snippet of the same lab brings.
const OTHER: &str = r#"{"ignition": {"version": "3.0.0"}, "systemd": {"units": [
    {"name": "shared.service", "dropins": [{"name": "d.conf", "contents": "[Unit]\nDescription=d\n"}]}]}}"#;

/// The config of the first node of a lab with these snippets, as hab writes it.
fn merged(dir: &Path, plan: &Plan, snippets: &[&str]) -> Result<Vec<u8>, String> {
    let read = snippets.iter().enumerate().map(|(number, text)| {
        let file = dir.join(format!("{number}.ign"));
        std::fs::write(&file, text).unwrap();
        Snippet::read(&file, plan.base, None)
    });
    let config = read
        .collect::<anyhow::Result<_>>()
        .and_then(|snippets| Configs::new(plan, snippets, hab::config::UsersFiles::default()));
    let config = config.and_then(|configs| configs.node(&plan.nodes[0], NodeFiles::new()));
    config.map_err(|error| format!("{error:#}"))
}

/// What Ignition says of a config; `None` when it takes it.
fn refused(dir: &Path, config: &[u8]) -> Option<String> {
    let file = dir.join("node.ign");
    std::fs::write(&file, config).unwrap();
    let validate = Tool::find("ignition-validate", "ignition").unwrap().arg(&file);
    validate.run().err().map(|error| error.to_string())
}

fn plan() -> Plan {
    Plan::new(read("hab.yaml", b"lab: demo\n", &|_| Ok(())).config().unwrap()).unwrap()
}

fn cases() -> u32 {
    std::env::var("HAB_FUZZ_CASES").map_or(CASES, |cases| cases.parse().unwrap())
}

#[test]
fn what_hab_takes_ignition_finds_valid() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan());
    let cases = cases();
    let (mut taken, mut wrong) = (0, Vec::new());
    for snippet in snippets().take(usize::try_from(cases).unwrap()) {
        let snippet = snippet.to_string();
        let Ok(config) = merged(dir.path(), &plan, &[OTHER, &snippet]) else { continue };
        taken += 1;
        if let Some(why) = refused(dir.path(), &config) {
            wrong.push(format!("{why}\n{snippet}"));
        }
    }
    eprintln!("{cases} snippets, {taken} taken by hab, {} of those refused by Ignition", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong[..wrong.len().min(10)].join("\n\n"));
    // Both verdicts came up, so the above says something.
    assert!((cases / 40..cases / 2).contains(&taken), "hab took {taken} of {cases}");
}

/// Runs Ignition's stages in a root file system.
const STAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/ignition.sh");

/// What a node has before Ignition runs.
fn write_root(root: &Path) {
    for (path, entry) in base_files::read().unwrap().iter().filter(|(path, _)| !path.starts_with("/usr/")) {
        let path = root.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        match entry {
            Entry::File { content, .. } => std::fs::write(path, content).unwrap(),
            Entry::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
            Entry::Folder { .. } => std::fs::create_dir_all(path).unwrap(),
        }
    }
}

/// What Ignition says when it writes all of a config; `None` when it did.
fn fails(dir: &Path, config: &[u8]) -> Option<String> {
    let root = tempfile::tempdir_in(dir).unwrap();
    write_root(root.path());
    let file = dir.join("node.ign");
    std::fs::write(&file, config).unwrap();
    let namespace: &[&str] = if is_root() { &["--mount"] } else { &["--mount", "--map-root-user"] };
    let unshare = Tool::find("unshare", "util-linux").unwrap().args(namespace).args(["sh", STAGES]);
    unshare.arg(root.path()).arg(&file).run().err().map(|error| error.to_string())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Takes owners away: only root can give files to others.
fn disown(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|key, _| key != "user" && key != "group");
        map.values_mut().for_each(disown);
    } else if let Value::Array(list) = value {
        list.iter_mut().for_each(disown);
    }
}

#[test]
fn what_hab_takes_ignition_writes() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan());
    let runs = usize::try_from(cases() / CASES_A_RUN).unwrap();
    let taken = snippets().filter_map(|mut snippet| {
        if !is_root() {
            disown(&mut snippet);
        }
        let snippet = snippet.to_string();
        merged(dir.path(), &plan, &[OTHER, &snippet]).ok().map(|config| (snippet, config))
    });
    let wrong: Vec<String> = taken
        .take(runs)
        .filter_map(|(snippet, config)| fails(dir.path(), &config).map(|why| format!("{why}\n{snippet}")))
        .collect();
    eprintln!("{runs} snippets taken by hab, {} of those failed at by Ignition", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong[..wrong.len().min(10)].join("\n\n"));
}

/// Configs that only fail on the node, for hab refuses them when they come as snippets: without hab's rules they would
/// power a node off. Each is tried, so that the test above is known to see a failure.
#[test]
fn what_ignition_fails_at_hab_refuses() {
    let (dir, plan) = (tempfile::tempdir().unwrap(), plan());
    let file = |file: Value| json!({"storage": {"files": [file]}});
    let unit = |unit: Value| json!({"systemd": {"units": [unit]}});
    let hash = HI.replace("8f43", "8f44");
    let mut whole = good();
    if !is_root() {
        disown(&mut whole);
    }
    assert_eq!(fails(dir.path(), whole.to_string().as_bytes()), None);
    for (mut snippet, why) in [
        (json!({"storage": {"directories": [{"path": "/usr/x"}]}}), "read-only file system"),
        (json!({"storage": {"directories": [{"path": "/srv"}]}}), "/ doesn't seem to exist"),
        (json!({"storage": {"directories": [{"path": "/data/x"}]}}), "/ doesn't seem to exist"),
        (json!({"storage": {"directories": [{"path": "/etc/fstab"}]}}), "A non-directory already exists"),
        (json!({"storage": {"directories": [{"path": "/etc/fstab/x"}]}}), "not a directory"),
        (json!({"storage": {"links": [{"path": "/var/log", "target": "/srv"}]}}), "a non-symlink already exists"),
        (json!({"storage": {"links": [{"path": "/etc/x", "target": "/usr/bin/sh", "hard": true}]}}), "cross-device"),
        (json!({"storage": {"links": [{"path": "/etc/x", "target": "a\u{0}b"}]}}), "invalid argument"),
        (json!({"storage": {"links": [{"path": format!("/etc/{}", "x".repeat(256)), "target": "/x"}]}}), "too long"),
        (file(json!({"path": "/bin/x"})), "read-only file system"),
        (file(json!({"path": "/etc/fstab", "contents": {"source": "data:,x"}})), "A file exists there already"),
        (file(json!({"path": "/etc/.ignition-result.json", "contents": {"source": "data:,x"}})), "previous report"),
        (file(json!({"path": "/etc/selinux/config", "overwrite": true, "contents": {"source": "data:,x"}})), "SELINUX"),
        (file(json!({"path": "/etc/x", "user": {"name": "alice"}})), "no such user"),
        (file(json!({"path": "/etc/x", "group": {"name": "alice"}})), "no such group"),
        (file(json!({"path": "/etc/x", "append": [{}]})), "nil pointer"),
        (file(json!({"path": "/etc/x", "contents": {"source": "data:,x", "compression": "gzip"}})), "EOF"),
        (file(json!({"path": "/etc/x", "contents": {"source": "data:,hi", "verification": {"hash": hash}}})), "hash"),
    ] {
        snippet["ignition"] = json!({"version": "3.3.0"});
        let snippet = snippet.to_string();
        assert_eq!(refused(dir.path(), snippet.as_bytes()), None);
        let said = fails(dir.path(), snippet.as_bytes()).unwrap_or_default();
        assert!(said.contains(why), "{snippet}: {said}");
        assert!(merged(dir.path(), &plan, &[&snippet]).is_err(), "hab takes {snippet}");
    }
    // What hab writes otherwise than the snippet says.
    let text = "[Service]\nExecStart=/bin/true\n";
    let mut instance = unit(json!({"name": "a@b.service", "enabled": true, "contents": text}));
    instance["ignition"] = json!({"version": "3.3.0"});
    let instance = instance.to_string();
    assert!(fails(dir.path(), instance.as_bytes()).unwrap().contains("/run/systemd/private"));
    let config = merged(dir.path(), &plan, &[&instance]).unwrap();
    assert_eq!(fails(dir.path(), &config), None);
}
