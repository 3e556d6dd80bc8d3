//! The user's own Kubernetes objects: a YAML file of the lab's folder, each object with its path in the API, which
//! `hab-probe apply` wants to know.

use std::path::Path;

use serde::Deserialize as _;
use serde_yaml::Value;

use super::api_kinds;
use super::load::users_file;
use crate::problems::{Place, Problems};

/// One object of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Object {
    /// Where its document begins in the file.
    line: usize,
    group: String,
    version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
    /// Its document, as the user wrote it.
    text: String,
    /// What it defines, if it is a `CustomResourceDefinition`.
    defines: Option<Defined>,
    /// The container images that it names, with the lines of the file that they stand in.
    images: Vec<(usize, String)>,
}

/// A kind that a `CustomResourceDefinition` brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defined {
    group: String,
    kind: String,
    plural: String,
    namespaced: bool,
}

/// A file of objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    file: String,
    objects: Vec<Object>,
}

impl Manifest {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// It can't be read, or a document in it is no object; says everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let (name, bytes) = users_file(path)?;
        Self::new(&name, &bytes)
    }

    /// Checks the bytes of a file that the user knows as `file`.
    ///
    /// # Errors
    /// As [`Manifest::read`].
    pub fn new(file: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let text = String::from_utf8_lossy(bytes);
        let mut problems = Problems::new(file, &text);
        if std::str::from_utf8(bytes).is_err() {
            problems.error(None, "is not UTF-8", None);
            return Err(problems);
        }
        let mut objects = Vec::new();
        for (line, document) in documents(&text) {
            match object(line, &document) {
                Ok(found) => objects.extend(found),
                Err(why) => {
                    let place = Place { line, column: 1, width: 1 };
                    problems.error(Some(place), format!("the object that begins here {why}"), None);
                }
            }
        }
        if objects.is_empty() && !problems.has_errors() {
            problems.error(None, "has no object in it", None);
        }
        if problems.has_errors() { Err(problems) } else { Ok(Self { file: file.to_owned(), objects }) }
    }

    /// The kinds that it brings along.
    pub fn defines(&self) -> impl Iterator<Item = &Defined> {
        self.objects.iter().filter_map(|object| object.defines.as_ref())
    }

    /// The lines at which objects of this kind begin.
    pub fn lines_of(&self, kind: &str) -> impl Iterator<Item = usize> {
        self.objects.iter().filter(move |object| object.kind == kind).map(|object| object.line)
    }

    /// The container images that pods of its objects run, and the lines that these stand in.
    pub fn images(&self) -> impl Iterator<Item = (usize, &str)> {
        self.objects.iter().flat_map(|object| object.images.iter().map(|(line, image)| (*line, image.as_str())))
    }

    /// The path of each object in the API, and the line at which it begins. `defined` are the kinds that are not Kubernetes' own;
    /// one of a kind that nobody knows is left out.
    pub fn objects(&self, defined: &[&Defined]) -> impl Iterator<Item = (usize, String)> {
        self.objects.iter().filter_map(|object| Some((object.line, object.path(defined)?)))
    }

    /// The file, each object under its path in the API. `defined` are the kinds that are not Kubernetes' own.
    ///
    /// # Errors
    /// Of a kind it is not known where its objects are; says every one.
    pub fn text(&self, defined: &[&Defined]) -> Result<String, Problems> {
        let mut problems = Problems::new(&self.file, "");
        let mut text = String::new();
        for object in &self.objects {
            let Some(path) = object.path(defined) else {
                let place = Place { line: object.line, column: 1, width: 1 };
                let hint = "its CustomResourceDefinition must be in one of these files, too".to_owned();
                let message = format!("Kubernetes has no kind {} in {}/{}", object.kind, object.group, object.version);
                problems.error(Some(place), message, Some(hint));
                continue;
            };
            text.extend([if text.is_empty() { "" } else { "---\n" }, "# ", &path, "\n", &object.text]);
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        if problems.has_errors() { Err(problems) } else { Ok(text) }
    }
}

impl Object {
    /// Where it is in the API, such as `/apis/apps/v1/namespaces/kube-system/deployments/coredns`.
    fn path(&self, defined: &[&Defined]) -> Option<String> {
        let Self { group, version, kind, name, .. } = self;
        let (plural, namespaced) = match defined.iter().find(|other| other.group == *group && other.kind == *kind) {
            Some(other) => (other.plural.clone(), other.namespaced),
            None => api_kinds::find(group, kind)?,
        };
        let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
        let namespace = self.namespace.as_deref().unwrap_or("default");
        let within = if namespaced { format!("/namespaces/{namespace}") } else { String::new() };
        Some(format!("{root}/{version}{within}/{plural}/{name}"))
    }
}

/// The paths that the documents of a text begin with, which is one that `hab-probe apply` reads.
pub fn paths(text: &str) -> impl Iterator<Item = String> {
    documents(text).into_iter().filter_map(|(_, document)| {
        let path = document.lines().next()?.strip_prefix("# ")?;
        path.starts_with("/api").then(|| path.to_owned())
    })
}

/// A path without the version, in which an object is the same.
pub fn identity(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.len() > 3 && parts[1] == "apis" {
        parts.remove(3);
    }
    parts.join("/")
}

/// What lines `---` separate, each with the number of its first line.
fn documents(text: &str) -> Vec<(usize, String)> {
    let mut all = vec![(1, String::new())];
    for (line, number) in text.split_inclusive('\n').zip(1..) {
        let rest = line.strip_prefix("---").filter(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        match rest.map(str::trim) {
            Some(rest) if rest.is_empty() || rest.starts_with('#') => all.push((number + 1, String::new())),
            // What stands beside the `---` is the document's first line.
            Some(rest) => all.push((number, format!("{rest}\n"))),
            None => {
                if let Some((_, document)) = all.last_mut() {
                    document.push_str(line);
                }
            }
        }
    }
    all
}

/// The object in a document; none in one that is empty.
fn object(line: usize, text: &str) -> Result<Option<Object>, String> {
    let value = Value::deserialize(serde_yaml::Deserializer::from_str(text))
        .map_err(|error| format!("is not YAML: {error}"))?;
    if value.is_null() {
        return Ok(None);
    }
    let field = |path: &[&str]| {
        let found = path.iter().try_fold(&value, |value, key| value.get(key));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    let wanted = |path: &[&str]| {
        field(path).filter(|text| !text.is_empty()).ok_or_else(|| format!("has no `{}`", path.join(".")))
    };
    let (api, kind) = (wanted(&["apiVersion"])?, wanted(&["kind"])?);
    if kind.ends_with("List") && value.get("items").is_some() {
        return Err("is a list: write each of its items as a document of its own".to_owned());
    }
    let (group, version) = api.split_once('/').map_or(("", api.as_str()), |(group, version)| (group, version));
    let (name, namespace) = (wanted(&["metadata", "name"])?, field(&["metadata", "namespace"]));
    // They become parts of a path.
    let plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:".contains(&b))
            && text != "."
            && text != ".."
    };
    for part in [version, kind.as_str(), name.as_str()]
        .into_iter()
        .chain(namespace.as_deref())
        .chain(Some(group).filter(|group| !group.is_empty()))
    {
        if !plain(part) {
            return Err(format!("has {part:?} where a name belongs"));
        }
    }
    let defines = if kind == "CustomResourceDefinition" {
        let [group, kind, plural, scope] =
            [&["spec", "group"][..], &["spec", "names", "kind"], &["spec", "names", "plural"], &["spec", "scope"]]
                .map(wanted);
        let defined = Defined { group: group?, kind: kind?, plural: plural?, namespaced: scope? == "Namespaced" };
        if !plain(&defined.plural) {
            return Err(format!("has {:?} where a name belongs", defined.plural));
        }
        Some(defined)
    } else {
        None
    };
    let mut names = Vec::new();
    images(&value, &mut names);
    let images = names.into_iter().map(|image| (line + place(text, &image), image)).collect();
    let (group, version) = (group.to_owned(), version.to_owned());
    Ok(Some(Object { line, group, version, kind, namespace, name, text: text.to_owned(), defines, images }))
}

/// The lists of a pod's containers (`PodSpec` of `k8s.io/api/core/v1`).
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// The container images in an object, each once, wherever its pods are described.
fn images(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Mapping(fields) => {
            for (key, field) in fields {
                let is_list = key.as_str().is_some_and(|key| CONTAINERS.contains(&key));
                let list = field.as_sequence().filter(|_| is_list).map_or(&[][..], Vec::as_slice);
                for image in list.iter().filter_map(|container| container.get("image")?.as_str()) {
                    if !found.iter().any(|other| other == image) {
                        found.push(image.to_owned());
                    }
                }
                images(field, found);
            }
        }
        Value::Sequence(items) => items.iter().for_each(|item| images(item, found)),
        _ => {}
    }
}

/// The line of a document that names this image, from 0; the first where it can't be told.
fn place(text: &str, image: &str) -> usize {
    text.lines().position(|line| line.contains("image") && line.contains(image)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(text: &str) -> Manifest {
        Manifest::new("a.yaml", text.as_bytes()).unwrap()
    }

    fn said(text: &str) -> String {
        let read = Manifest::new("a.yaml", text.as_bytes());
        let problems = match &read {
            Ok(manifest) => manifest.text(&manifest.defines().collect::<Vec<_>>()).map(drop).err(),
            Err(problems) => Some(problems.clone()),
        };
        problems.map_or_else(String::new, |problems| problems.to_string())
    }

    #[test]
    fn each_object_comes_under_its_path_and_as_it_was_written() {
        let text = "# one\n--- # two\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {mode: 0400}\n---\n\n---\n\
                    kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {name: b, namespace: c}\n\
                    --- {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: \"system:d\"}}\n";
        let expected = "# /api/v1/namespaces/default/configmaps/a\napiVersion: v1\nkind: ConfigMap\n\
            metadata: {name: a}\ndata: {mode: 0400}\n---\n# /apis/networking.k8s.io/v1/namespaces/c/networkpolicies/b\n\
            kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\nmetadata: {name: b, namespace: c}\n---\n\
            # /apis/rbac.authorization.k8s.io/v1/clusterroles/system:d\n\
            {apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: \"system:d\"}}\n";
        let manifest = manifest(text);
        assert_eq!(manifest.text(&[]).unwrap(), expected);
        assert_eq!(manifest.lines_of("NetworkPolicy").collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn kinds_of_the_users_own_are_where_their_definition_says() {
        let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: ippools.crd.example.org}\n\
            spec: {group: crd.example.org, scope: Cluster, names: {kind: IPPool, plural: ippools}}\n";
        let pool = "apiVersion: crd.example.org/v1\nkind: IPPool\nmetadata: {name: p}\n";
        let (crd, pool) = (manifest(crd), manifest(pool));
        let defined: Vec<_> = crd.defines().collect();
        assert!(pool.text(&defined).unwrap().starts_with("# /apis/crd.example.org/v1/ippools/p\n"));
        let refused = pool.text(&[]).unwrap_err().to_string();
        assert!(
            refused.contains("a.yaml:1:1: error: Kubernetes has no kind IPPool in crd.example.org/v1"),
            "{refused}"
        );
        let path = "# /apis/apiextensions.k8s.io/v1/customresourcedefinitions/ippools.crd.example.org\n";
        assert!(crd.text(&[]).unwrap().starts_with(path));
    }

    #[test]
    fn what_is_no_object_is_said_at_its_place() {
        for (text, expected) in [
            ("", "a.yaml: error: has no object in it"),
            ("a: b\n", "a.yaml:1:1: error: the object that begins here has no `apiVersion`"),
            ("---\nkind: A\napiVersion: v1\n", "a.yaml:2:1: error: the object that begins here has no `metadata.name`"),
            ("a: [\n", "is not YAML"),
            ("- a\n", "has no `apiVersion`"),
            ("apiVersion: v1\nkind: Pod\nmetadata: {name: ../a}\n", "has \"../a\" where a name belongs"),
            ("apiVersion: v1\nkind: PodList\nitems: []\n", "write each of its items as a document"),
            ("apiVersion: v1\nkind: Pood\nmetadata: {name: a}\n", "Kubernetes has no kind Pood in /v1"),
        ] {
            assert!(said(text).contains(expected), "{text}: {}", said(text));
        }
    }
}
