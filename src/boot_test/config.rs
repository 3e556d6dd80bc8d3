//! What a role's two disks must show of themselves, as an Ignition config that starts the self-test.
//!
//! It carries the role's own files, the same bytes every node gets, but none of its secrets, and wants only the
//! self-test, which starts what it needs.

use anyhow::{Result, ensure};

use crate::embedded::embedded;
use crate::node::NodeKind;
use crate::node::files::{Entry, NodeFiles, mode_of};
use crate::node::ignition::{WANTS, config_of, files_of_kind};
use crate::role::Role;

const ORIGIN: &str = "images/selftest";

/// One thing the guest finds out about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The unit starts.
    Start(String),
    /// systemd can load the unit.
    Unit(String),
    /// The payload's file has this SHA-256.
    File {
        /// Path below the payload's mount point.
        path: String,
        /// Hexadecimal digest.
        sha256: String,
    },
    /// A program runs, and its output has this text in it.
    Run {
        /// The program's name, for the report.
        name: String,
        /// What it must say, as a rule its version.
        expect: String,
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// containerd has the image under this digest.
    Image {
        /// Such as `localhost/hab/pause:1`.
        reference: String,
        /// Such as `sha256:...`.
        digest: String,
    },
}

impl Check {
    /// What the guest calls it in its answer.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Start(unit) => format!("start:{unit}"),
            Self::Unit(unit) => format!("unit:{unit}"),
            Self::File { path, .. } => format!("file:{path}"),
            Self::Run { name, .. } => format!("run:{name}"),
            Self::Image { reference, .. } => format!("image:{reference}"),
        }
    }

    /// The fields of its line in the list that the guest reads.
    fn fields(&self) -> Vec<&str> {
        match self {
            Self::Start(unit) => vec!["start", unit],
            Self::Unit(unit) => vec!["unit", unit],
            Self::File { path, sha256 } => vec!["file", path, sha256],
            Self::Run { name, expect, argv } => {
                ["run", name, expect].into_iter().chain(argv.iter().map(String::as_str)).collect()
            }
            Self::Image { reference, digest } => vec!["image", reference, digest],
        }
    }
}

/// All checks of a role in the order the guest makes them: the node's own units first, for they mount the payload.
#[must_use]
pub fn checks(role: Role, payload: Vec<Check>) -> Vec<Check> {
    let (images, rest): (Vec<_>, Vec<_>) = payload.into_iter().partition(|check| matches!(check, Check::Image { .. }));
    let mut all = vec![Check::Start("hab-node.service".to_owned())];
    all.extend(rest);
    if role.has_kubelet() {
        all.extend(["containerd.service", "hab-images.service"].map(|unit| Check::Start(unit.to_owned())));
    }
    all.extend(images);
    all
}

/// The Ignition config of a boot test. Every unit of the node becomes a check of its own, after `checks`.
///
/// # Errors
/// A check has a tab or a line end in it, which the list that the guest reads can't carry.
pub fn config(kind: NodeKind, mut checks: Vec<Check>) -> Result<(Vec<u8>, Vec<Check>)> {
    let mut tree = NodeFiles::new();
    for (path, item) in files_of_kind(kind)?.iter() {
        match item {
            Entry::Link(_) if path.starts_with(WANTS) => {
                checks.push(Check::Unit(path[WANTS.len()..].to_owned()));
            }
            Entry::Link(target) => tree.link(path.to_owned(), target, ORIGIN)?,
            Entry::Folder { mode } => tree.folder(path.to_owned(), *mode, ORIGIN)?,
            Entry::File { mode, content } => tree.file(path.to_owned(), *mode, content.clone(), ORIGIN)?,
        }
    }
    for file in embedded(crate::embedded::folder("selftest")?) {
        let path = file.name.trim_start_matches("selftest");
        tree.file(path, mode_of(path), file.bytes, ORIGIN)?;
    }
    let mut list = String::new();
    for check in &checks {
        let fields = check.fields();
        let plain = fields.iter().all(|field| !field.is_empty() && !field.contains(['\t', '\n', '\r']));
        ensure!(plain, "the check {} can't be written as a line", check.name());
        list.push_str(&fields.join("\t"));
        list.push('\n');
    }
    tree.file("/etc/kubernetes/selftest/checks", 0o600, list.into_bytes(), ORIGIN)?;
    tree.link(format!("{WANTS}hab-selftest.service"), "../hab-selftest.service", ORIGIN)?;
    Ok((config_of(tree)?, checks))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Base, Cni};

    fn kind(role: Role) -> NodeKind {
        NodeKind { base: Base::Debian, role, network: Cni::Routed }
    }

    #[test]
    fn only_the_self_test_is_wanted_and_every_unit_is_checked() {
        for role in Role::ALL {
            let (text, checks) = config(kind(role), checks(role, Vec::new())).unwrap();
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text.matches("hab.target.wants").count(), 1, "{role}");
            assert_eq!(checks[0].name(), "start:hab-node.service");
            assert!(checks.iter().any(|c| c.name() == "unit:hab-node.service"));
        }
    }

    #[test]
    fn a_check_that_would_break_the_list_is_refused() {
        let bad = Check::Run { name: "x".into(), expect: "a\nb".into(), argv: vec!["x".into()] };
        assert!(config(kind(Role::Etcd), vec![bad]).is_err());
    }
}
