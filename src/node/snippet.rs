//! A user's own Ignition config, merged into hab's. It adds; where it would replace something of hab's, that is an
//! error which names the path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ignition_config::Config;
use serde_json::{Value, json};

use super::ignition::{UNITS, WANTS};
use crate::node::files::{NodeFiles, is_plain};
use crate::role::Role;

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

/// The types of units that Ignition takes (`config/v3_3/types/unit.go`).
const UNIT_TYPES: [&str; 12] = [
    "service",
    "socket",
    "device",
    "mount",
    "automount",
    "swap",
    "target",
    "path",
    "timer",
    "snapshot",
    "slice",
    "scope",
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
                    "`{section}.{key}` can't be merged; hab merges directories, files, links and units"
                );
            }
        }
        let stored = LISTS.iter().filter(|(section, ..)| *section == "storage");
        for item in stored.filter_map(|(section, list, _)| config[section][list].as_array()).flatten() {
            let path = item["path"].as_str().unwrap_or_default();
            ensure!(is_plain(path), "{path:?} is not an absolute, plain path");
            storable(item).with_context(|| format!("checking {path}"))?;
        }
        for unit in config["systemd"]["units"].as_array().into_iter().flatten() {
            let name = unit["name"].as_str().unwrap_or_default();
            ensure!(is_name(name, &UNIT_TYPES), "{name:?} is not the name of a unit");
            for name in drop_ins(unit) {
                ensure!(is_name(name, &["conf"]), "{name:?} is not the name of a drop-in");
            }
        }
        Ok(Self { role, file: file.to_owned(), config })
    }

    /// Adds everything of this snippet to `config`, which is made of `own`, hab's trees.
    ///
    /// # Errors
    /// A path or unit is there already.
    pub fn merge_into(&self, config: &mut Value, own: &[&NodeFiles], brought: &mut Brought) -> Result<()> {
        for (section, list, key) in LISTS {
            for item in self.config[section][list].as_array().into_iter().flatten() {
                let name = item[key].as_str().unwrap_or_default();
                for path in paths(list, name, item) {
                    let folder = list == "directories";
                    self.apart_from(own, &path, folder)?;
                    // Ignition refuses a path that is a file here and a link there, but only when the machine boots.
                    brought
                        .add(&path, folder)
                        .map_err(|why| anyhow!("{} brings {path}, {why}", self.file.display()))?;
                }
                append(&mut config[section][list], item.clone());
                // Ignition writes a preset, and systemd reads those only where there is no machine-id yet. So the link
                // that hab's own units have, too.
                if list == "units" && item["enabled"] == true {
                    let link = json!({"path": format!("{WANTS}{name}"), "target": format!("../{name}")});
                    append(&mut config["storage"]["links"], link);
                }
            }
        }
        Ok(())
    }

    /// Refuses what would replace or hide something of hab's.
    fn apart_from(&self, own: &[&NodeFiles], path: &str, folder: bool) -> Result<()> {
        let file = self.file.display();
        for (above, tree) in Path::new(path).ancestors().flat_map(|above| own.iter().map(move |tree| (above, tree))) {
            let Some(origin) = above.to_str().and_then(|above| tree.origin(above)) else { continue };
            if above == Path::new(path) {
                bail!("{file} brings {path}, which hab itself brings ({origin})");
            }
            bail!("{file} brings {path}, below {}, which hab itself brings ({origin})", above.display());
        }
        // A folder may be one of hab's own, too; a file or a link there would hide what is in it.
        if !folder && let Some(below) = own.iter().find_map(|tree| tree.below(path)) {
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

/// The paths that snippets have brought, and whether each is a folder.
#[derive(Debug, Default)]
pub struct Brought(BTreeMap<String, bool>);

impl Brought {
    /// Fails with the reason, to be said after the path.
    fn add(&mut self, path: &str, folder: bool) -> Result<(), String> {
        if self.0.contains_key(path) {
            return Err("which a snippet has brought already".to_owned());
        }
        let mut above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
        if let Some(above) = above.find(|above| self.0.get(*above) == Some(&false)) {
            return Err(format!("below {above}, which a snippet has brought and is no folder"));
        }
        let inside = format!("{path}/");
        let below = self.0.range(inside.clone()..).next().filter(|(below, _)| below.starts_with(&inside));
        if let Some((below, _)) = below.filter(|_| !folder) {
            return Err(format!("which is no folder, but a snippet has brought {below}"));
        }
        self.0.insert(path.to_owned(), folder);
        Ok(())
    }
}

/// What an item of a list puts on the node. A drop-in alone is how a unit of hab's is changed on purpose.
fn paths(list: &str, name: &str, item: &Value) -> Vec<String> {
    if list != "units" {
        return vec![name.to_owned()];
    }
    let drop_in_only = item.as_object().is_some_and(|unit| unit.keys().all(|key| key == "name" || key == "dropins"));
    let unit = (!drop_in_only).then(|| format!("{UNITS}{name}"));
    let link = (item["enabled"] == true).then(|| format!("{WANTS}{name}"));
    unit.into_iter().chain(link).chain(drop_ins(item).map(|drop_in| format!("{UNITS}{name}.d/{drop_in}"))).collect()
}

/// The names of a unit's drop-ins.
fn drop_ins(unit: &Value) -> impl Iterator<Item = &str> {
    unit["dropins"].as_array().into_iter().flatten().map(|drop_in| drop_in["name"].as_str().unwrap_or_default())
}

/// A file name of one of these types, in the characters of systemd.unit(5).
fn is_name(name: &str, types: &[&str]) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    let Some((stem, kind)) = name.rsplit_once('.') else { return false };
    !stem.is_empty() && !name.starts_with('.') && name.chars().all(plain) && types.contains(&kind)
}

/// Refuses what Ignition would find wrong on the node, or what it would wait for there.
fn storable(item: &Value) -> Result<()> {
    if let Some(mode) = item["mode"].as_i64() {
        ensure!((0..=0o7777).contains(&mode), "its mode {mode} is none; in decimal, 0644 is 420");
    }
    let appended = item["append"].as_array().into_iter().flatten();
    for contents in std::iter::once(&item["contents"]).chain(appended) {
        let Some(source) = contents["source"].as_str() else { continue };
        let Some((kind, data)) = source.strip_prefix("data:").and_then(|url| url.split_once(',')) else {
            bail!("its source is not a data: URL, and nodes have no network to fetch it from");
        };
        // Percent-encoded base64 (RFC 2397 allows it) is left to Ignition.
        if kind.ends_with(";base64") && !data.contains('%') {
            ensure!(BASE64.decode(data).is_ok(), "its source is not base64");
        }
        let compression = contents["compression"].as_str().unwrap_or_default();
        ensure!(["", "gzip"].contains(&compression), "its compression {compression:?} is not gzip");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn snippet(text: &str) -> Result<Snippet> {
        Snippet::parse(Path::new("motd.ign"), None, text.as_bytes())
    }

    fn merged(config: &mut Value, storage: &Value, units: &Value) -> Result<()> {
        let mut own = NodeFiles::new();
        own.file("/etc/hosts", 0o644, *b"", "templates").unwrap();
        own.file("/etc/systemd/system/etcd.service", 0o600, *b"", "ignition").unwrap();
        let text = json!({"ignition": {"version": "3.3.0"}, "storage": storage, "systemd": {"units": units}});
        snippet(&text.to_string()).unwrap().merge_into(config, &[&NodeFiles::new(), &own], &mut Brought::default())
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
    fn what_lies_below_a_file_is_named() {
        let below = json!({"files": [{"path": "/etc/x"}, {"path": "/etc/x/y"}]});
        let error = merged(&mut json!({}), &below, &json!([])).unwrap_err().to_string();
        assert_eq!(error, "motd.ign brings /etc/x/y, below /etc/x, which a snippet has brought and is no folder");
        let above = json!({"files": [{"path": "/etc/x/y"}], "links": [{"path": "/etc/x", "target": "/"}]});
        let error = merged(&mut json!({}), &above, &json!([])).unwrap_err().to_string();
        assert_eq!(error, "motd.ign brings /etc/x, which is no folder, but a snippet has brought /etc/x/y");
        let unit = json!([{"name": "a.service", "dropins": [{"name": "b.conf"}, {"name": "b.conf"}]}]);
        let error = merged(&mut json!({}), &json!({}), &unit).unwrap_err().to_string();
        assert!(error.contains("/etc/systemd/system/a.service.d/b.conf, which a snippet has brought"), "{error}");
    }

    #[test]
    fn what_ignition_would_stumble_over_on_the_node_is_refused() {
        let file = |more: &str| {
            format!(r#"{{"ignition":{{"version":"3.3.0"}},"storage":{{"files":[{{"path":"/etc/x",{more}}}]}}}}"#)
        };
        for (more, why) in [
            (r#""mode":-1"#, "mode -1"),
            (r#""mode":99999"#, "mode 99999"),
            (r#""contents":{"source":"http://10.0.0.1/x"}"#, "no network"),
            (r#""contents":{"source":"data:;base64,@@@"}"#, "not base64"),
            (r#""append":[{"source":"data:,x","compression":"zip"}]"#, "not gzip"),
        ] {
            let error = format!("{:#}", snippet(&file(more)).unwrap_err());
            assert!(error.contains("/etc/x") && error.contains(why), "{error}");
        }
        snippet(&file(r#""mode":420,"contents":{"source":"data:;base64,aGk="}"#)).unwrap();
        let unit = |unit: &str| format!(r#"{{"ignition":{{"version":"3.3.0"}},"systemd":{{"units":[{unit}]}}}}"#);
        for name in
            ["x", "./a.service", "../a.service", "../../kubernetes/a.service", ".service", "a b.service", "a.txt"]
        {
            assert!(snippet(&unit(&format!(r#"{{"name":"{name}"}}"#))).is_err(), "{name}");
            let drop_in = format!(r#"{{"name":"a.service","dropins":[{{"name":"{name}"}}]}}"#);
            assert!(snippet(&unit(&drop_in)).is_err(), "{name}");
        }
        snippet(&unit(r#"{"name":"getty@tty1.service","dropins":[{"name":"10-a.conf"}]}"#)).unwrap();
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
