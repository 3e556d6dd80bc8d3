//! A user's own Ignition config, merged into hab's. It adds; where it would replace something of hab's, that is an
//! error which names the path.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ignition_config::Config;
use serde_json::{Value, json};

use super::UNITS;
use crate::spec::Role;
use crate::tree::{Tree, is_plain};

/// The largest snippet read: a config is text, and the fw_cfg channel reads slowly (Ignition warns after 10 s).
const MAX_BYTES: u64 = 1 << 20;

/// The lists of a config that are merged, as (section, list, key that must be one of a kind).
/// Users, groups and disks are not among them: the base has none of the programs that Ignition would run for those.
const LISTS: [(&str, &str, &str); 4] = [
    ("storage", "directories", "path"),
    ("storage", "files", "path"),
    ("storage", "links", "path"),
    ("systemd", "units", "name"),
];

/// The lists of `storage` that share one space of paths.
const PATHS: [&str; 3] = ["directories", "files", "links"];

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
                    "`{section}.{key}` can't be merged; hab merges directories, files, links and units"
                );
            }
        }
        for item in PATHS.iter().filter_map(|list| config["storage"][list].as_array()).flatten() {
            let path = item["path"].as_str().unwrap_or_default();
            ensure!(is_plain(path), "{path:?} is not an absolute, plain path");
        }
        Ok(Self { role, file: file.to_owned(), config })
    }

    /// Adds everything of this snippet to `config`, which is made of `own`, hab's trees.
    ///
    /// # Errors
    /// A path or unit is there already.
    pub fn merge_into(&self, config: &mut Value, own: &[&Tree]) -> Result<()> {
        for (section, list, key) in LISTS {
            for item in self.config[section][list].as_array().into_iter().flatten() {
                let name = item[key].as_str().unwrap_or_default();
                self.apart_from(own, list, name, item)?;
                // A path that is a file here and a link there is refused by Ignition, but only when the machine boots.
                let lists = if key == "path" { &PATHS[..] } else { &[list][..] };
                let mut others = lists.iter().filter_map(|list| config[section][*list].as_array()).flatten();
                if others.any(|other| other[key] == item[key]) {
                    bail!("{} brings {name}, which a snippet has brought already", self.file.display());
                }
                append(&mut config[section][list], item.clone());
                // Ignition writes a preset, and systemd reads those only where there is no machine-id yet. So the link
                // that hab's own units have, too.
                if list == "units" && item["enabled"] == true {
                    let path = format!("{UNITS}hab.target.wants/{name}");
                    append(&mut config["storage"]["links"], json!({"path": path, "target": format!("../{name}")}));
                }
            }
        }
        Ok(())
    }

    /// Refuses what would replace or hide something of hab's.
    fn apart_from(&self, own: &[&Tree], list: &str, name: &str, item: &Value) -> Result<()> {
        let path = match list {
            // A drop-in is how a unit of hab's is changed on purpose.
            "units" if is_drop_in(item) => return Ok(()),
            "units" => format!("{UNITS}{name}"),
            list if PATHS.contains(&list) => name.to_owned(),
            _ => return Ok(()),
        };
        let file = self.file.display();
        for (above, tree) in Path::new(&path).ancestors().flat_map(|above| own.iter().map(move |tree| (above, tree))) {
            let Some(origin) = above.to_str().and_then(|above| tree.origin(above)) else { continue };
            if above == Path::new(&path) {
                bail!("{file} brings {path}, which hab itself brings ({origin})");
            }
            bail!("{file} brings {path}, below {}, which hab itself brings ({origin})", above.display());
        }
        // A folder may be one of hab's own, too; a file or a link there would hide what is in it.
        if list != "directories"
            && let Some(below) = own.iter().find_map(|tree| tree.below(&path))
        {
            bail!("{file} brings {path}, but hab itself brings {below}");
        }
        Ok(())
    }
}

/// Adds to a list that may not be there yet.
fn append(list: &mut Value, item: Value) {
    match list {
        Value::Array(items) => items.push(item),
        empty => *empty = Value::Array(vec![item]),
    }
}

/// Whether a unit has nothing but files that add to a unit of that name.
fn is_drop_in(unit: &Value) -> bool {
    unit.as_object().is_some_and(|unit| unit.keys().all(|key| key == "name" || key == "dropins"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn snippet(text: &str) -> Result<Snippet> {
        Snippet::parse(Path::new("motd.ign"), None, text.as_bytes())
    }

    fn merged(config: &mut Value, storage: &Value, units: &Value) -> Result<()> {
        let mut own = Tree::new();
        own.file("/etc/hosts", 0o644, *b"", "templates").unwrap();
        own.file("/etc/systemd/system/etcd.service", 0o600, *b"", "ignition").unwrap();
        let text = json!({"ignition": {"version": "3.3.0"}, "storage": storage, "systemd": {"units": units}});
        snippet(&text.to_string()).unwrap().merge_into(config, &[&Tree::new(), &own])
    }

    #[test]
    fn files_units_and_drop_ins_are_added() {
        let mut config = json!({"ignition": {"version": "3.3.0"}, "storage": {"files": []}});
        let storage = json!({"files": [{"path": "/etc/motd"}], "directories": [{"path": "/etc"}]});
        let drop_in =
            json!({"name": "etcd.service", "dropins": [{"name": "a.conf", "contents": "[Service]\nNice=1\n"}]});
        merged(&mut config, &storage, &json!([{"name": "a.service", "enabled": true}, drop_in])).unwrap();
        assert_eq!(config["storage"]["files"][0]["path"], "/etc/motd");
        assert_eq!(config["storage"]["directories"][0]["path"], "/etc");
        assert_eq!(config["systemd"]["units"][0]["name"], "a.service");
        assert_eq!(config["systemd"]["units"][1]["name"], "etcd.service");
    }

    #[test]
    fn a_path_of_habs_is_named() {
        let none = json!([]);
        let error = |storage: Value, units: &Value| merged(&mut json!({}), &storage, units).unwrap_err().to_string();
        let said = error(json!({"files": [{"path": "/etc/hosts"}]}), &none);
        assert_eq!(said, "motd.ign brings /etc/hosts, which hab itself brings (templates)");
        let said = error(json!({"directories": [{"path": "/etc/hosts/x"}]}), &none);
        assert_eq!(said, "motd.ign brings /etc/hosts/x, below /etc/hosts, which hab itself brings (templates)");
        let said = error(json!({"links": [{"path": "/etc", "target": "/x"}]}), &none);
        assert_eq!(said, "motd.ign brings /etc, but hab itself brings /etc/hosts");
        let said = error(json!({}), &json!([{"name": "etcd.service", "mask": true}]));
        assert!(said.ends_with("/etc/systemd/system/etcd.service, which hab itself brings (ignition)"), "{said}");
    }

    #[test]
    fn a_path_is_one_thing_only() {
        let twice = json!({"files": [{"path": "/etc/motd"}], "links": [{"path": "/etc/motd", "target": "/x"}]});
        let error = merged(&mut json!({}), &twice, &json!([])).unwrap_err().to_string();
        assert_eq!(error, "motd.ign brings /etc/motd, which a snippet has brought already");
        let odd = r#"{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/etc/../etc/hosts"}]}}"#;
        assert!(snippet(odd).unwrap_err().to_string().contains("plain path"));
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
