//! Nodes of bases whose images hab does not make: Ignition writes their files into a root that has what the vendors' have in
//! the way, and systemd takes the units.

use std::os::unix::fs::symlink;
use std::path::Path;

use hab::exec::Tool;

use crate::rendered::{BASES, Lab};

const STAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/ignition.sh");
const UNITS: &str = "etc/systemd/system";

/// The stand-ins are made by changing lines of hab's source, each of which must still be there (tests/long/bases.sh).
#[test]
fn the_stand_ins_still_fit_hab() {
    let root = env!("CARGO_MANIFEST_DIR");
    for (base, _) in BASES {
        let dir = tempfile::tempdir().unwrap();
        let make = format!("set -e; root={root}; . \"$root/tests/lib/standin.sh\"; standin_source {base} \"$0\"");
        Tool::find("bash", "bash").unwrap().args(["-c", &make]).arg(dir.path()).run().unwrap();
        let init = dir.path().join("images/base/debian/initramfs/init");
        Tool::find("dash", "dash").unwrap().arg("-n").arg(init).run().unwrap();
    }
}

/// A root as the vendors have it when their Ignition begins.
fn write_root(root: &Path) {
    for folder in ["dev", "etc/selinux", "etc/systemd/system", "proc", "run", "sys", "tmp", "usr", "var/opt", "var/lib"]
    {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (link, target) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
        // Fedora CoreOS's.
        ("opt", "var/opt"),
        ("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        ("etc/systemd/system/default.target", "/usr/lib/systemd/system/multi-user.target"),
    ] {
        symlink(target, root.join(link)).unwrap();
    }
    std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/bash\n").unwrap();
    std::fs::write(root.join("etc/group"), "root:x:0:\n").unwrap();
    // Debian's Ignition reads it, whatever it says.
    std::fs::write(root.join("etc/selinux/config"), "SELINUX=disabled\nSELINUXTYPE=targeted\n").unwrap();
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
}

/// Ignition, where it is not Debian's (tests/long/bases.sh).
fn ignition() -> Option<String> {
    std::env::var("HAB_TEST_IGNITION").ok()
}

#[test]
fn ignition_writes_over_what_the_vendors_have() {
    let is_root = rustix::process::geteuid().is_root();
    let namespace: &[&str] = if is_root { &["--mount"] } else { &["--mount", "--map-root-user"] };
    for (base, yaml) in BASES {
        let lab = Lab::new(yaml);
        for (node, config) in lab.nodes.iter().zip(lab.configs()) {
            let root = tempfile::tempdir().unwrap();
            write_root(root.path());
            let unshare = Tool::find("unshare", "util-linux").unwrap().args(namespace).args(["sh", STAGES]);
            unshare.arg(root.path()).arg(config).args(ignition()).run().unwrap();
            let link = |path: &str| std::fs::read_link(root.path().join(UNITS).join(path)).unwrap();
            assert_eq!(link("default.target"), Path::new("hab.target"), "{base} {}", node.name);
            assert_eq!(link("serial-getty@ttyS0.service"), Path::new("/dev/null"));
            for (path, target) in &node.links {
                let found = std::fs::read_link(root.path().join(path.trim_start_matches('/'))).unwrap();
                assert_eq!(found, Path::new(target), "{base} {} {path}", node.name);
            }
            for (path, (_, content)) in &node.files {
                let file = root.path().join(path.trim_start_matches('/'));
                assert!(file.symlink_metadata().unwrap().is_file(), "{path}");
                assert_eq!(&std::fs::read(file).unwrap(), content, "{base} {} {path}", node.name);
            }
        }
    }
}
