//! A lab's private folder through its life: made, read again, followed, damaged.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use fs_err as fs;

use super::*;
use crate::config::{Config, Domain};
use crate::node::files::Entry;

/// 2026-11-23.
const NOW: i64 = 1_795_400_000;
const DAY: i64 = 86_400;

fn config() -> Config {
    let text = b"{lab: demo, nodes: {master: {prefix: master}, worker: {prefix: worker}}}";
    crate::config::read("hab.yaml", text, &|_| Ok(())).config().unwrap().clone()
}

/// A lab with a private folder, and the trees of all its nodes made once.
struct Lab {
    dir: tempfile::TempDir,
    plan: Plan,
}

impl Lab {
    fn new() -> Self {
        let lab = Self { dir: tempfile::tempdir().unwrap(), plan: Plan::new(&config()).unwrap() };
        lab.render(NOW).unwrap();
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join("private").join(name)
    }

    fn open(&self, now: i64) -> Result<Pki> {
        Pki::open(&self.path(""), &self.plan, Clock::at(now).unwrap())
    }

    fn render(&self, now: i64) -> Result<(Vec<NodeFiles>, Vec<String>)> {
        let pki = self.open(now)?;
        let trees = self.plan.nodes.iter().map(|node| pki.node(node)).collect::<Result<_>>()?;
        Ok((trees, pki.notes()))
    }

    /// Every file of the folder with its bytes.
    fn bytes(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut all = Vec::new();
        for folder in ["", "ca", "nodes"] {
            for entry in fs::read_dir(self.path(folder)).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_file() {
                    all.push((entry.path(), fs::read(entry.path()).unwrap()));
                }
            }
        }
        all.sort();
        all
    }

    /// Asserts that rendering ends with an error that says all of `words`, and changes no file.
    fn refuses(&self, words: &[&str]) {
        let before = self.bytes();
        let error = format!("{:#}", self.render(NOW).unwrap_err());
        for word in words {
            assert!(error.contains(word), "{word:?} is not in {error:?}");
        }
        assert!(!error.contains("PRIVATE KEY-----"), "{error}");
        assert_eq!(self.bytes(), before);
    }

    fn edit(&self, name: &str, change: impl FnOnce(String) -> String) {
        let path = self.path(name);
        let text = change(fs::read_to_string(&path).unwrap());
        atomic_fs::write(&path, atomic_fs::SECRET, text.as_bytes()).unwrap();
    }
}

/// Flips a bit of what the PEM block `number` (from 0) holds, `back` bytes before its end.
fn flip(text: &str, number: usize, back: usize) -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let begin = text.match_indices("-----BEGIN").nth(number).unwrap().0;
    let begin = begin + text[begin..].find('\n').unwrap() + 1;
    let end = begin + text[begin..].find("-----END").unwrap();
    let mut der = engine.decode(text[begin..end].replace('\n', "")).unwrap();
    let at = der.len() - 1 - back;
    der[at] ^= 1;
    format!("{}{}\n{}", &text[..begin], engine.encode(der), &text[end..])
}

#[test]
fn a_second_run_changes_nothing_even_a_day_later() {
    let lab = Lab::new();
    let before = (lab.bytes(), lab.render(NOW).unwrap());
    assert_eq!((lab.bytes(), lab.render(NOW + DAY).unwrap()), before);
    assert!(before.1.1.is_empty());
}

#[test]
fn a_node_gets_the_files_of_its_role_and_no_authority_key() {
    let lab = Lab::new();
    let (trees, _) = lab.render(NOW).unwrap();
    let names =
        |tree: &NodeFiles| tree.iter().map(|(path, _)| path[ON_NODE.len() + 1..].to_owned()).collect::<Vec<_>>();
    assert_eq!(
        names(&trees[0]),
        ["etcd/ca.crt", "etcd/peer.crt", "etcd/peer.key", "etcd/server.crt", "etcd/server.key"]
    );
    assert_eq!(names(&trees[1]).len(), 3 + 2 + 12 * 2);
    assert_eq!(
        names(&trees[2]),
        [
            "ca.crt",
            "kube-proxy.crt",
            "kube-proxy.key",
            "kubelet-client.crt",
            "kubelet-client.key",
            "kubelet-server.crt",
            "kubelet-server.key"
        ]
    );
    let keys = Ca::ALL.map(|ca| fs::read(lab.path(&format!("ca/{}.key", ca.name()))).unwrap());
    for (path, item) in trees.iter().flat_map(NodeFiles::iter) {
        let Entry::File { mode, content } = item else { panic!("{path} is not a file") };
        let secret = path.rsplit('.').next() == Some("key");
        assert_eq!(*mode, if secret { 0o600 } else { 0o644 }, "{path}");
        assert!(keys.iter().all(|key| **key != **content), "{path}");
    }
}

#[test]
fn leaves_follow_the_plan_and_roots_stay() {
    let mut lab = Lab::new();
    let before = lab.bytes();
    let mut changed = config();
    changed.kubernetes.domain = Domain::new("lab.test").unwrap();
    changed.network.nodes = "192.168.57.0/24".parse().unwrap();
    lab.plan = Plan::new(&changed).unwrap();
    let (_, notes) = lab.render(NOW).unwrap();
    // etcd's two, the API server's, three kubelets' for serving.
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("issued 6 certificates of etcd-01 and 3 other nodes anew: hab.yaml"), "{notes:?}");
    let after = lab.bytes();
    let same = |name: &str| {
        let find = |all: &[(PathBuf, Vec<u8>)]| all.iter().find(|(path, _)| *path == lab.path(name)).cloned().unwrap();
        find(&before) == find(&after)
    };
    for root in ["ca/kubernetes.crt", "ca/etcd.key", "ca/front-proxy.crt", "ca/sa.key", "host.pem"] {
        assert!(same(root), "{root}");
    }
    assert!(!same("nodes/worker-01.pem"));
    assert!(lab.render(NOW).unwrap().1.is_empty());
}

#[test]
fn a_leaf_of_another_group_is_issued_anew() {
    let lab = Lab::new();
    let leaves = lab.open(NOW).unwrap().leaves;
    let mut earlier = profiles::of_host();
    earlier[0].group = "system:masters";
    leaves.obtain(&leaves.host_file(), "the host", &earlier).unwrap();
    let before = lab.bytes();
    let (_, notes) = lab.render(NOW).unwrap();
    assert!(notes[0].starts_with("issued 1 certificate of the host anew: hab.yaml, or a newer hab"), "{notes:?}");
    assert_ne!(lab.bytes(), before);
    assert!(lab.render(NOW).unwrap().1.is_empty());
}

#[test]
fn a_leaf_near_its_end_is_issued_anew_and_an_expired_authority_is_not() {
    let lab = Lab::new();
    let (_, notes) = lab.render(NOW + (1825 - 29) * DAY).unwrap();
    assert!(notes[0].contains("less than 30 days"), "{notes:?}");
    // Leaves now end with their authority, and are left in peace in its last month.
    let near = NOW + (3650 - 20) * DAY;
    lab.render(near).unwrap();
    let before = lab.bytes();
    let (_, notes) = lab.render(near).unwrap();
    assert_eq!(lab.bytes(), before);
    assert_eq!(notes.len(), 3, "{notes:?}");
    let error = format!("{:#}", lab.render(NOW + 3651 * DAY).unwrap_err());
    assert!(error.contains("ca/kubernetes") && error.contains("it expired on 2036-11-2"), "{error}");
}

#[test]
fn a_leaf_that_is_issued_again_for_the_same_names_is_a_renewal() {
    let mut lab = Lab::new();
    let of = |trees: &[NodeFiles], name: &str| -> Vec<u8> {
        let found = trees[0].iter().find(|(path, _)| path.ends_with(name)).map(|(_, entry)| entry.clone());
        let Some(Entry::File { content, .. }) = found else { panic!("no {name}") };
        content.to_vec()
    };
    let before = lab.render(NOW).unwrap().0;
    let after = lab.render(NOW + (1825 - 29) * DAY).unwrap().0;
    let [old, new] = [&before, &after].map(|trees| of(trees, "server.crt"));
    assert!(old != new && renews(&old, &new));
    // Nothing new, no certificate, and one of other uses or of another authority.
    assert!(!renews(&old, &old) && !renews(&old, b"text"));
    assert!(!renews(&of(&before, "server.key"), &of(&after, "server.key")));
    let other = Lab::new().render(NOW).unwrap().0;
    assert!(!renews(&old, &of(&other, "server.crt")) && !renews(&of(&before, "ca.crt"), &of(&other, "ca.crt")));
    lab.plan.nodes[0].address = "192.168.56.77".parse().unwrap();
    assert!(!renews(&new, &of(&lab.render(NOW + (1825 - 29) * DAY).unwrap().0, "server.crt")));
}

#[test]
fn a_clock_before_the_first_run_is_told() {
    let lab = Lab::new();
    lab.render(NOW - DAY / 2).unwrap();
    let error = format!("{:#}", lab.render(NOW - 2 * DAY).unwrap_err());
    assert!(error.contains("set the clock"), "{error}");
}

#[test]
fn a_root_without_its_other_half_is_refused() {
    for (gone, left) in [("kubernetes.key", "kubernetes.crt"), ("etcd.crt", "etcd.key"), ("sa.pub", "sa.key")] {
        let lab = Lab::new();
        fs::remove_file(lab.path("ca").join(gone)).unwrap();
        lab.refuses(&[left, "is there without", gone, "vagrant destroy"]);
    }
}

#[test]
fn lost_roots_are_not_made_anew_under_leaves() {
    let lab = Lab::new();
    fs::remove_dir_all(lab.path("ca")).unwrap();
    let error = format!("{:#}", lab.render(NOW).unwrap_err());
    assert!(error.contains("private/ca is missing"), "{error}");
    assert!(!lab.path("ca").exists());
}

#[test]
fn keys_that_are_anothers_are_refused() {
    let lab = Lab::new();
    let key = fs::read_to_string(lab.path("ca/etcd.key")).unwrap();
    lab.edit("ca/kubernetes.key", |_| key.clone());
    lab.refuses(&["ca/kubernetes.crt", "does not belong"]);

    let lab = Lab::new();
    lab.edit("ca/sa.key", |_| key.clone());
    lab.refuses(&["ca/sa.pub", "not the public half"]);

    let lab = Lab::new();
    lab.edit("nodes/worker-01.pem", |text| {
        let begin = text.find("-----BEGIN PRIVATE").unwrap();
        let end = begin + text[begin..].find("# ").unwrap();
        text[..begin].to_owned() + &key + &text[end..]
    });
    lab.refuses(&["nodes/worker-01.pem", "kubelet-client", "does not belong", "remove it"]);
}

#[test]
fn leaves_of_another_lab_are_refused() {
    let (lab, other) = (Lab::new(), Lab::new());
    let foreign = fs::read_to_string(other.path("nodes/etcd-01.pem")).unwrap();
    lab.edit("nodes/etcd-01.pem", |_| foreign);
    lab.refuses(&["nodes/etcd-01.pem", "not signed by this lab's etcd authority"]);
}

#[test]
fn flipped_bits_are_noticed() {
    // Block 0 is a certificate, block 1 its key; at its end stand the signature and the public key.
    for (block, back) in [(0, 3), (0, 200), (1, 3), (1, 90)] {
        let lab = Lab::new();
        lab.edit("nodes/master-01.pem", |text| flip(&text, block, back));
        lab.refuses(&["nodes/master-01.pem"]);
    }
    for (name, back) in [("ca/etcd.crt", 3), ("ca/etcd.crt", 200), ("ca/etcd.key", 90), ("ca/sa.pub", 3)] {
        let lab = Lab::new();
        lab.edit(name, |text| flip(&text, 0, back));
        lab.refuses(&[&name[..name.len() - 4]]);
    }
}

#[test]
fn cut_and_empty_files_are_refused() {
    let lab = Lab::new();
    lab.edit("nodes/worker-02.pem", |_| String::new());
    lab.refuses(&["nodes/worker-02.pem", "empty", "remove it"]);
    let lab = Lab::new();
    lab.edit("host.pem", |text| text[..text.len() / 2].to_owned());
    lab.refuses(&["host.pem"]);
}

#[test]
fn keys_open_to_others_are_refused_and_say_how_to_close_them() {
    for name in ["ca/kubernetes.key", "ca/sa.key", "host.pem", "nodes/worker-01.pem"] {
        let lab = Lab::new();
        fs::set_permissions(lab.path(name), std::fs::Permissions::from_mode(0o644)).unwrap();
        lab.refuses(&[name, "chmod 600"]);
    }
}

#[test]
fn what_a_killed_run_left_is_swept() {
    let lab = Lab::new();
    fs::create_dir(lab.path(".hab-part-ca-dead")).unwrap();
    fs::write(lab.path("nodes/.hab-part-dead"), "").unwrap();
    lab.render(NOW).unwrap();
    assert!(!lab.path(".hab-part-ca-dead").exists() && !lab.path("nodes/.hab-part-dead").exists());
}

#[test]
fn two_runs_at_once_make_one_set() {
    let lab = Lab { dir: tempfile::tempdir().unwrap(), plan: Plan::new(&config()).unwrap() };
    let trees: Vec<_> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| lab.render(NOW).unwrap().0)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert!(trees.iter().all(|tree| *tree == trees[0]));
}

#[test]
fn expiry_tells_all_and_the_nearest_first() {
    let lab = Lab::new();
    let all = lab.open(NOW).unwrap().expiry(&lab.plan).unwrap();
    // Three authorities, the host's two, etcd's two, the master's twelve, two workers' three each.
    assert_eq!(all.len(), 3 + 2 + 2 + 12 + 6);
    assert_eq!((all[0].days, all[all.len() - 1].days), (1825, 3650));
    assert!(all.iter().any(|expiry| expiry.name == "master-01 apiserver"));
    let json = serde_json::to_string(&all[0]).unwrap();
    assert!(json.contains("\"not_after\":\"2031-11-22T") && json.contains("Z\""), "{json}");
}

#[test]
fn nothing_secret_in_debug() {
    let lab = Lab::new();
    let pki = lab.open(NOW).unwrap();
    let shown = format!(
        "{pki:?} {:?} {:?}",
        pki.client(),
        pki.admin_kubeconfig(&[("master", "https://192.168.56.31:6443".into())])
    );
    assert!(!shown.contains("PRIVATE KEY") && shown.contains("***"), "{shown}");
}
