//! The lab's Vagrantfile and its data, held against the real Vagrant.

use std::path::Path;
use std::process::{Command, Output};

use hab::provider::{Data, Rendered, VAGRANTFILE};
use hab::role::PerRole;

use crate::labs::plan;

/// Vagrant in a fresh home, so nothing of the machine's owner is seen or touched.
fn vagrant(lab: &Path, home: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("vagrant");
    command.args(arguments).current_dir(lab).env("HOME", home).env("LANG", "C.UTF-8");
    command.output().expect("Debian's packages vagrant and vagrant-libvirt are needed")
}

#[test]
fn vagrant_accepts_what_hab_renders_and_says_what_is_missing() {
    let (lab, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(lab.path().join("Vagrantfile"), VAGRANTFILE).unwrap();

    let before = vagrant(lab.path(), home.path(), &["validate"]);
    let said = String::from_utf8_lossy(&before.stderr).into_owned();
    assert!(!before.status.success() && said.contains("hab build"), "{said}");

    let plan = plan("192.168.56.0/24", [1, 1, 2]);
    let versions = PerRole { etcd: Some("1.36.3.42".to_owned()), master: None, worker: None };
    let ignition = vec!["0".repeat(64); plan.nodes.len()];
    let rendered = Rendered { hab: Path::new("/nowhere/hab"), versions: &versions, ignition: &ignition };
    std::fs::create_dir(lab.path().join("out")).unwrap();
    std::fs::write(lab.path().join("out/nodes.json"), Data::new(&plan, &rendered).unwrap().to_json().unwrap()).unwrap();

    let after = vagrant(lab.path(), home.path(), &["validate"]);
    assert!(after.status.success(), "{}", String::from_utf8_lossy(&after.stderr));
}
