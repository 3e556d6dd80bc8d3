//! One section of `hab.yaml`: its known keys, and its values by type.

use super::components::TIMEOUTS;
use super::raw::Marked;
use super::yaml::{Key, Kind, YamlNode, shown};
use crate::problems::{Place, Problems};

/// All sections with their keys, in the order of the template. A section's name is its path.
const KEYS: [(&str, &[&str]); 28] = [
    ("", &TOP),
    ("kubernetes", &KUBERNETES),
    // After it: who writes `version` alone more likely means that of Kubernetes.
    ("base", &["name", "channel", "version"]),
    ("kubernetes.cni", &["name", "conflist", "manifests"]),
    ("kubernetes.apiServer", &["port", "auditPolicy", "extraArgs", "resources"]),
    ("kubernetes.controllerManager", &["extraArgs", "resources"]),
    ("kubernetes.scheduler", &["extraArgs", "resources"]),
    ("kubernetes.etcd", &["quotaBackendBytes", "extraArgs", "backup"]),
    ("kubernetes.etcd.backup", &["keep", "everyMinutes"]),
    ("kubernetes.dns", &["replicas", "resources"]),
    ("*.resources", &["requests", "limits"]),
    ("network", &["nodes", "pods", "services", "extra", "internet", "proxy", "trustedCertificates"]),
    ("network.proxy", &["http", "https", "noProxy"]),
    ("nodes", &["etcd", "master", "worker"]),
    ("nodes.etcd", &OF_ETCD),
    ("nodes.master", &WITH_KUBELET),
    ("nodes.worker", &WITH_KUBELET),
    ("nodes.etcd.override.*", &OF_ONE_MACHINE),
    ("nodes.*.override.*", &OF_ONE_NODE),
    ("nodes.*.forwardedPorts", &["host", "guest", "hostIp", "protocol"]),
    ("nodes.*.sharedFolders", &["host", "guest"]),
    ("nodes.*.taints", &["key", "value", "effect"]),
    ("haproxy", &["port", "timeout", "stats"]),
    ("haproxy.timeout", &TIMEOUTS),
    ("haproxy.stats", &["enabled", "port"]),
    ("images.*", &["archive", "oci", "name"]),
    ("registry", &["mirrors", "insecure", "inLab"]),
    ("ignition", &["common", "etcd", "master", "worker"]),
];

const TOP: [&str; 14] = [
    "lab",
    "base",
    "provider",
    "supply",
    "start",
    "shell",
    "kubernetes",
    "network",
    "nodes",
    "haproxy",
    "images",
    "registry",
    "addons",
    "ignition",
];

const KUBERNETES: [&str; 10] = [
    "version",
    "domain",
    "cni",
    "networkPolicies",
    "apiServer",
    "controllerManager",
    "scheduler",
    "kubeProxy",
    "etcd",
    "dns",
];

const OF_A_MACHINE: [&str; 10] = [
    "memory",
    "cpus",
    "disk",
    "disks",
    "networks",
    "forwardedPorts",
    "sharedFolders",
    "gui",
    "console",
    "cpuExecutionCap",
];
const OF_ONE_MACHINE: [&str; 11] = joined(&[&["address"], &OF_A_MACHINE]);
const OF_ONE_NODE: [&str; 14] = joined(&[&["address"], &OF_A_NODE]);
const OF_A_NODE: [&str; 13] = joined(&[&OF_A_MACHINE, &OF_A_KUBELET]);
const OF_ETCD: [&str; 13] = joined(&[&OF_A_ROLE, &OF_A_MACHINE]);
const WITH_KUBELET: [&str; 16] = joined(&[&OF_A_ROLE, &OF_A_NODE]);

/// The keys that only a role has.
const OF_A_ROLE: [&str; 3] = ["count", "prefix", "override"];

/// The keys of a node that only mean something to a kubelet.
const OF_A_KUBELET: [&str; 3] = ["labels", "taints", "kubelet"];

/// All of these names, which are `N`.
const fn joined<const N: usize>(parts: &[&[&'static str]]) -> [&'static str; N] {
    let (mut all, mut part, mut next) = ([""; N], 0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            all[next] = parts[part][index];
            (index, next) = (index + 1, next + 1);
        }
        part += 1;
    }
    all
}

/// A section being read: its entries, each with its key.
pub struct Section<'n> {
    path: String,
    entries: &'n [(Key, YamlNode)],
}

/// Opens a section and notes its unknown keys; an empty section, or one with every line commented out, has none.
pub fn read_section<'n>(node: &'n YamlNode, path: &str, problems: &mut Problems) -> Section<'n> {
    read_like(node, path, path, problems)
}

/// As [`read_section`], for a section whose keys stand under another name in [`KEYS`]: that of its kind.
pub fn read_like<'n>(node: &'n YamlNode, path: &str, kind: &str, problems: &mut Problems) -> Section<'n> {
    let entries: &[(Key, YamlNode)] = match &node.kind {
        Kind::Map(entries) => entries,
        Kind::Scalar { text, plain: true } if is_null(text) => &[],
        other => {
            let name = if path.is_empty() { "hab.yaml".to_owned() } else { format!("`{path}`") };
            let message = format!("{name} must be a section of its own, not {}", describe(other));
            let keys = known(kind).join(", ");
            problems.error(Some(node.place), message, Some(format!("write its keys below it, indented: {keys}")));
            &[]
        }
    };
    for (key, _) in entries {
        if !known(kind).contains(&key.text.as_str()) {
            let place = if path.is_empty() { String::new() } else { format!(" in `{path}`") };
            let message = format!("unknown key `{}`{place}", shown(&key.text));
            problems.error(Some(key.place), message, Some(right_name(kind, &key.text)));
        }
    }
    Section { path: path.to_owned(), entries }
}

impl<'n> Section<'n> {
    /// True when the key is written, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// The section under `key`, if it is there.
    pub fn section(&mut self, key: &str, problems: &mut Problems) -> Option<Section<'n>> {
        let (_, node) = self.find(key)?;
        Some(read_section(node, &self.name(key), problems))
    }

    /// What is a name alone, or a section that has it as `name`: the name, and the section if it is one. `example` is of such a
    /// section, for who forgets the name.
    pub fn named(
        &mut self,
        key: &str,
        example: &str,
        problems: &mut Problems,
    ) -> (Option<Marked<String>>, Option<Section<'n>>) {
        match self.find(key) {
            Some((found, node)) if matches!(node.kind, Kind::Map(_)) => {
                let mut section = read_section(node, &self.name(key), problems);
                if !section.has("name") {
                    let message = format!("the key `{}.name` is missing", self.name(key));
                    problems.error(Some(found.place), message, Some(format!("such as `{example}`")));
                }
                (section.text("name", problems), Some(section))
            }
            _ => (self.text(key, problems), None),
        }
    }

    /// Every entry under `key`, whatever its name, with the path to it: what the user names.
    pub fn entries(&self, key: &str, problems: &mut Problems) -> Vec<(&'n Key, &'n YamlNode, String)> {
        let Some((_, node)) = self.find(key) else { return Vec::new() };
        match &node.kind {
            Kind::Map(entries) => {
                let path = |name: &Key| format!("{}.{}", self.name(key), shown(&name.text));
                entries.iter().map(|(name, node)| (name, node, path(name))).collect()
            }
            Kind::Scalar { text, plain: true } if is_null(text) => Vec::new(),
            other => {
                let message = format!("`{}` must be a section of its own, not {}", self.name(key), describe(other));
                problems.error(Some(node.place), message, Some("write `name: value` below it, indented".to_owned()));
                Vec::new()
            }
        }
    }

    /// The items of a list under `key`; `None` when there is no such key.
    pub fn list(&self, key: &str, problems: &mut Problems) -> Option<Marked<&'n [YamlNode]>> {
        let (_, node) = self.find(key)?;
        if let Kind::List(items) = &node.kind {
            return Some(Marked { value: items, place: Some(node.place) });
        }
        let message = format!("`{}` must be a list, not {}", self.name(key), describe(&node.kind));
        problems.error(Some(node.place), message, Some("each item is a line that begins with `- `".to_owned()));
        None
    }

    /// Text under `key`.
    pub fn text(&mut self, key: &str, problems: &mut Problems) -> Option<Marked<String>> {
        let (text, plain, place) = self.scalar(key, "text", problems)?;
        if plain && let Some(what) = trap(text) {
            let message = format!("`{}` must be text, and `{}` without quotes is {what}", self.name(key), shown(text));
            problems.error(Some(place), message, Some(format!("write it in quotes: \"{}\"", shown(text))));
            return None;
        }
        Some(Marked { value: text.to_owned(), place: Some(place) })
    }

    /// A whole number under `key`.
    pub fn number(&mut self, key: &str, problems: &mut Problems) -> Option<Marked<u32>> {
        let (text, plain, place) = self.scalar(key, "a whole number", problems)?;
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let canonical = text == "0" || !text.starts_with('0');
        if plain && digits && canonical {
            if let Ok(value) = text.parse() {
                return Some(Marked { value, place: Some(place) });
            }
            problems.error(Some(place), format!("`{}` is far too large", self.name(key)), None);
            return None;
        }
        let what = if plain && !text.starts_with(|c: char| c.is_alphabetic()) { "" } else { "the text " };
        let message = format!("`{}` must be a whole number, not {what}\"{}\"", self.name(key), shown(text));
        problems.error(Some(place), message, number_hint(key, text, plain));
        None
    }

    /// `true` or `false` under `key`.
    pub fn truth(&mut self, key: &str, problems: &mut Problems) -> Option<Marked<bool>> {
        let (text, plain, place) = self.scalar(key, "true or false", problems)?;
        if plain && let Ok(value) = text.parse() {
            return Some(Marked { value, place: Some(place) });
        }
        let message = format!("`{}` must be true or false, not \"{}\"", self.name(key), shown(text));
        problems.error(Some(place), message, Some("write it without quotes".to_owned()));
        None
    }

    /// A scalar that is not empty.
    fn scalar(&self, key: &str, wanted: &str, problems: &mut Problems) -> Option<(&'n str, bool, Place)> {
        let (name, node) = self.find(key)?;
        match &node.kind {
            Kind::Scalar { text, plain: true } if is_null(text) => {
                let message = format!("`{}` has no value", self.name(key));
                problems.error(Some(name.place), message, Some("remove the line to get the default".to_owned()));
                None
            }
            Kind::Scalar { text, plain } => Some((text, *plain, node.place)),
            other => {
                let message = format!("`{}` must be {wanted}, not {}", self.name(key), describe(other));
                problems.error(Some(node.place), message, None);
                None
            }
        }
    }

    /// The entry under `key`.
    pub fn find(&self, key: &str) -> Option<&'n (Key, YamlNode)> {
        self.entries.iter().find(|(name, _)| name.text == key)
    }

    /// The path of `key` in the file.
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn known(path: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(name, _)| *name == path).map_or(&[], |(_, keys)| keys)
}

pub(super) fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Scalar { text, .. } => format!("the text \"{}\"", shown(text)),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a section".to_owned(),
    }
}

/// The nearest right name: one that is spelled alike here, or the same one elsewhere, or all there are.
fn right_name(path: &str, wrong: &str) -> String {
    if path.starts_with("nodes.etcd") && OF_A_KUBELET.contains(&wrong) {
        return "etcd nodes run no kubelet: Kubernetes does not know them as nodes".to_owned();
    }
    if let Some(name) = nearest(wrong, known(path)) {
        return format!("did you mean `{name}`?");
    }
    let elsewhere = KEYS.iter().filter(|(other, keys)| *other != path && keys.contains(&wrong));
    let elsewhere: Vec<_> = elsewhere.map(|(other, _)| *other).filter(|other| !other.contains('*')).collect();
    match elsewhere.as_slice() {
        ["", ..] => format!("`{wrong}` belongs at the top, not indented"),
        [one] => format!("`{wrong}` belongs under `{one}`"),
        [one, other, ..] => format!("`{wrong}` belongs under `{one}` or `{other}`"),
        [] => format!("known here: {}", known(path).join(", ")),
    }
}

/// The name that is spelled most like `wrong`, if one is near enough to be what was meant.
pub fn nearest<'k>(wrong: &str, names: &[&'k str]) -> Option<&'k str> {
    /// Longer words than any key are not compared: the distance costs the product of the lengths.
    const MAX_COMPARED: usize = 32;
    if wrong.len() > MAX_COMPARED {
        return None;
    }
    let wrong = wrong.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&wrong, &name.to_lowercase());
    // One slip for a short word, two for a longer one: beyond that, a guess is more often wrong than right.
    let near = |name: &str| distance(name) <= if name.len() > 4 { 2 } else { 1 };
    names.iter().copied().filter(|name| near(name)).min_by_key(|name| distance(name))
}

/// A hint for whoever wrote `wrong` where one of `names` belongs.
pub fn one_of(wrong: &str, names: &[&str]) -> String {
    nearest(wrong, names)
        .map_or_else(|| format!("there is: {}", names.join(", ")), |name| format!("did you mean `{name}`?"))
}

pub(super) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// What some YAML reader takes plain `text` for, if not for text. Both YAML 1.1 (<https://yaml.org/type/>) and 1.2
/// count: the file is the user's and may meet other tools.
pub fn trap(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    if matches!(lower.as_str(), "y" | "n" | "yes" | "no" | "on" | "off" | "true" | "false") {
        return Some("a truth value in YAML");
    }
    let number = lower.trim_start_matches(['+', '-']);
    let radix = number.starts_with("0x") || number.starts_with("0o") || number.starts_with("0b");
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let sexagesimal = number.contains(':') && number.split(':').all(|part| !part.is_empty() && digits(part));
    let decimal = number.starts_with(|c: char| c.is_ascii_digit() || c == '.') && number.parse::<f64>().is_ok();
    (decimal || radix || sexagesimal || matches!(number, ".inf" | ".nan")).then_some("a number in YAML")
}

fn number_hint(key: &str, text: &str, plain: bool) -> Option<String> {
    let trimmed = text.trim_start_matches('0');
    if let Ok(value) = text.parse::<u32>() {
        return Some(match plain {
            false => format!("remove the quotes: {value}"),
            true if trimmed.len() < text.len() => format!("write it without the leading zero: {value}"),
            true => format!("write {value}"),
        });
    }
    if key == "memory"
        && let Some(mebibytes) = with_unit(text)
    {
        return Some(format!("memory is in MiB: {mebibytes}"));
    }
    let number: f64 = text.parse().ok()?;
    let whole = number.fract() == 0.0 && (0.0..f64::from(u32::MAX)).contains(&number);
    whole.then(|| format!("write {number:.0}"))
}

/// `2G`, `2GiB`, `512 MB` and their like in MiB.
fn with_unit(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let at = lower.find(|c: char| !c.is_ascii_digit())?;
    let number: u32 = lower[..at].parse().ok()?;
    match lower[at..].trim() {
        "m" | "mb" | "mi" | "mib" => Some(number),
        "g" | "gb" | "gi" | "gib" => number.checked_mul(1024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_has_keys_with_names() {
        assert!(KEYS.iter().all(|(_, keys)| !keys.is_empty() && keys.iter().all(|key| !key.is_empty())));
    }

    #[test]
    fn words_far_from_any_name_give_no_guess() {
        assert_eq!(nearest("wroker", &["master", "worker"]), Some("worker"));
        assert_eq!(nearest("LAB", &["lab"]), Some("lab"));
        assert_eq!(nearest("swapBehavour", &["swapBehavior"]), Some("swapBehavior"));
        assert_eq!(nearest("banana", &["master", "worker"]), None);
        assert_eq!(nearest(&"x".repeat(1000), &["lab"]), None);
    }

    #[test]
    fn addresses_and_versions_are_no_traps() {
        for text in ["10.2.0.0/16", "v1.36.3", "1.36.3", "2001:db8::1", "demo", "cluster.local", "e3", "inf", "nan"] {
            assert_eq!(trap(text), None, "{text}");
        }
        assert!(trap("1.36").is_some());
    }
}
