//! The user's own CNI configuration: a file of the lab's folder, with each node's pod range put in.

use std::path::Path;

use serde_json::{Map, Value};

use super::load::users_file;
use crate::problems::{Place, Problems};

/// What stands for the node's pod range, as in Calico's own configurations (`usePodCidr`), and in Kubernetes' API.
const RANGE: [&str; 2] = ["podCIDR", "usePodCidr"];

/// A configuration that containerd takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflist(Map<String, Value>);

impl Conflist {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// It can't be read, or is no configuration of CNI; says what is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let (name, bytes) = users_file(path)?;
        Self::new(&name, &bytes)
    }

    /// Checks the bytes of a file that the user knows as `file`. Of the fields only those are looked at that every
    /// configuration has (<https://www.cni.dev/docs/spec/#section-1-network-configuration-format>).
    ///
    /// # Errors
    /// As [`Conflist::read`].
    pub fn new(file: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let mut problems = Problems::new(file, &String::from_utf8_lossy(bytes));
        let config: Map<String, Value> = match serde_json::from_slice(bytes) {
            Ok(config) => config,
            Err(error) => {
                let place = Place { line: error.line().max(1), column: error.column().max(1), width: 1 };
                problems.error(Some(place), format!("not a JSON object: {error}"), None);
                return Err(problems);
            }
        };
        for key in ["cniVersion", "name"] {
            if config.get(key).and_then(Value::as_str).is_none_or(str::is_empty) {
                problems.error(None, format!("has no text `{key}`"), Some(format!("such as `{}`", example(key))));
            }
        }
        let plugins = config.get("plugins").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if plugins.is_empty() {
            let hint = "a list of sections, each with its plugin's name as `type`".to_owned();
            problems.error(None, "has no list `plugins` with anything in it", Some(hint));
        }
        for (index, plugin) in plugins.iter().enumerate() {
            let kind = plugin.get("type").and_then(Value::as_str).unwrap_or_default();
            // It is the name of a program in a folder.
            if kind.is_empty() || kind.contains('/') || kind.starts_with('.') {
                problems.error(None, format!("`plugins[{index}]` has no `type`"), Some("such as `bridge`".to_owned()));
            }
        }
        if problems.has_errors() { Err(problems) } else { Ok(Self(config)) }
    }

    /// The file of a node whose pods have the addresses `range`.
    #[must_use]
    pub fn text(&self, range: &str) -> String {
        let mut config = Value::Object(self.0.clone());
        put(&mut config, range);
        format!("{config:#}\n")
    }
}

fn example(key: &str) -> &'static str {
    if key == "name" { "\"name\": \"pods\"" } else { "\"cniVersion\": \"1.0.0\"" }
}

/// Puts the range in wherever a text is just its name.
fn put(value: &mut Value, range: &str) {
    match value {
        Value::String(text) if RANGE.contains(&text.as_str()) => range.clone_into(text),
        Value::Array(list) => list.iter_mut().for_each(|item| put(item, range)),
        Value::Object(fields) => fields.values_mut().for_each(|item| put(item, range)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        Conflist::new("a.conflist", text.as_bytes()).map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn the_range_is_put_in_where_its_name_stands_alone() {
        let text = r#"{"cniVersion": "1.0.0", "name": "podCIDR-net", "plugins": [{"type": "bridge", "mtu": 1400,
            "ipam": {"type": "host-local", "subnet": "usePodCidr", "ranges": [[{"subnet": "podCIDR"}]]}}]}"#;
        let out: Value =
            serde_json::from_str(&Conflist::new("a", text.as_bytes()).unwrap().text("10.2.7.0/24")).unwrap();
        let ipam = &out["plugins"][0]["ipam"];
        assert_eq!((&ipam["subnet"], &ipam["ranges"][0][0]["subnet"]), (&"10.2.7.0/24".into(), &"10.2.7.0/24".into()));
        assert_eq!((&out["name"], &out["plugins"][0]["mtu"]), (&"podCIDR-net".into(), &1400.into()));
    }

    #[test]
    fn what_is_no_configuration_is_said() {
        for (text, expected) in [
            ("", "a.conflist:1:1: error: not a JSON object: EOF"),
            ("[]", "not a JSON object"),
            ("{\n\"name\": }", "a.conflist:2:9: error: not a JSON object"),
            ("{\"name\": \"a\", \"plugins\": [{\"type\": \"b\"}]}", "has no text `cniVersion`"),
            ("{\"cniVersion\": 1, \"name\": \"\", \"plugins\": []}", "has no text `name`"),
            ("{\"cniVersion\": \"1\", \"name\": \"a\", \"plugins\": []}", "no list `plugins` with anything in it"),
            (
                "{\"cniVersion\": \"1\", \"name\": \"a\", \"plugins\": [{\"type\": \"../a\"}]}",
                "`plugins[0]` has no `type`",
            ),
        ] {
            assert!(said(text).contains(expected), "{text}: {}", said(text));
        }
        let missing = Conflist::read(Path::new("./no/a.conflist")).unwrap_err().to_string();
        assert!(missing.starts_with("no/a.conflist: error: is not there"), "{missing}");
    }
}
