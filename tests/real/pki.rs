//! Every certificate of a 3+2+2 lab, checked by `openssl`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use hab::clock::Clock;
use hab::exec::Tool;
use hab::node::files::Entry;
use hab::pki::{Ca, Pki};
use hab::plan::{Node, Plan};
use serde::Deserialize as _;
use serde_json::Value;

use crate::labs;

fn plan() -> Plan {
    labs::plan("192.168.56.0/24", [3, 2, 2])
}

fn openssl(args: &[&str], file: &Path) -> anyhow::Result<String> {
    Tool::find("openssl", "openssl")?.args(args).arg(file).text()
}

/// A certificate written out beside its key, with the file of its authority.
struct Leaf {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
    /// Whether it must do as a server's and as a client's.
    purposes: (bool, bool),
    names: Vec<String>,
}

/// What the contract says of a leaf; written down here a second time, so that a slip in hab's table is seen.
fn expected(stem: &str, node: &Node) -> (Ca, (bool, bool), Vec<String>) {
    let own = [format!("DNS:{}", node.name), format!("IP Address:{}", node.address)];
    let local = ["DNS:localhost".to_owned(), "IP Address:127.0.0.1".to_owned()];
    match stem {
        "etcd/server" | "etcd/peer" => (Ca::Etcd, (true, true), [own, local].concat()),
        "kubelet-server" => (Ca::Kubernetes, (true, false), own.to_vec()),
        "apiserver" => {
            let service = ["", ".default", ".default.svc", ".default.svc.cluster.local"];
            let mut names: Vec<_> = service.iter().map(|end| format!("DNS:kubernetes{end}")).collect();
            names.extend(local);
            names.push("IP Address:10.3.0.1".to_owned());
            names.extend(own);
            (Ca::Kubernetes, (true, false), names)
        }
        "controller-manager-server" | "scheduler-server" => (Ca::Kubernetes, (true, false), local.to_vec()),
        "apiserver-etcd-client" => (Ca::Etcd, (false, true), Vec::new()),
        "front-proxy-client" => (Ca::FrontProxy, (false, true), Vec::new()),
        _ => (Ca::Kubernetes, (false, true), Vec::new()),
    }
}

/// Renders the lab into `dir` and returns all leaves.
fn leaves(dir: &Path, clock: Clock) -> Vec<Leaf> {
    let (plan, private) = (plan(), dir.join("private"));
    let pki = Pki::open(&private, &plan, clock).unwrap();
    let authority = |ca: Ca| private.join("ca").join(format!("{}.crt", ca.name()));
    let mut leaves = Vec::new();
    let mut leaf = |folder: PathBuf, stem: &str, (ca, purposes, names), certificate: &[u8], key: &[u8]| {
        let (crt_path, key_path) = (folder.join(format!("{stem}.crt")), folder.join(format!("{stem}.key")));
        std::fs::create_dir_all(crt_path.parent().unwrap()).unwrap();
        std::fs::write(&crt_path, certificate).unwrap();
        std::fs::write(&key_path, key).unwrap();
        leaves.push(Leaf { certificate: crt_path, key: key_path, authority: authority(ca), purposes, names });
    };
    for node in &plan.nodes {
        let tree = pki.node(node).unwrap();
        let content = |path: &str| match tree.get(path) {
            Some(Entry::File { content, .. }) => content.to_vec(),
            other => panic!("{path}: {other:?}"),
        };
        for (path, _) in tree.iter() {
            let stem = path.strip_prefix("/etc/kubernetes/pki/").unwrap();
            if let Some(stem) = stem.strip_suffix(".key").filter(|stem| *stem != "sa") {
                let certificate = content(&format!("/etc/kubernetes/pki/{stem}.crt"));
                leaf(dir.join(&node.name), stem, expected(stem, node), &certificate, &content(path));
            }
        }
    }
    let client = pki.client();
    for (stem, ca, pair) in [("admin", Ca::Kubernetes, client.admin), ("health", Ca::Etcd, client.etcd)] {
        let expected = (ca, (false, true), Vec::new());
        leaf(dir.join("host"), stem, expected, pair.certificate.as_bytes(), pair.key.reveal().as_bytes());
    }
    leaves
}

#[test]
fn the_user_administers_by_a_group_that_the_addons_bind() {
    let dir = tempfile::tempdir().unwrap();
    leaves(dir.path(), Clock::system());
    let admin = dir.path().join("host/admin.crt");
    let subject =
        openssl(&["x509", "-noout", "-subject", "-nameopt", "multiline,-esc_msb,utf8", "-in"], &admin).unwrap();
    let group = subject.lines().find_map(|line| line.trim().strip_prefix("organizationName")).unwrap();
    let group = group.trim_start_matches([' ', '=']);
    assert!(!group.is_empty() && !group.starts_with("system:"), "{subject}");

    let addons = Path::new(env!("CARGO_MANIFEST_DIR")).join("ignition/master/etc/kubernetes/addons/rbac.yaml");
    let text = std::fs::read_to_string(addons).unwrap();
    let bindings = serde_yaml::Deserializer::from_str(&text).map(|document| Value::deserialize(document).unwrap());
    let bound: Vec<_> = bindings.filter(|binding| binding["roleRef"]["name"] == "cluster-admin").collect();
    assert_eq!(bound.len(), 1, "{text}");
    let wanted = serde_json::json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}]);
    assert_eq!(bound[0]["subjects"], wanted);
}

fn verify(leaf: &Leaf, purpose: &str, at: i64) -> anyhow::Result<String> {
    let (authority, at) = (leaf.authority.to_str().unwrap(), at.to_string());
    let args = ["verify", "-x509_strict", "-check_ss_sig", "-purpose", purpose, "-attime", &at, "-CAfile", authority];
    openssl(&args, &leaf.certificate)
}

const DAY: i64 = 86_400;

#[test]
fn every_leaf_passes_openssl_strictly_and_only_for_its_purpose() {
    let dir = tempfile::tempdir().unwrap();
    let now = Clock::system();
    let at = now.now().unix_timestamp();
    let leaves = leaves(dir.path(), now);
    assert_eq!(leaves.len(), 3 * 2 + 2 * 12 + 2 * 3 + 2);
    let mut serials = std::collections::BTreeSet::new();
    for leaf in &leaves {
        let file = leaf.certificate.display();
        for (purpose, wanted) in [("sslserver", leaf.purposes.0), ("sslclient", leaf.purposes.1)] {
            let verdict = verify(leaf, purpose, at);
            assert_eq!(verdict.is_ok(), wanted, "{file} as {purpose}: {verdict:?}");
        }
        let text = openssl(&["x509", "-noout", "-text", "-in"], &leaf.certificate).unwrap();
        for part in ["CA:FALSE", "Digital Signature", "Subject Key Identifier", "Authority Key Identifier", "CN = "] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        let names = text.lines().skip_while(|line| !line.contains("Subject Alternative Name")).nth(1);
        assert_eq!(names.map_or("", str::trim), leaf.names.join(", "), "{file}");
        let serial = openssl(&["x509", "-noout", "-serial", "-in"], &leaf.certificate).unwrap();
        assert_eq!(serial.trim().len(), "serial=".len() + 32, "{serial}");
        assert!(serials.insert(serial), "a serial number comes twice");
        let public = openssl(&["x509", "-noout", "-pubkey", "-in"], &leaf.certificate).unwrap();
        assert_eq!(openssl(&["pkey", "-pubout", "-in"], &leaf.key).unwrap(), public, "{file}");
    }
}

#[test]
fn openssl_agrees_with_the_stated_times_in_any_year() {
    // A leap day, the year in which 32-bit times end, the last of the two-digit years and the first of the others.
    for year in ["2028-02-29", "2038-01-19", "2049-12-31", "2050-01-01"] {
        let date = Command::new("date").args(["-u", "+%s", "-d", year]).output().unwrap();
        let now: i64 = String::from_utf8(date.stdout).unwrap().trim().parse().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let leaf = leaves(dir.path(), Clock::at(now).unwrap()).remove(0);
        for (at, valid) in [
            (now - DAY - 1, false),
            (now - DAY + 1, true),
            (now, true),
            (now + 1825 * DAY - 1, true),
            (now + 1825 * DAY + 1, false),
        ] {
            let verdict = verify(&leaf, "sslserver", at);
            assert_eq!(verdict.is_ok(), valid, "{year} {at}: {verdict:?}");
        }
    }
}

#[test]
fn authorities_are_authorities_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let leaf = leaves(dir.path(), Clock::system()).remove(0);
    for ca in Ca::ALL {
        let path = leaf.authority.with_file_name(format!("{}.crt", ca.name()));
        let text = openssl(&["x509", "-noout", "-text", "-in"], &path).unwrap();
        for part in ["critical\n                CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "O = demo"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }
}

#[test]
fn the_service_account_pair_is_one_key() {
    let dir = tempfile::tempdir().unwrap();
    leaves(dir.path(), Clock::system());
    let path = |name: &str| dir.path().join("private/ca").join(name);
    let from_key = openssl(&["ec", "-pubout", "-in"], &path("sa.key")).unwrap();
    assert_eq!(from_key, std::fs::read_to_string(path("sa.pub")).unwrap());
    assert!(openssl(&["asn1parse", "-in"], &path("sa.key")).unwrap().contains("prime256v1"));
}

/// The umask is the whole process's, so a child with its own runs the one test that needs it.
#[test]
fn nothing_is_open_to_others_whatever_the_umask() {
    const INNER: &str = "HAB_TEST_PRIVATE_UNDER_UMASK";
    if let Some(dir) = std::env::var_os(INNER) {
        leaves(Path::new(&dir), Clock::system());
        return;
    }
    for umask in ["000", "022", "077"] {
        let dir = tempfile::tempdir().unwrap();
        let name = std::thread::current().name().unwrap().to_owned();
        let status = Command::new("sh")
            .args(["-c", "umask \"$1\"; exec \"$2\" --exact \"$3\"", "sh", umask])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(INNER, dir.path())
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "umask {umask}");
        let (mut files, mut folders) = (0, vec![dir.path().join("private")]);
        while let Some(folder) = folders.pop() {
            assert_eq!(mode(&folder), 0o700, "{}", folder.display());
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    files += 1;
                    assert_eq!(mode(&entry.path()), 0o600, "{} under {umask}", entry.path().display());
                }
            }
        }
        assert_eq!(files, 8 + 1 + 7 + 2, "eight in ca/, the host's, one a node, the lock, the one for git");
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}
