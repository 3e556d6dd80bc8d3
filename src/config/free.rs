//! Values under names that the user chooses: labels, flags, and whole trees of another program's configuration.

use serde_json::{Map, Number, Value};

use super::fields::{Section, describe, is_null, read_like, trap};
use super::raw::Marked;
use super::yaml::{Key, Kind, YamlNode, shown};
use crate::problems::Problems;

/// A name and a value, both with their places.
pub type Entry<T> = (Marked<String>, Marked<T>);

/// A taint as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTaint {
    pub key: Marked<String>,
    pub value: Option<Marked<String>>,
    pub effect: Marked<String>,
}

/// A field of another program's configuration: where it stands, and as what it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawField {
    pub key: Key,
    pub node: YamlNode,
    pub value: Value,
}

/// What a role or a node tells its kubelet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawKubelet {
    pub labels: Vec<Entry<String>>,
    pub taints: Option<Marked<Vec<RawTaint>>>,
    pub config: Vec<RawField>,
}

/// Reads the keys `labels`, `taints` and `kubelet`.
pub fn kubelet(section: &mut Section<'_>, problems: &mut Problems) -> RawKubelet {
    RawKubelet {
        labels: texts(section, "labels", problems),
        taints: taints(section, problems),
        config: fields(section, "kubelet", problems),
    }
}

/// Texts under names of the user's. What YAML reads as another type must be in quotes.
pub fn texts(section: &Section<'_>, key: &str, problems: &mut Problems) -> Vec<Entry<String>> {
    let entries = section.entries(key, problems).into_iter();
    let read = entries.filter_map(|(name, node, path)| {
        Some((marked(name), Marked { value: text(node, &path, problems)?, place: Some(node.place) }))
    });
    read.collect()
}

/// One text under `key`, or a list of them.
pub fn words(section: &mut Section<'_>, key: &str, problems: &mut Problems) -> Option<Vec<Marked<String>>> {
    let (_, node) = section.find(key)?;
    if !matches!(node.kind, Kind::List(_)) {
        return section.text(key, problems).map(|text| vec![text]);
    }
    let (list, path) = (section.list(key, problems)?, section.name(key));
    if list.value.is_empty() {
        problems.error(list.place, format!("`{path}` is empty"), Some("remove the line to get the default".to_owned()));
        return None;
    }
    let word = |node| Some(Marked { value: text(node, &path, problems)?, place: Some(node.place) });
    list.value.iter().map(word).collect()
}

/// The text at `path`; what YAML reads as another type is none.
pub fn text(node: &YamlNode, path: &str, problems: &mut Problems) -> Option<String> {
    let (message, hint) = match value(node, path, problems)? {
        Value::String(text) => return Some(text),
        Value::Object(_) | Value::Array(_) => (format!("`{path}` must be text, not {}", describe(&node.kind)), None),
        other => (
            format!("`{path}` must be text, and {other} without quotes is something else in YAML"),
            Some(format!("write it in quotes: \"{other}\"")),
        ),
    };
    problems.error(Some(node.place), message, hint);
    None
}

/// Anything under names of the user's.
pub fn values(section: &Section<'_>, key: &str, problems: &mut Problems) -> Vec<Entry<Value>> {
    let entries = section.entries(key, problems).into_iter();
    let read = entries.filter_map(|(name, node, path)| {
        Some((marked(name), Marked { value: value(node, &path, problems)?, place: Some(node.place) }))
    });
    read.collect()
}

/// Fields of another program's configuration.
pub fn fields(section: &Section<'_>, key: &str, problems: &mut Problems) -> Vec<RawField> {
    let entries = section.entries(key, problems).into_iter();
    let read = entries.filter_map(|(key, node, path)| {
        Some(RawField { key: key.clone(), node: node.clone(), value: value(node, &path, problems)? })
    });
    read.collect()
}

/// Those fields as the program reads them.
pub fn tree(fields: &[RawField]) -> Map<String, Value> {
    fields.iter().map(|field| (field.key.text.clone(), field.value.clone())).collect()
}

/// Flags of a program under their names: their values are what is written, with or without quotes.
pub fn flags(section: &Section<'_>, key: &str, problems: &mut Problems) -> Vec<Entry<String>> {
    let entries = section.entries(key, problems).into_iter();
    let read = entries.filter_map(|(name, node, path)| {
        value(node, &path, problems)?;
        let Kind::Scalar { text, .. } = &node.kind else {
            let message = format!("`{path}` must be text, not {}", describe(&node.kind));
            problems.error(Some(node.place), message, Some("write several values in one, with commas".to_owned()));
            return None;
        };
        Some((marked(name), Marked { value: text.clone(), place: Some(node.place) }))
    });
    read.collect()
}

/// Anything under one key.
pub fn one(section: &Section<'_>, key: &str, problems: &mut Problems) -> Option<Marked<Value>> {
    let (_, node) = section.find(key)?;
    Some(Marked { value: value(node, &section.name(key), problems)?, place: Some(node.place) })
}

/// The list `taints`, in the form of Kubernetes' own API.
fn taints(section: &Section<'_>, problems: &mut Problems) -> Option<Marked<Vec<RawTaint>>> {
    let taint = Item {
        named: "a taint in",
        required: ["key", "effect"],
        example: "{key: dedicated, value: db, effect: NoSchedule}",
    };
    sections(section, "taints", taint, problems, |taint, problems| {
        let (key, value, effect) =
            (taint.text("key", problems), taint.text("value", problems), taint.text("effect", problems));
        Some(RawTaint { key: key?, value, effect: effect? })
    })
}

/// What the sections in a list are.
#[derive(Clone, Copy)]
pub struct Item {
    /// What one is called, before the list's path.
    pub named: &'static str,
    /// The keys that each has.
    pub required: [&'static str; 2],
    /// One of them.
    pub example: &'static str,
}

/// The sections in the list under `key`; what can't be read is left out, and said.
pub fn sections<T>(
    section: &Section<'_>,
    key: &str,
    item: Item,
    problems: &mut Problems,
    read: impl Fn(&mut Section<'_>, &mut Problems) -> Option<T>,
) -> Option<Marked<Vec<T>>> {
    let list = section.list(key, problems)?;
    let (path, Item { named, required, example }) = (section.name(key), item);
    let mut found = Vec::new();
    for node in list.value {
        if !matches!(node.kind, Kind::Map(_)) {
            let message = format!("{named} `{path}` must be a section of its own, not {}", describe(&node.kind));
            problems.error(Some(node.place), message, Some(format!("such as {example}")));
            continue;
        }
        let mut one = read_like(node, &path, &format!("nodes.*.{key}"), problems);
        for missing in required.into_iter().filter(|key| !one.has(key)) {
            let message = format!("{named} `{path}` has no `{missing}`");
            problems.error(Some(node.place), message, Some(format!("such as {example}")));
        }
        found.extend(read(&mut one, problems));
    }
    Some(Marked { value: found, place: list.place })
}

/// A whole tree as JSON's types. A word without quotes is what YAML 1.2 takes it for (its core schema), if YAML 1.1,
/// which Kubernetes reads, agrees; where the two differ it is refused.
pub fn value(node: &YamlNode, path: &str, problems: &mut Problems) -> Option<Value> {
    match &node.kind {
        Kind::Scalar { text, plain: false } => Some(Value::String(text.clone())),
        Kind::Scalar { text, .. } if is_null(text) => {
            problems.error(Some(node.place), format!("`{path}` has no value"), Some("remove the line".to_owned()));
            None
        }
        Kind::Scalar { text, .. } => plain(text).or_else(|| {
            let what = trap(text).unwrap_or("a number in YAML");
            let message = format!("`{path}`: `{}` without quotes is {what}", shown(text));
            let hint = format!("write `true` or `false`, a decimal number, or text in quotes: \"{}\"", shown(text));
            problems.error(Some(node.place), message, Some(hint));
            None
        }),
        Kind::List(items) => {
            // All of them are read before one that is wrong ends it.
            let items: Vec<_> = items.iter().map(|item| value(item, path, problems)).collect();
            Some(Value::Array(items.into_iter().collect::<Option<_>>()?))
        }
        Kind::Map(entries) => {
            let read = |(key, node): &(Key, YamlNode)| {
                let path = format!("{path}.{}", shown(&key.text));
                value(node, &path, problems).map(|value| (key.text.clone(), value))
            };
            let entries: Vec<_> = entries.iter().map(read).collect();
            Some(Value::Object(entries.into_iter().collect::<Option<Map<_, _>>>()?))
        }
    }
}

/// A word without quotes, if every reader of YAML takes it for the same.
pub fn plain(text: &str) -> Option<Value> {
    if let "true" | "false" = text {
        return Some(Value::Bool(text == "true"));
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && (digits.len() == 1 || !digits.starts_with('0') || digits.starts_with("0."))
        && digits.matches('.').count() <= 1
        && !digits.ends_with('.');
    if number {
        let whole = text.parse::<i64>().ok().map(Number::from);
        return whole.or_else(|| Number::from_f64(text.parse().ok()?)).map(Value::Number);
    }
    trap(text).is_none().then(|| Value::String(text.to_owned()))
}

fn marked(key: &Key) -> Marked<String> {
    Marked { value: key.text.clone(), place: Some(key.place) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::yaml::parse;
    use super::*;

    fn read(text: &str) -> (Option<Value>, String) {
        let mut problems = Problems::new("hab.yaml", text);
        let root = parse(text, &mut problems).unwrap();
        let read = value(&root, "top", &mut problems);
        (read, problems.to_string())
    }

    #[test]
    fn values_keep_their_types() {
        let text = "{a: 5, b: true, c: x, d: [1, -2], e: {f: \"5\", g: 10m0s, h: -1s, i: 0.5}}";
        let expected = json!({"a": 5, "b": true, "c": "x", "d": [1, -2],
            "e": {"f": "5", "g": "10m0s", "h": "-1s", "i": 0.5}});
        assert_eq!(read(text), (Some(expected), String::new()));
    }

    #[test]
    fn words_that_readers_of_yaml_differ_about_are_refused_at_their_place() {
        for word in ["no", "On", "True", "0644", "1e3", "0x1F", ".5", "1:30", "1.", "+1"] {
            let (read, said) = read(&format!("{{a: {{b: {word}}}}}"));
            assert_eq!(read, None, "{word}");
            assert!(said.contains("hab.yaml:1:9: error: `top.a.b`: `") && said.contains("in quotes"), "{word}: {said}");
        }
        assert!(read("{a: }").1.contains("`top.a` has no value"));
    }
}
