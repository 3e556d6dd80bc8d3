//! `addons`: what the masters have the cluster run besides, by name or as folders of the user's objects.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Serialize, Serializer};

use super::cni::OwnNetwork;
use super::fields::{Section, is_null};
use super::files::good;
use super::free::text;
use super::load::in_folder;
use super::manifest::{self, Defined, Manifest};
use super::raw::Marked;
use super::yaml::Kind;
use super::{Addon, Config, Kubernetes, brought};
use crate::embedded::{IGNITION, TEMPLATES, embedded};
use crate::problems::{Place, Problems};

/// The longest name of a file of objects.
const MAX_NAME: usize = 100;

/// The most files of objects in a folder: they have numbers of three digits on a master.
const MAX_FILES: usize = 999;

/// The most that all files of objects of a folder may have together, in bytes. They are in the masters' Ignition configs, which
/// a machine reads through its firmware.
const MAX_BYTES: usize = 2 << 20;

/// What hab notes of what it has applied, in the cluster: nobody else's.
const INVENTORY: &str = "/api/v1/namespaces/kube-system/configmaps/hab-addons";

/// Where hab's own are, below the folder of a group.
const ADDONS: &str = "etc/kubernetes/addons/";

/// An item of `addons`. It prints as it is called everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddonSource {
    /// One that hab brings.
    BuiltIn(Addon),
    /// A folder in the lab's folder: its path there.
    Folder(PathBuf),
}

impl AddonSource {
    /// The one that hab brings, if it is one.
    #[must_use]
    pub const fn built_in(&self) -> Option<Addon> {
        match self {
            Self::BuiltIn(addon) => Some(*addon),
            Self::Folder(_) => None,
        }
    }

    /// Whether it has objects, which the masters apply.
    #[must_use]
    pub const fn has_objects(&self) -> bool {
        match self {
            Self::BuiltIn(addon) => addon.has_objects(),
            Self::Folder(_) => true,
        }
    }
}

impl fmt::Display for AddonSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(addon) => f.write_str(addon.name()),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

impl Serialize for AddonSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The files of one of the user's folders: their names, and their objects as `hab-probe apply` reads them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAddon {
    /// Its path in the lab's folder.
    pub folder: PathBuf,
    /// In order.
    pub files: Vec<(String, String)>,
}

/// What is in the user's folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnAddons {
    /// In the order of `addons`.
    pub folders: Vec<OwnAddon>,
    /// Where network policies are among them, such as `web/policy.yaml:12`.
    policies: Vec<String>,
    /// The container images that they name, and where.
    images: Vec<(String, String)>,
}

/// A file that was read.
struct Read<'a> {
    folder: &'a PathBuf,
    /// Its path in the lab's folder.
    path: PathBuf,
    manifest: Manifest,
}

impl OwnAddons {
    /// Reads and checks the folders among `addons`, in the folder `lab`; what is wrong with any file goes to `wrong`.
    pub fn read(lab: &Path, addons: &[AddonSource], others: &Others<'_>, wrong: &mut Vec<Problems>) -> Self {
        let (mut files, before) = (Vec::new(), wrong.len());
        for source in addons {
            let AddonSource::Folder(folder) = source else { continue };
            for path in good(list(lab, folder), wrong).unwrap_or_default() {
                let manifest = good(Manifest::read(&lab.join(&path)), wrong);
                files.extend(manifest.map(|manifest| Read { folder, path, manifest }));
            }
        }
        if wrong.len() > before {
            // What the others define is not known.
            return Self::default();
        }
        let defined: Vec<&Defined> =
            files.iter().flat_map(|file| file.manifest.defines()).chain(&others.network.defines).collect();
        twice(&files, &defined, others.objects(addons), wrong);
        let mut own = Self::default();
        for source in addons {
            let AddonSource::Folder(folder) = source else { continue };
            let of_folder = files.iter().filter(|file| file.folder == folder);
            let texts = of_folder.filter_map(|file| {
                let name = file.path.file_name()?.to_string_lossy().into_owned();
                Some((name, good(file.manifest.text(&defined), wrong)?))
            });
            own.folders.push(OwnAddon { folder: folder.clone(), files: texts.collect() });
        }
        for Read { path, manifest, .. } in &files {
            let at = |line: usize| format!("{}:{line}", path.display());
            own.policies.extend(manifest.lines_of("NetworkPolicy").map(at));
            own.images.extend(manifest.images().map(|(line, image)| (at(line), image.to_owned())));
        }
        own
    }

    /// Warns of what will not be as somebody may expect who reads these files.
    pub fn warn(&self, config: &Config, problems: &mut Problems) {
        let kubernetes = &config.kubernetes;
        let enforced = kubernetes.network_policies || kubernetes.cni.enforces_policies() == Some(true);
        for place in self.policies.iter().filter(|_| !enforced) {
            let message = format!("{place} is a NetworkPolicy, which nobody of hab's enforces");
            let hint = "with `kubernetes.networkPolicies: true` hab does".to_owned();
            problems.warning(None, message, Some(hint));
        }
        brought::warn(&self.images, config, problems);
    }
}

/// The files of objects in a folder, by name.
fn list(lab: &Path, folder: &Path) -> Result<Vec<PathBuf>, Problems> {
    let mut problems = Problems::new(&folder.display().to_string(), "");
    let (mut files, mut bytes) = (Vec::new(), 0);
    let entries = fs::read_dir(lab.join(folder)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    for entry in entries.inspect_err(|error| problems.error(None, error.to_string(), None)).unwrap_or_default() {
        let path = folder.join(entry.file_name());
        if !path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml" || ending == "json") {
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !plain || name.len() > MAX_NAME {
            let hint =
                "letters, digits, `-`, `_` and `.` alone, as it becomes that of a file on the masters".to_owned();
            problems.error(None, format!("has a file {name:?}"), Some(hint));
        }
        if let Err(why) = in_folder(lab, &path) {
            problems.error(None, format!("has a file {name:?}, which {why}"), None);
        }
        bytes += fs::metadata(lab.join(&path)).map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(usize::MAX));
        files.push(path);
    }
    if files.is_empty() && problems.is_empty() {
        problems.error(None, "has no file of objects", Some("they end in `.yaml`, `.yml` or `.json`".to_owned()));
    }
    if files.len() > MAX_FILES {
        problems.error(None, format!("has {} files of objects; at most {MAX_FILES} are taken", files.len()), None);
    }
    if bytes > MAX_BYTES {
        let hint = "the masters carry them in their configs: apply such with kubectl".to_owned();
        problems.error(None, format!("has {bytes} bytes of objects; at most {MAX_BYTES} are taken"), Some(hint));
    }
    files.sort();
    if problems.has_errors() { Err(problems) } else { Ok(files) }
}

/// What the masters apply besides the user's folders.
#[derive(Debug)]
pub struct Others<'a> {
    /// What is said about Kubernetes.
    pub kubernetes: &'a Kubernetes,
    /// A pod network that is the user's own.
    pub network: &'a OwnNetwork,
}

impl Others<'_> {
    /// Their objects, without the versions of their kinds, and whose each is.
    fn objects(&self, addons: &[AddonSource]) -> BTreeMap<String, String> {
        let Self { kubernetes, network } = self;
        let built_in = addons.iter().filter_map(AddonSource::built_in).map(Addon::name);
        let policies = kubernetes.network_policies.then_some("kube-network-policies");
        let groups: Vec<&str> =
            ["master"].into_iter().chain(kubernetes.cni.part()).chain(policies).chain(built_in).collect();
        let files = embedded(&IGNITION).into_iter().chain(embedded(&TEMPLATES));
        let own = files.filter(|file| {
            file.name.split_once('/').is_some_and(|(group, path)| groups.contains(&group) && path.starts_with(ADDONS))
        });
        let texts = own.filter_map(|file| std::str::from_utf8(file.bytes).ok());
        let paths = texts.flat_map(manifest::paths).chain([INVENTORY.to_owned()]).map(|path| (path, "hab"));
        let of_network = network.manifests.iter().flat_map(|(_, text)| manifest::paths(text));
        let all = paths.chain(of_network.map(|path| (path, "your pod network")));
        all.map(|(path, whose)| (manifest::identity(&path), whose.to_owned())).collect()
    }
}

/// Refuses an object that is in two files, or somebody else's: each would undo the other at every boot.
fn twice(files: &[Read<'_>], defined: &[&Defined], mut seen: BTreeMap<String, String>, wrong: &mut Vec<Problems>) {
    for Read { path, manifest, .. } in files {
        let mut problems = Problems::new(&path.display().to_string(), "");
        for (line, object) in manifest.objects(defined) {
            let at = format!("{}:{line}", path.display());
            if let Some(other) = seen.insert(manifest::identity(&object), at) {
                let place = Place { line, column: 1, width: 1 };
                let message = format!("the object that begins here, {object}, is that of {other}, too");
                problems.error(Some(place), message, Some("leave one of the two".to_owned()));
            }
        }
        if problems.has_errors() {
            wrong.push(problems);
        }
    }
}

/// Reads `addons`.
pub fn read(top: &Section<'_>, problems: &mut Problems) -> Vec<Marked<String>> {
    // All commented out is as good as not there.
    let said = top
        .find("addons")
        .filter(|(_, node)| !matches!(&node.kind, Kind::Scalar { text, plain: true } if is_null(text)));
    let items = said.and_then(|_| top.list("addons", problems)).map_or(&[][..], |list| list.value);
    let word = |node| Some(Marked { value: text(node, "addons", problems)?, place: Some(node.place) });
    items.iter().filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::super::load;

    const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    /// What is said of a lab with these files and this list; nothing if all is well.
    fn said(addons: &str, files: &[(&str, &str)]) -> String {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::write(dir.path().join("hab.yaml"), format!("lab: a\naddons: {addons}\n")).unwrap();
        let said = load(dir.path()).unwrap().problems.to_string();
        said.replace(&format!("{}/", dir.path().display()), "")
    }

    #[test]
    fn good_folders_are_fine_and_the_order_is_as_written() {
        let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: w.example.org}\n\
            spec: {group: example.org, scope: Cluster, names: {kind: W, plural: ws}}\n";
        let of = "apiVersion: example.org/v1\nkind: W\nmetadata: {name: a}\n";
        let files = [
            ("b/w.yaml", of),
            ("b/notes.md", "no"),
            ("a/crd.yml", crd),
            ("a/a.json", "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"s\"}}"),
        ];
        assert_eq!(said("[b, metrics-server, ./a]", &files), "");
        assert_eq!(said("[]", &[]), "");
        assert_eq!(said("# none", &[]), "");
    }

    #[test]
    fn every_mistake_is_at_its_place_with_a_way_out() {
        let one = [("a/a.yaml", CONFIG_MAP)];
        for (addons, files, expected) in [
            (
                "[metrics-servr]",
                &one[..],
                "hab.yaml:2:10: error: `addons` names metrics-servr, which is neither an addon of hab's nor a folder here",
            ),
            ("[metrics-servr]", &one, "did you mean `metrics-server`?"),
            ("[coredns]", &one, "every lab has it: `kubernetes.dns` says how"),
            ("[registry]", &one, "write `registry: {inLab: true}`"),
            ("[a, a]", &one, "hab.yaml:2:13: error: `addons` names a twice"),
            ("[a/b]", &one, "`addons` names the file a/b, which is not there"),
            ("[a/a.yaml]", &one, "names the file a/a.yaml, which is no folder"),
            ("[../a]", &one, "leads out of the lab's folder"),
            ("[.]", &one, "what is the lab's own folder"),
            ("[private/x]", &one, "hab's own"),
            ("a", &one, "`addons` must be a list"),
            ("[b]", &[("b/c/a.yaml", CONFIG_MAP)], "b: error: has no file of objects"),
            ("[b]", &[("b/a b.yaml", CONFIG_MAP)], "b: error: has a file \"a b.yaml\""),
            (
                "[b]",
                &[("b/a.yaml", "kind: A\n")],
                "b/a.yaml:1:1: error: the object that begins here has no `apiVersion`",
            ),
            (
                "[a, b]",
                &[("a/a.yaml", CONFIG_MAP), ("b/b.yaml", CONFIG_MAP)],
                "b/b.yaml:1:1: error: the object that begins here, /api/v1/namespaces/default/configmaps/a, is that of a/a.yaml:1, too",
            ),
            (
                "[b]",
                &[(
                    "b/b.yaml",
                    "apiVersion: apps/v2\nkind: Deployment\nmetadata: {name: coredns, namespace: kube-system}\n",
                )],
                "is that of hab, too",
            ),
            (
                "[b]",
                &[(
                    "b/b.yaml",
                    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hab-addons, namespace: kube-system}\n",
                )],
                "is that of hab, too",
            ),
        ] {
            let said = said(addons, files);
            assert!(said.contains(expected), "{addons}: {said}");
        }
        let server =
            [("b/b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: metrics-server, namespace: kube-system}\n")];
        assert_eq!(said("[b]", &server), "");
        assert!(said("[b, metrics-server]", &server).contains("is that of hab, too"));
    }

    #[test]
    fn what_will_not_be_as_expected_is_said_with_its_line() {
        let policy = "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}}\n";
        let pod = |image: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - {{name: p, image: \"{image}\"}}\n"
            )
        };
        let both = [("a/p.yaml", policy), ("a/pod.yaml", &pod("example.com/p:1"))];
        let all = said("[a]", &both);
        assert!(all.contains("warning: a/p.yaml:2 is a NetworkPolicy, which nobody of hab's enforces"), "{all}");
        assert!(all.contains("warning: a/pod.yaml:6 wants the image example.com/p:1, which nothing brings"), "{all}");
        assert_eq!(said("[a]\nkubernetes: {networkPolicies: true}\nimages: [\"example.com/p:1\"]", &both), "");
        let busybox = [("a/pod.yaml", pod("localhost/hab/busybox:1"))];
        let busybox: Vec<_> = busybox.iter().map(|(path, text)| (*path, text.as_str())).collect();
        assert!(said("[a]", &busybox).contains("wants the image localhost/hab/busybox:1"));
        assert_eq!(said("[a, busybox]", &busybox), "");
    }
}
