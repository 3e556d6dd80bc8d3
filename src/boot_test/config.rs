//! The self-test's Ignition config: boots a role's disks and runs a list of checks.
//!
//! It carries the role's own files, the same bytes every node gets, but none of its secrets, and wants only the
//! self-test, which starts what it needs.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::cache::KeyBuilder;
use crate::container_images::{LINKER, disk};
use crate::embedded::embedded;
use crate::kinds::Base;
use crate::lock::ContainerImage;
use crate::node::NodeKind;
use crate::node::files::{Entry, NodeFiles, mode_of};
use crate::node::ignition::{UNITS, WANTS, config_of, files_of_kind};
use crate::payload::{MOUNT, Payload};

const ORIGIN: &str = "images/selftest";

/// The self-test's own files, in `images/`. A machine-id(5) is among them, as every node has one: without it systemd would take
/// the boot for the first of its life (systemd.unit(5), `ConditionFirstBoot`), apply presets that no node has, and on some
/// bases ask on the console for a password and wait.
const FOLDER: &str = "selftest";

/// packer's template, in `images/`.
pub const TEMPLATE: &str = "packer/hab.pkr.hcl";

/// One thing the guest finds out about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The unit starts.
    Start(String),
    /// systemd can load the unit.
    Unit(String),
    /// systemd will not start the unit, whoever asks for it.
    Masked(String),
    /// Something is at this path.
    There(&'static str),
    /// Nothing is at this path.
    Gone(&'static str),
    /// Nothing is asked: what the guest knows of this goes into the report.
    Tell(&'static str),
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
    /// The machine starts once more, and Ignition has not run again. The last one: before it everything else is answered.
    Again,
}

impl Check {
    /// What the guest calls it in its answer.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Start(unit) => format!("start:{unit}"),
            Self::Unit(unit) => format!("unit:{unit}"),
            Self::Masked(unit) => format!("masked:{unit}"),
            Self::There(path) => format!("there:{path}"),
            Self::Gone(path) => format!("gone:{path}"),
            Self::Tell(what) => format!("tell:{what}"),
            Self::File { path, .. } => format!("file:{path}"),
            Self::Run { name, .. } => format!("run:{name}"),
            Self::Image { reference, .. } => format!("image:{reference}"),
            Self::Again => "second-boot".to_owned(),
        }
    }

    /// The fields of its line in the list that the guest reads.
    fn fields(&self) -> Vec<&str> {
        match self {
            Self::Start(unit) => vec!["start", unit],
            Self::Unit(unit) => vec!["unit", unit],
            Self::Masked(unit) => vec!["masked", unit],
            Self::There(path) => vec!["there", path],
            Self::Gone(path) => vec!["gone", path],
            Self::Tell(what) => vec!["tell", what],
            Self::File { path, sha256 } => vec!["file", path, sha256],
            Self::Run { name, expect, argv } => {
                ["run", name, expect].into_iter().chain(argv.iter().map(String::as_str)).collect()
            }
            Self::Image { reference, digest } => vec!["image", reference, digest],
            Self::Again => vec!["again"],
        }
    }
}

/// What a report says of the machine.
struct Told {
    first: &'static [&'static str],
    /// After all else.
    last: &'static [&'static str],
}

/// What is told of a base that nobody here has. hab's own is known, and need not spend the time.
const fn told(base: Base) -> Told {
    match base {
        Base::Debian => Told { first: &[], last: &[] },
        Base::Flatcar | Base::FedoraCoreos => Told {
            first: &["system", "default-target"],
            last: &["running-units", "unexpected-units", "failed-units", "selinux"],
        },
    }
}

/// What Fedora `CoreOS` has on its boot disk for as long as Ignition is to run, and the unit that removes it, which a node's
/// hab.target wants.
const STAMP: &str = "/boot/ignition.firstboot";
const COMPLETES: &str = "coreos-ignition-firstboot-complete.service";

/// Checks that only this base needs.
fn of_base(base: Base) -> Vec<Check> {
    match base {
        Base::Debian | Base::Flatcar => Vec::new(),
        // Its absence shows something only because it was there.
        Base::FedoraCoreos => vec![
            Check::Start("boot.mount".to_owned()),
            Check::There(STAMP),
            Check::Start(COMPLETES.to_owned()),
            Check::Gone(STAMP),
        ],
    }
}

/// How the vendor's Ignition knows that it has run shows only a second start. hab's own is started a second time by hab's tests.
const fn again(base: Base) -> Option<Check> {
    match base {
        Base::Debian => None,
        Base::Flatcar | Base::FedoraCoreos => Some(Check::Again),
    }
}

/// Memory of a guest that tests itself, in MiB: of Debian's an etcd node's default, the smallest of the three. Of the vendors'
/// it was never measured; they have what an etcd node has by default, and 256 more. Part of every key.
#[must_use]
pub const fn memory(base: Base) -> u32 {
    match base {
        Base::Debian => 768,
        Base::Flatcar => 1536,
        Base::FedoraCoreos => 2048,
    }
}

/// All checks of a role in the order the guest makes them: the node's own units first, for they mount the payload; then
/// every byte of every file, every program's version, every image's digest.
fn checks(kind: NodeKind, payload: &Payload) -> Vec<Check> {
    let role = kind.role;
    let start = |unit: &str| Check::Start(unit.to_owned());
    let files = payload.files.iter().map(|file| Check::File { path: file.path.clone(), sha256: file.sha256.clone() });
    let runs = payload.checks.iter().map(|check| {
        let program = format!("{MOUNT}/{}", check.program);
        let argv = std::iter::once(program).chain(check.argv.iter().cloned()).collect();
        Check::Run { name: check.program.clone(), expect: check.says.clone(), argv }
    });
    let images = payload
        .images
        .iter()
        .map(|image| Check::Image { reference: image.reference.clone(), digest: image.digest.clone() });
    let Told { first, last } = told(kind.base);
    let mut all: Vec<Check> = first.iter().copied().map(Check::Tell).collect();
    all.extend(["hab-node.service", "hab-power-button.service"].map(start));
    all.extend(files.chain(runs));
    if role.has_kubelet() {
        all.extend(["containerd.service", "hab-images.service"].map(start));
    }
    all.extend(images);
    all.extend(of_base(kind.base));
    all.extend(last.iter().copied().map(Check::Tell));
    all
}

/// Everything but the disks that could change what the boot test finds.
///
/// # Errors
/// hab was built without a part.
pub fn key(kind: NodeKind, mut key: KeyBuilder) -> Result<KeyBuilder> {
    for (path, entry) in files_of_kind(kind)?.iter() {
        key = match entry {
            Entry::File { mode, content } => key.add(path, content).add("mode", mode.to_le_bytes()),
            Entry::Link(target) => key.add(path, target),
            Entry::Folder { mode } => key.add(path, mode.to_le_bytes()),
        };
    }
    for file in embedded(crate::embedded::folder(FOLDER)?) {
        key = key.add(file.name, file.bytes);
    }
    key = key.add("memory", memory(kind.base).to_le_bytes());
    Ok(key.add("template", crate::embedded::text(TEMPLATE)?))
}

/// A self-test.
#[derive(Debug)]
pub struct SelfTest {
    /// The guest's Ignition config.
    pub config: Vec<u8>,
    /// What the guest must answer.
    pub checks: Vec<Check>,
}

/// The self-test for a node of this kind with this payload: every unit of the node
/// becomes a check of its own, after those of the payload.
///
/// # Errors
/// A check has a tab or a line end in it, which the list that the guest reads can't carry.
pub fn config(kind: NodeKind, payload: &Payload) -> Result<SelfTest> {
    config_of_checks(kind, checks(kind, payload), again(kind.base))
}

/// The same for a node with a disk of these images, whose layers' file systems have these digests: every byte of every layer,
/// every name's digest, and every image as a container would find it.
///
/// # Errors
/// As [`config`].
pub fn config_of_images(
    kind: NodeKind,
    images: &[ContainerImage],
    layers: &BTreeMap<String, String>,
) -> Result<SelfTest> {
    let start = |unit: &str| Check::Start(unit.to_owned());
    let mut checks: Vec<Check> =
        ["hab-node.service", "containerd.service", "hab-linked-images.service"].map(start).into();
    checks.extend(layers.iter().map(|(path, sha256)| Check::Run {
        name: path.clone(),
        expect: sha256.clone(),
        argv: vec!["sha256sum".to_owned(), format!("{}/{path}", disk::MOUNT)],
    }));
    for image in images {
        let digest = &image.target().digest;
        let named = |name: &String| Check::Image { reference: name.clone(), digest: digest.clone() };
        checks.extend(image.names.iter().map(named));
        if let Some(name) = image.names.first() {
            let program = format!("{}/bin/{LINKER}", disk::MOUNT);
            let argv = vec![program, "try".to_owned(), name.clone()];
            checks.push(Check::Run {
                name: format!("a container of {name}"),
                expect: image.config.digest.clone(),
                argv,
            });
        }
    }
    config_of_checks(kind, checks, None)
}

/// These checks, one for each unit that a node has or masks, and a last one.
fn config_of_checks(kind: NodeKind, mut checks: Vec<Check>, last: Option<Check>) -> Result<SelfTest> {
    let mut tree = NodeFiles::new();
    for (path, item) in files_of_kind(kind)?.iter() {
        match item {
            Entry::Link(_) if path.starts_with(WANTS) => {
                checks.push(Check::Unit(path[WANTS.len()..].to_owned()));
            }
            Entry::Link(target) => {
                if let Some(unit) = path.strip_prefix(UNITS).filter(|_| target == "/dev/null") {
                    checks.push(Check::Masked(unit.to_owned()));
                }
                tree.link(path.to_owned(), target, ORIGIN)?;
            }
            Entry::Folder { mode } => tree.folder(path.to_owned(), *mode, ORIGIN)?,
            Entry::File { mode, content } => tree.file(path.to_owned(), *mode, content.clone(), ORIGIN)?,
        }
    }
    for file in embedded(crate::embedded::folder(FOLDER)?) {
        let path = file.name.trim_start_matches(FOLDER);
        tree.file(path, mode_of(path), file.bytes, ORIGIN)?;
    }
    checks.extend(last);
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
    Ok(SelfTest { config: config_of(tree)?, checks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{Base, Cni};
    use crate::payload;
    use crate::role::Role;

    fn payload() -> Payload {
        let check = |program: &str| payload::VersionCheck {
            program: program.into(),
            argv: vec!["-v".into()],
            says: "1".into(),
        };
        Payload {
            files: vec![payload::File { path: "bin/etcd".into(), sha256: "aa".into(), mode: 0o755 }],
            images: vec![payload::ImportedImage { reference: "r/pause:1".into(), digest: "sha256:1".into() }],
            checks: vec![check("bin/etcd"), check("cni/bridge")],
        }
    }

    fn kind(role: Role) -> NodeKind {
        NodeKind { shell: true, ..NodeKind::plain(Base::Debian, role, Cni::Routed.into()) }
    }

    #[test]
    fn every_file_program_image_and_unit_is_checked_and_only_the_self_test_is_wanted() {
        for role in Role::ALL {
            let SelfTest { config, checks } = config(kind(role), &payload()).unwrap();
            let text = String::from_utf8(config).unwrap();
            assert_eq!(text.matches("hab.target.wants").count(), 1, "{role}");
            assert!(text.contains("\"/etc/machine-id\""), "{role}");
            let names: Vec<String> = checks.iter().map(Check::name).collect();
            assert_eq!(names[0], "start:hab-node.service");
            for name in ["unit:hab-node.service", "file:bin/etcd", "run:cni/bridge", "image:r/pause:1"] {
                assert!(names.iter().any(|own| own == name), "{role}: {name}");
            }
        }
    }

    #[test]
    fn what_a_base_masks_and_what_it_must_do_once_is_checked() {
        let names = |base| {
            let kind = NodeKind { base, ..kind(Role::Etcd) };
            config(kind, &payload()).unwrap().checks.iter().map(Check::name).collect::<Vec<_>>()
        };
        let has = |base, name: &str| names(base).iter().any(|own| own == name);
        for base in [Base::Flatcar, Base::FedoraCoreos] {
            assert!(has(base, "masked:serial-getty@ttyS0.service"));
            assert!(has(base, "tell:system") && !has(Base::Debian, "tell:system"));
        }
        assert!(has(Base::Flatcar, "masked:ensure-sysext.service"));
        for name in ["gone:/boot/ignition.firstboot", "unit:coreos-ignition-firstboot-complete.service"] {
            assert!(has(Base::FedoraCoreos, name) && !has(Base::Flatcar, name), "{name}");
        }
        assert!(!names(Base::Debian).iter().any(|name| name.starts_with("masked:")));
        // How far from the end.
        let again = |base| names(base).iter().rev().position(|name| name == "second-boot");
        assert_eq!([Base::Debian, Base::Flatcar, Base::FedoraCoreos].map(again), [None, Some(0), Some(0)]);
    }

    #[test]
    fn a_check_that_would_break_the_list_is_refused() {
        let bad = Check::Run { name: "x".into(), expect: "a\nb".into(), argv: vec!["x".into()] };
        assert!(config_of_checks(kind(Role::Etcd), vec![bad], None).is_err());
    }

    #[test]
    fn the_key_follows_the_role() {
        let key = |role| key(kind(role), KeyBuilder::new()).unwrap().key();
        assert_ne!(key(Role::Etcd), key(Role::Worker));
    }
}
