//! A user's own Ignition config, merged into hab's. It adds; where it would replace something of hab's, that is an
//! error which names the path.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ignition_config::Config;
use serde_json::Value;

use crate::spec::Role;

/// The largest snippet read: a config is text, and the fw_cfg channel reads slowly (Ignition warns after 10 s).
const MAX_BYTES: u64 = 1 << 20;

/// The lists of a config that are merged, as (section, list, key that must be one of a kind).
const LISTS: [(&str, &str, &str); 10] = [
    ("storage", "directories", "path"),
    ("storage", "files", "path"),
    ("storage", "links", "path"),
    ("storage", "disks", "device"),
    ("storage", "filesystems", "device"),
    ("storage", "luks", "name"),
    ("storage", "raid", "name"),
    ("systemd", "units", "name"),
    ("passwd", "users", "name"),
    ("passwd", "groups", "name"),
];

/// One snippet, checked by Ignition's own types.
#[derive(Debug, Clone)]
pub struct Snippet {
    /// Whose nodes get it; `None` for all.
    pub role: Option<Role>,
    file: PathBuf,
    config: Value,
}

impl Snippet {
    /// Reads and checks a snippet.
    ///
    /// # Errors
    /// It can't be read, is no Ignition config of spec 3.0 to 3.3, has keys Ignition would ignore, or uses parts that
    /// can't be merged.
    pub fn read(file: &Path, role: Option<Role>) -> Result<Self> {
        let about = || format!("reading the Ignition snippet {}", file.display());
        let size = fs_err::metadata(file).with_context(about)?.len();
        ensure!(size <= MAX_BYTES, "{}: {size} bytes is too large, {MAX_BYTES} are allowed", about());
        let text = fs_err::read(file).with_context(about)?;
        Self::parse(file, role, &text).with_context(about)
    }

    fn parse(file: &Path, role: Option<Role>, text: &[u8]) -> Result<Self> {
        let (config, warnings) = Config::parse_slice(text)?;
        if let Some(warning) = warnings.first() {
            bail!("Ignition does not know a part of it: {warning}");
        }
        if !matches!(config, Config::V3_0(_) | Config::V3_1(_) | Config::V3_2(_) | Config::V3_3(_)) {
            bail!("its spec version is newer than 3.3.0, which is what every base takes");
        }
        let config: Value = serde_json::from_slice(text)?;
        for (section, content) in config.as_object().into_iter().flatten() {
            for key in content.as_object().into_iter().flatten().map(|(key, _)| key) {
                let known = LISTS.iter().any(|(s, l, _)| s == section && l == key);
                let version = section == "ignition" && key == "version";
                ensure!(
                    known || version,
                    "`{section}.{key}` can't be merged; hab merges files, units, users and disks"
                );
            }
        }
        Ok(Self { role, file: file.to_owned(), config })
    }

    /// Adds everything of this snippet to `config`. `taken` tells who of hab's brings a path.
    ///
    /// # Errors
    /// A path, unit or user is there already.
    pub fn merge_into(&self, config: &mut Value, taken: &dyn Fn(&str) -> Option<&'static str>) -> Result<()> {
        for (section, list, key) in LISTS {
            let Some(new) = self.config[section][list].as_array() else { continue };
            for item in new {
                let name = item[key].as_str().unwrap_or_default();
                let path = if list == "units" { format!("/etc/systemd/system/{name}") } else { name.to_owned() };
                if let Some(origin) = taken(&path) {
                    bail!("{} brings {path}, which hab itself brings ({origin})", self.file.display());
                }
                let there = config[section][list].as_array().into_iter().flatten();
                if there.into_iter().any(|other| other[key] == item[key]) {
                    bail!("{} brings {name}, which another snippet brings, too", self.file.display());
                }
                match &mut config[section][list] {
                    Value::Array(items) => items.push(item.clone()),
                    empty => *empty = Value::Array(vec![item.clone()]),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn snippet(text: &str) -> Result<Snippet> {
        Snippet::parse(Path::new("motd.ign"), None, text.as_bytes())
    }

    #[test]
    fn files_and_units_are_added() {
        let text = r#"{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/etc/motd"}]},
                       "systemd":{"units":[{"name":"a.service","enabled":true}]}}"#;
        let mut config = json!({"ignition": {"version": "3.3.0"}, "storage": {"files": []}});
        snippet(text).unwrap().merge_into(&mut config, &|_| None).unwrap();
        assert_eq!(config["storage"]["files"][0]["path"], "/etc/motd");
        assert_eq!(config["systemd"]["units"][0]["name"], "a.service");
    }

    #[test]
    fn a_path_of_habs_is_named() {
        let text = r#"{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/etc/hosts"}]}}"#;
        let mut config = json!({});
        let error = snippet(text).unwrap().merge_into(&mut config, &|p| (p == "/etc/hosts").then_some("templates"));
        assert_eq!(error.unwrap_err().to_string(), "motd.ign brings /etc/hosts, which hab itself brings (templates)");
    }

    #[test]
    fn what_can_not_be_merged_is_refused() {
        for bad in [
            "{",
            r#"{"ignition":{"version":"3.5.0"}}"#,
            r#"{"ignition":{"version":"2.3.0"}}"#,
            r#"{"ignition":{"version":"3.3.0","config":{"replace":{"source":"http://x/"}}}}"#,
            r#"{"ignition":{"version":"3.3.0"},"storage":{"fiels":[]}}"#,
        ] {
            assert!(snippet(bad).is_err(), "{bad}");
        }
    }
}
