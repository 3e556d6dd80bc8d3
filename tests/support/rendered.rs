//! A rendered lab, opened up: `hab render` is run, and every node's Ignition config is read back as the files it makes.

#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use tempfile::TempDir;

/// The lab of `hab init`: one etcd, one master, two workers.
pub const DEFAULT: &str = "lab: demo\n";
/// More than one of everything.
pub const LARGE: &str = "lab: large\nnodes: {etcd: {count: 3}, master: {count: 2}, worker: {count: 2}}\nimages: [nginx:1.29]\n\
     registry: {inLab: true}\n";

/// The default lab with each other base.
pub const BASES: [(&str, &str); 2] =
    [("flatcar", "lab: demo\nbase: flatcar\n"), ("fedora-coreos", "lab: demo\nbase: fedora-coreos\n")];

/// The default lab with each other pod network, and with what else is about the network. [`NETWORK_FILES`] are in its folder.
pub const NETWORKS: [(&str, &str); 6] = [
    ("flannel", "lab: demo\nkubernetes: {cni: flannel}\n"),
    ("weave", "lab: demo\nkubernetes: {cni: weave}\n"),
    ("files", "lab: demo\nkubernetes: {cni: {name: files, conflist: net/own.conflist, manifests: [net/own.yaml]}}\n"),
    ("none", "lab: demo\nkubernetes: {cni: none}\n"),
    ("network-policies", "lab: demo\nkubernetes: {networkPolicies: true}\n"),
    (
        "internet",
        "lab: demo\nnetwork: {internet: true, trustedCertificates: net/ca.pem, proxy: {https: \"http://10.0.0.1:3128\", noProxy: [.example.com]}}\n",
    ),
];

/// The default lab with every addon of hab's, and a folder of the user's. [`ADDON_FILES`] are in its folder.
pub const ADDONS: &str = "lab: demo\naddons: [manifests/web, metrics-server, busybox, local-path]\n";

/// What it names.
pub const ADDON_FILES: [(&str, &str); 3] = [
    ("manifests/web/20-web.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: web}\n"),
    (
        "manifests/web/10-namespace.json",
        "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"web\"}}\n",
    ),
    ("manifests/web/README.md", "No objects.\n"),
];

/// What the labs of [`NETWORKS`] name.
pub const NETWORK_FILES: [(&str, &str); 3] = [
    (
        "net/own.conflist",
        "{\"cniVersion\": \"1.0.0\", \"name\": \"own\", \"plugins\": [{\"type\": \"bridge\", \"ipam\": {\"type\": \"host-local\", \"subnet\": \"podCIDR\"}}]}\n",
    ),
    ("net/own.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: own, namespace: kube-system}\n"),
    ("net/ca.pem", include_str!("../fixtures/ca.pem")),
];

/// A lab after `hab render`.
pub struct Lab {
    dir: TempDir,
    /// What its boxes have that only some labs' have.
    pub parts: Vec<&'static str>,
    /// In the order of the plan.
    pub nodes: Vec<Node>,
}

/// What Ignition makes of one node.
pub struct Node {
    pub name: String,
    pub role: String,
    pub address: String,
    /// Path on the node -> permission bits and content.
    pub files: BTreeMap<String, (u32, Vec<u8>)>,
    /// Path on the node -> target.
    pub links: BTreeMap<String, String>,
}

impl Lab {
    /// Renders a lab with this hab.yaml.
    pub fn new(yaml: &str) -> Self {
        Self::with(yaml, &[])
    }

    /// The same with files of the user's, by their paths in the lab's folder.
    pub fn with(yaml: &str, files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::write(dir.path().join("hab.yaml"), yaml).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_hab")).arg("render").current_dir(dir.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let data: Value = serde_json::from_slice(&std::fs::read(dir.path().join("out/nodes.json")).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let nodes = data["nodes"].as_array().unwrap().iter().map(|node| {
            let (files, links) = open(&dir.path().join(text(&node["ignition"])));
            Node { name: text(&node["name"]), role: text(&node["role"]), address: text(&node["address"]), files, links }
        });
        let parts = hab::lab::open(dir.path()).unwrap().plan.parts();
        Self { nodes: nodes.collect(), parts, dir }
    }

    /// The default lab and the large one.
    pub fn both() -> [Self; 2] {
        [Self::new(DEFAULT), Self::new(LARGE)]
    }

    /// One of [`NETWORKS`].
    pub fn of_network(name: &str) -> Self {
        let (_, yaml) = NETWORKS.iter().find(|(own, _)| *own == name).unwrap();
        Self::with(yaml, &NETWORK_FILES)
    }

    /// That of [`ADDONS`].
    pub fn of_addons() -> Self {
        Self::with(ADDONS, &ADDON_FILES)
    }

    /// The default lab with every base, every network and every addon, and the large one.
    pub fn all() -> impl Iterator<Item = Self> {
        let networks = NETWORKS.iter().map(|(name, _)| Self::of_network(name));
        let others = BASES.map(|(_, yaml)| Self::new(yaml)).into_iter().chain(networks).chain([Self::of_addons()]);
        Self::both().into_iter().chain(others)
    }

    /// A path in the lab's folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Every node's Ignition config.
    pub fn configs(&self) -> impl Iterator<Item = PathBuf> {
        self.nodes.iter().map(|node| self.path(&format!("out/ignition/{}.ign", node.name)))
    }

    /// The nodes of one role.
    pub fn of<'a>(&'a self, role: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| node.role == role)
    }

    /// The node of this name.
    pub fn node(&self, name: &str) -> &Node {
        self.nodes.iter().find(|node| node.name == name).unwrap()
    }
}

impl Node {
    /// A file's content as text.
    #[track_caller]
    pub fn text(&self, path: &str) -> &str {
        let (_, content) = self.files.get(path).unwrap_or_else(|| panic!("{} has no {path}", self.name));
        std::str::from_utf8(content).unwrap()
    }

    /// All files that are text and no certificate or key, by path.
    pub fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter().filter(|(path, _)| !path.starts_with("/etc/kubernetes/pki/"));
        files.map(|(path, (_, content))| (path.as_str(), std::str::from_utf8(content).unwrap()))
    }

    /// Those of them whose path ends so.
    pub fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.settings().filter(move |(path, _)| path.ends_with(end))
    }

    /// Whether something is at this path, if only a folder.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let inside = format!("{path}/");
        self.files.contains_key(path)
            || self.links.contains_key(path)
            || self.files.keys().chain(self.links.keys()).any(|other| other.starts_with(&inside))
    }

    /// Writes all files below `root`, at their paths.
    pub fn unpack(&self, root: &Path) {
        for (path, (_, content)) in &self.files {
            let path = root.join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
}

type Files = BTreeMap<String, (u32, Vec<u8>)>;

/// What an Ignition config makes, as its JSON says.
fn open(config: &Path) -> (Files, BTreeMap<String, String>) {
    let config: Value = serde_json::from_slice(&std::fs::read(config).unwrap()).unwrap();
    let list = |name: &str| config["storage"][name].as_array().cloned().unwrap_or_default();
    let path = |item: &Value| item["path"].as_str().unwrap().to_owned();
    let files = list("files").into_iter().map(|file| {
        let mode = u32::try_from(file["mode"].as_u64().unwrap_or(0o644)).unwrap();
        let source = file["contents"]["source"].as_str().unwrap();
        let content = match source.strip_prefix("data:;base64,") {
            Some(content) => BASE64.decode(content).unwrap(),
            None => source.strip_prefix("data:,").expect("a data URL").into(),
        };
        let content = match file["contents"]["compression"].as_str() {
            Some(kind) => {
                assert_eq!(kind, "gzip");
                let mut unpacked = Vec::new();
                flate2::read::GzDecoder::new(&content[..]).read_to_end(&mut unpacked).unwrap();
                unpacked
            }
            None => content,
        };
        (path(&file), (mode, content))
    });
    let links = list("links").into_iter().map(|link| (path(&link), link["target"].as_str().unwrap().to_owned()));
    (files.collect(), links.collect())
}
