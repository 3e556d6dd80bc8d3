//! Keys are where they belong, and nowhere else.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::isolated::unshare;
use super::rendered::{LARGE, Lab, Node};
use super::support;

const PKI: &str = "/etc/kubernetes/pki/";
const KEY_FILE: &str = ".key";
const KEY: &[u8] = b"PRIVATE KEY-----";

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn private_keys_are_roots_alone_and_in_one_place() {
    for lab in Lab::both() {
        for node in &lab.nodes {
            let mut keys = 0;
            for (path, (mode, content)) in &node.files {
                if contains(content, KEY) {
                    keys += 1;
                    assert!(path.starts_with(PKI) && path.ends_with(KEY_FILE), "{}: a key in {path}", node.name);
                }
                if path.ends_with(KEY_FILE) {
                    assert_eq!(*mode, 0o600, "{}: {path}", node.name);
                }
                let open = path.starts_with(PKI) || !path.starts_with("/etc/kubernetes") && !path.contains("/systemd/");
                assert!(*mode == 0o600 || (*mode == 0o644 && open), "{}: {path} is {mode:o}", node.name);
            }
            let expected = match node.role.as_str() {
                "etcd" => 2,
                // One more for the lab's registry, in the lab that has one.
                "master" => 13 + usize::from(node.files.contains_key("/etc/kubernetes/registry.env")),
                _ => 3,
            };
            assert_eq!(keys, expected, "{}", node.name);
        }
    }
}

/// A line of the private key in a PEM file that no other key has: its last of base64 that is full.
fn line_of_key(lab: &Lab, file: &str) -> String {
    let text = std::fs::read_to_string(lab.path(file)).unwrap();
    let key = text.lines().skip_while(|line| !line.ends_with("PRIVATE KEY-----")).skip(1);
    let lines: Vec<&str> = key.take_while(|line| !line.starts_with("-----END")).collect();
    let line = lines.into_iter().rfind(|line| line.len() >= 40).unwrap();
    line.to_owned()
}

/// Everything of a rendered lab that leaves the private folder, opened up: what Ignition writes on each node, and the
/// files in the lab, with what is in base64 in the kubeconfig.
fn outside(lab: &Lab) -> Vec<(String, Vec<u8>)> {
    let files = |node: &Node| {
        let named = node.files.iter().map(|(path, (_, content))| (format!("{}:{path}", node.name), content.clone()));
        named.collect::<Vec<_>>()
    };
    let mut all: Vec<(String, Vec<u8>)> = lab.nodes.iter().flat_map(files).collect();
    let registry = ["out/registry/ca.crt", "out/registry/client.cert", "out/registry/client.key"];
    let registry = registry.into_iter().filter(|_| lab.path("out/registry").is_dir());
    for file in ["out/nodes.json", "out/kubeconfig", "Vagrantfile"].into_iter().chain(registry) {
        all.push((file.to_owned(), std::fs::read(lab.path(file)).unwrap()));
    }
    let kubeconfig = std::fs::read_to_string(lab.path("out/kubeconfig")).unwrap();
    let data = kubeconfig.lines().filter_map(|line| line.split_once("-data: "));
    all.extend(
        data.map(|(key, data)| (format!("out/kubeconfig:{key}"), BASE64.decode(data.trim_matches('"')).unwrap())),
    );
    all
}

#[test]
fn git_takes_nothing_that_hab_makes() {
    // A hab.yaml written by hand, in a repository that has no .gitignore.
    let test = support::Test::lab().run(["render"]).code(0).then();
    let folder = test.path().to_owned();
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&folder).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet"]);
    let added = "add 'Vagrantfile'\nadd 'hab.yaml'\n";
    assert_eq!(git(&["add", "-A", "-n"]), added);
    // Without the files that say so, git does take keys.
    for ours in ["out", "private"] {
        std::fs::remove_file(folder.join(ours).join(".gitignore")).unwrap();
    }
    let all = git(&["add", "-A", "-n"]);
    assert!(all.contains("private/ca/kubernetes.key") && all.contains("out/kubeconfig"), "{all}");
    // A lab that was made before hab wrote them gets them, too.
    let test = test.run(["render"]).code(0).then();
    assert_eq!(git(&["add", "-A", "-n"]), added);
    let tag = std::fs::read_to_string(test.path().join("out/CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"), "{tag}");
}

#[test]
fn a_folder_of_the_users_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let test = support::Test::lab().file("out/mine", "").file("private/mine", "");
    for ours in ["out", "private"] {
        let shared = std::fs::Permissions::from_mode(0o2770);
        std::fs::set_permissions(test.path().join(ours), shared).unwrap();
    }
    // But keys are for one user alone.
    test.run(["render"]).code(0).mode_is("out", 0o2770).mode_is("private", 0o700);
}

#[test]
fn no_key_of_an_authority_leaves_the_private_folder() {
    let lab = Lab::new(LARGE);
    let all = outside(&lab);
    let holders = |file: &str| {
        let line = line_of_key(&lab, file);
        let found = all.iter().filter(|(_, content)| contains(content, line.as_bytes()));
        found.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    // These two do leave it, so the search sees what it looks for.
    let masters = ["kube-master-01", "kube-master-02"].map(|node| format!("{node}:{PKI}sa.key"));
    assert_eq!(holders("private/ca/sa.key"), masters);
    let host = holders("private/host.pem");
    assert!(host.len() == 2 && host.contains(&"out/registry/client.key"), "the kubeconfig, and this: {host:?}");
    for ca in ["kubernetes", "etcd", "front-proxy"] {
        assert!(holders(&format!("private/ca/{ca}.key")).is_empty(), "the {ca} authority's key is elsewhere");
    }
}

#[test]
fn nodes_share_no_key_but_the_one_for_tokens() {
    let lab = Lab::new(LARGE);
    let (mut seen, mut shared) = (std::collections::BTreeMap::new(), 0);
    for node in &lab.nodes {
        for (path, (_, content)) in node.files.iter().filter(|(path, _)| path.ends_with(KEY_FILE)) {
            if let Some(other) = seen.insert(content, format!("{} {path}", node.name)) {
                assert!(path.ends_with("/sa.key"), "{} {path} is that of {other}", node.name);
                shared += 1;
            }
        }
    }
    assert_eq!(shared, 1, "two masters share one");
}

#[test]
fn what_is_written_has_its_mode_whatever_the_umask() {
    let known = ["private/ca/kubernetes.key", "out/ignition/etcd-01.ign", "out/kubeconfig", "out/registry/client.key"];
    for (umask, registry) in [("umask 000", false), ("umask 077", false), ("umask 000", true), ("umask 077", true)] {
        let yaml = if registry { "lab: demo\nregistry: {inLab: true}\n" } else { "lab: demo\n" };
        let test = support::Test::new().file("hab.yaml", yaml).after(umask).run(["render"]).code(0).then();
        let files = support::files(test.path());
        for secret in known.into_iter().filter(|path| registry || !path.starts_with("out/registry/")) {
            assert!(files.iter().any(|path| path == secret), "there is no {secret}: {files:?}");
        }
        for path in files {
            let found = mode(&test.path().join(&path));
            let secret = ["private/", "out/ignition/", "out/registry/"].iter().any(|folder| path.starts_with(folder));
            let secret = secret || path == "out/kubeconfig";
            match (secret, path.ends_with('/')) {
                (true, true) => assert_eq!(found, 0o700, "{path}"),
                (true, false) => assert_eq!(found, 0o600, "{path}"),
                (false, true) => assert!(path != "out/" || found == 0o755, "{path}"),
                (false, false) => assert!(path == "hab.yaml" || found == 0o644, "{path}"),
            }
        }
    }
}

#[test]
fn nothing_secret_is_said() {
    let test = support::Test::lab().run(["render"]).code(0).then();
    let secret = std::fs::read_to_string(test.path().join("private/ca/kubernetes.key")).unwrap();
    let line = secret.lines().nth(1).unwrap().to_owned();
    let tells = |said: &str| ["PRIVATE KEY", "BEGIN", &line].iter().any(|part| said.contains(part));
    assert!(tells(&secret) && tells(&line));
    let mut test = test.file("hab.yaml", "lab: demo\nnodes: {worker: {count: 3}}\n");
    for (args, code) in [
        (&["render"][..], 0),
        (&["status"], 1),
        (&["status", "--json"], 1),
        (&["wait", "--timeout", "1"], 1),
        (&["kubeconfig"], 0),
        (&["plan", "--json"], 0),
    ] {
        // In a network where none of the nodes can be.
        let ran = test.through(unshare("--net")).run(args).code(code);
        let said = ran.stdout() + &ran.stderr();
        assert!(!said.is_empty() && !tells(&said), "{args:?}: {said}");
        test = ran.then();
    }
}
