//! Whether a machine was created from the box and the Ignition config that the lab has now. Ignition runs once, so a
//! newer one changes nothing on a machine that is there.
//!
//! The Vagrantfile notes in `.vagrant/machines/NODE/PROVIDER/hab-origin` what it created a machine from.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::OUT;
use crate::kinds::Provider;
use crate::plan::{Node, Plan};
use crate::provider::facts;

/// The note in Vagrant's folder for a machine of what it was created from: the box's version, a blank, the config's
/// SHA-256.
pub const FILE: &str = "hab-origin";

/// The note of what it had when it was last started: memory in MiB, processors and data disk in GiB, a blank between them.
pub const SIZE_FILE: &str = "hab-size";

/// The note of what else it had when it was last started: `hardware` of nodes.json.
pub const HARDWARE_FILE: &str = "hab-hardware";

/// The parts of `hardware` in nodes.json, and what a person calls them.
const HARDWARE: [(&str, &str); 7] = [
    ("disks", "disks"),
    ("networks", "networks"),
    ("forwarded_ports", "forwarded ports"),
    ("shared_folders", "shared folders"),
    ("gui", "screens"),
    ("console", "recordings of consoles"),
    ("cpu_execution_cap", "caps of processors"),
];

/// The two parts of such a note, [`FILE`]: the box's version and the config's SHA-256.
pub(super) fn parts(note: &str) -> Option<(&str, &str)> {
    note.trim_end().split_once(' ')
}

/// Vagrant's own folder in the lab, unless `VAGRANT_DOTFILE_PATH` says otherwise.
const DOTFILE_PATH: &str = ".vagrant";

/// In what a machine differs from what would be created now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stale {
    /// Its box has another version.
    Box,
    /// Its Ignition config has another content.
    Ignition,
    /// Both.
    BoxAndIgnition,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Box => "box",
            Self::Ignition => "Ignition config",
            Self::BoxAndIgnition => "box and its Ignition config",
        })
    }
}

/// What a node would be created from.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// The version of its box; a lab that was rendered and not built knows none.
    pub version: Option<&'a str>,
    /// The SHA-256 of its Ignition config.
    pub sha256: &'a str,
    /// What it would have, as [`SIZE_FILE`] says it.
    pub size: [u32; 3],
}

/// What each node would be created from now, and what its machine was created from.
#[derive(Debug)]
pub struct Origins {
    /// Vagrant's folder for machines.
    machines: PathBuf,
    provider: &'static str,
    now: HashMap<String, Source>,
}

#[derive(Debug, Deserialize)]
struct Source {
    box_version: Option<String>,
    ignition_sha256: String,
    #[serde(default)]
    memory: u32,
    #[serde(default)]
    cpus: u32,
    #[serde(default)]
    disk: u32,
    #[serde(default)]
    hardware: Value,
}

/// Where Vagrant notes the machines of the lab in `folder`: a folder for each, and in it one for its provider.
#[must_use]
pub fn machines(folder: &Path) -> PathBuf {
    let own = std::env::var_os("VAGRANT_DOTFILE_PATH").filter(|path| !path.is_empty());
    folder.join(own.unwrap_or_else(|| DOTFILE_PATH.into())).join("machines")
}

/// Which provider has the lab's machines: the first that Vagrant has made one with, of those in hab.yaml or, if it is none of
/// them, of any.
#[must_use]
pub fn in_use(folder: &Path, plan: &Plan) -> Option<Provider> {
    let machines = machines(folder);
    let has = |provider: &Provider| {
        let id = |node: &Node| machines.join(&node.name).join(facts(*provider).name).join("id").is_file();
        plan.nodes.iter().any(id)
    };
    let any = Provider::ALL.iter().map(|(_, provider)| *provider);
    plan.providers.iter().copied().chain(any).find(has)
}

impl Origins {
    /// Reads `out/nodes.json` of the lab in `folder`; before the first build there is none.
    ///
    /// # Errors
    /// It is damaged.
    pub fn read(folder: &Path, provider: Provider) -> Result<Self> {
        #[derive(Deserialize)]
        struct File {
            nodes: Vec<Node>,
        }
        #[derive(Deserialize)]
        struct Node {
            name: String,
            #[serde(flatten)]
            source: Source,
        }
        let machines = machines(folder);
        let path = folder.join(OUT).join("nodes.json");
        let mut now = HashMap::new();
        if path.is_file() {
            let file: File = serde_json::from_slice(&fs::read(&path)?)
                .with_context(|| format!("reading {} (`hab build` writes it anew)", path.display()))?;
            now = file.nodes.into_iter().map(|node| (node.name, node.source)).collect();
        }
        Ok(Self { machines, provider: facts(provider).name, now })
    }

    /// What `node` would be created from now, if the lab has a config for it.
    #[must_use]
    pub fn now(&self, node: &str) -> Option<Now<'_>> {
        let now = self.now.get(node)?;
        let size = [now.memory, now.cpus, now.disk];
        Some(Now { version: now.box_version.as_deref(), sha256: &now.ignition_sha256, size })
    }

    /// True when the lab has a config for `node`.
    #[must_use]
    pub fn knows(&self, node: &str) -> bool {
        self.now.contains_key(node)
    }

    /// In what the machine of `node` is older than the lab; `None` also when nobody noted what it was created from.
    #[must_use]
    pub fn stale(&self, node: &str) -> Option<Stale> {
        self.held_against(node, &self.note(node, FILE)?)
    }

    /// In what `origin`, a note of what a machine of `node` was created from, is older than the lab.
    #[must_use]
    pub fn held_against(&self, node: &str, origin: &str) -> Option<Stale> {
        let now = self.now.get(node)?;
        let (version, sha256) = parts(origin)?;
        // A lab that was rendered and not built knows no version.
        let other_box = now.box_version.as_ref().is_some_and(|now| now != version);
        match (other_box, now.ignition_sha256 != sha256) {
            (false, false) => None,
            (true, false) => Some(Stale::Box),
            (false, true) => Some(Stale::Ignition),
            (true, true) => Some(Stale::BoxAndIgnition),
        }
    }

    /// Which parts of its hardware a machine of `node` had otherwise, by its note [`HARDWARE_FILE`]; none if nobody noted it.
    #[must_use]
    pub fn other_hardware(&self, node: &str, note: &str) -> Vec<&'static str> {
        let Some(now) = self.now.get(node).map(|now| &now.hardware) else { return Vec::new() };
        let Ok(then) = serde_json::from_str::<Value>(note) else { return Vec::new() };
        let differs = |(key, _): &&(&str, &str)| then[*key] != now[*key];
        HARDWARE.iter().filter(differs).map(|(_, word)| *word).collect()
    }

    /// True when Vagrant has created a machine for `node` in this lab's folder, and not destroyed it.
    #[must_use]
    pub fn is_created(&self, node: &str) -> bool {
        self.folder(node).join("id").is_file()
    }

    /// What a file beside Vagrant's own says of the machine of `node`, if there is that machine.
    #[must_use]
    pub fn note(&self, node: &str, file: &str) -> Option<String> {
        self.is_created(node).then(|| fs::read_to_string(self.folder(node).join(file)).ok())?
    }

    /// Vagrant's folder for the machine of `node`.
    #[must_use]
    pub fn folder(&self, node: &str) -> PathBuf {
        self.machines.join(node).join(self.provider)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A lab with one node, `n`, of box 1.2.3.4 and config `abc`.
    fn lab() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".vagrant/machines/n/libvirt")).unwrap();
        std::fs::create_dir(dir.path().join("out")).unwrap();
        nodes(&dir, r#""1.2.3.4""#);
        dir
    }

    fn nodes(dir: &tempfile::TempDir, version: &str) {
        let node = format!(r#"{{"name": "n", "role": "etcd", "box_version": {version}, "ignition_sha256": "abc"}}"#);
        std::fs::write(dir.path().join("out/nodes.json"), format!(r#"{{"schema": 1, "nodes": [{node}]}}"#)).unwrap();
    }

    fn note(dir: &tempfile::TempDir, file: &str, text: &str) {
        std::fs::write(dir.path().join(".vagrant/machines/n/libvirt").join(file), text).unwrap();
    }

    fn origins(dir: &tempfile::TempDir) -> Origins {
        Origins::read(dir.path(), Provider::Libvirt).unwrap()
    }

    fn stale(dir: &tempfile::TempDir) -> Option<Stale> {
        origins(dir).stale("n")
    }

    #[test]
    fn a_machine_is_held_against_what_it_was_created_from() {
        let dir = lab();
        note(&dir, "id", "8a5d");
        for (origin, expected) in [
            ("1.2.3.4 abc", None),
            ("1.2.3.3 abc", Some(Stale::Box)),
            ("1.2.3.4 abd", Some(Stale::Ignition)),
            ("1.2.3.3 abd", Some(Stale::BoxAndIgnition)),
        ] {
            note(&dir, "hab-origin", origin);
            assert_eq!(stale(&dir), expected, "{origin}");
        }
        assert_eq!(origins(&dir).stale("other"), None);
    }

    #[test]
    fn without_a_note_or_a_machine_nothing_is_stale() {
        let dir = lab();
        note(&dir, "id", "8a5d");
        assert_eq!(stale(&dir), None);
        note(&dir, "hab-origin", "1.2.3.3 abd");
        assert!(stale(&dir).is_some() && origins(&dir).is_created("n"));
        std::fs::remove_file(dir.path().join(".vagrant/machines/n/libvirt/id")).unwrap();
        assert_eq!(stale(&dir), None);
        assert!(!origins(&dir).is_created("n"));
    }

    #[test]
    fn a_lab_without_boxes_has_no_newer_one() {
        let dir = lab();
        note(&dir, "id", "8a5d");
        note(&dir, "hab-origin", "1.2.3.3 abc");
        assert_eq!(stale(&dir), Some(Stale::Box));
        nodes(&dir, "null");
        assert_eq!(stale(&dir), None);
    }

    #[test]
    fn what_else_a_machine_has_is_held_against_its_note() {
        // It says all that it can.
        let hardware = crate::config::Hardware { console: false, ..crate::config::Hardware::default() };
        let now = serde_json::to_value(hardware).unwrap();
        let fields = now.as_object().unwrap();
        assert_eq!(fields.len(), HARDWARE.len());
        let dir = lab();
        let node = json!({"name": "n", "box_version": null, "ignition_sha256": "abc", "hardware": now});
        std::fs::write(dir.path().join("out/nodes.json"), json!({"nodes": [node]}).to_string()).unwrap();
        let said = |note: &Value| origins(&dir).other_hardware("n", &note.to_string());
        assert!(said(&now).is_empty() && origins(&dir).other_hardware("n", "").is_empty());
        for (key, word) in HARDWARE {
            assert!(fields.contains_key(key), "{key}");
            let mut then = now.clone();
            then[key] = json!("another");
            assert_eq!(said(&then), [word]);
        }
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let dir = lab();
        std::fs::write(dir.path().join("out/nodes.json"), "{").unwrap();
        let error = Origins::read(dir.path(), Provider::Libvirt).unwrap_err().to_string();
        assert!(error.contains("nodes.json") && error.contains("hab build"), "{error}");
        std::fs::remove_file(dir.path().join("out/nodes.json")).unwrap();
        assert!(origins(&dir).now.is_empty());
    }
}
