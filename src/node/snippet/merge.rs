//! Snippets joined to hab's config: what two of them, or one and hab, bring to the same path is an error.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Result, anyhow, bail};
use serde_json::Value;

use super::Snippet;
use super::item::{Item, Place};
use crate::node::files::NodeFiles;

impl Snippet {
    /// Adds everything of this snippet to `config`, which is made of `own`, hab's trees.
    ///
    /// # Errors
    /// A path or unit is there already.
    pub fn merge_into(&self, config: &mut Value, own: &[&NodeFiles], seen: &mut SeenPaths) -> Result<()> {
        let file = self.file.display();
        for item in &self.items {
            for place in &item.places {
                self.conflicts_with(own, place)?;
                self.base.check_place(place).map_err(|why| anyhow!("{file}: {why}"))?;
                // Ignition refuses a path that is a file here and a link there, but only when the machine boots.
                seen.add(place).map_err(|why| anyhow!("{file} brings {}, {why}", place.path))?;
            }
            add(&mut config[item.section][item.list], item);
        }
        Ok(())
    }

    /// Refuses what would replace or hide something of hab's.
    fn conflicts_with(&self, own: &[&NodeFiles], place: &Place) -> Result<()> {
        let (file, path) = (self.file.display(), place.path.as_str());
        for (above, tree) in Path::new(path).ancestors().flat_map(|above| own.iter().map(move |tree| (above, tree))) {
            let Some(origin) = above.to_str().and_then(|above| tree.origin(above)) else { continue };
            if above == Path::new(path) {
                bail!("{file} brings {path}, which hab itself brings ({origin})");
            }
            bail!("{file} brings {path}, below {}, which hab itself brings ({origin})", above.display());
        }
        // A folder may be one of hab's own, too; a file or a link there would hide what is in it, and Ignition refuses
        // a folder that is to be replaced for the sake of those that are in it already.
        if (!place.folder || place.overwrite)
            && let Some(below) = own.iter().find_map(|tree| tree.below(path))
        {
            bail!("{file} brings {path}, but hab itself brings {below}");
        }
        Ok(())
    }
}

/// Adds an entry to its list, which may not be there yet. A unit that is there gets what is new: Ignition takes a name
/// only once, but several snippets may each bring a drop-in for it.
fn add(list: &mut Value, item: &Item) {
    let Value::Array(entries) = list else {
        *list = Value::Array(vec![item.json.clone()]);
        return;
    };
    let name = item.json.get("name");
    let there = entries.iter_mut().find(|entry| name.is_some() && entry.get("name") == name);
    let (Some(Value::Object(there)), Value::Object(more)) = (there, &item.json) else {
        entries.push(item.json.clone());
        return;
    };
    for (key, value) in more {
        match (there.get_mut(key), value) {
            (Some(Value::Array(there)), Value::Array(more)) => there.extend(more.iter().cloned()),
            // The name; all else would be the same path twice.
            (Some(_), _) => {}
            (None, value) => drop(there.insert(key.clone(), value.clone())),
        }
    }
}

/// The paths that snippets have brought, and whether each is a folder.
#[derive(Debug, Default)]
pub struct SeenPaths(BTreeMap<String, bool>);

impl SeenPaths {
    /// Fails with the reason, to be said after the path.
    fn add(&mut self, place: &Place) -> Result<(), String> {
        let path = &place.path;
        if self.0.contains_key(path) {
            return Err("which a snippet has brought already".to_owned());
        }
        let mut above = Path::new(path).ancestors().skip(1).filter_map(Path::to_str);
        if let Some(above) = above.find(|above| self.0.get(*above) == Some(&false)) {
            return Err(format!("below {above}, which a snippet has brought and is no folder"));
        }
        let inside = format!("{path}/");
        let below = self.0.range(inside.clone()..).next().filter(|(below, _)| below.starts_with(&inside));
        if let Some((below, _)) = below.filter(|_| !place.folder) {
            return Err(format!("which is no folder, but a snippet has brought {below}"));
        }
        self.0.insert(path.clone(), place.folder);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Base;
    use serde_json::json;

    fn merged(config: &mut Value, storage: &Value, units: &Value) -> Result<()> {
        let mut own = NodeFiles::new();
        own.file("/etc/hosts", 0o644, *b"", "templates").unwrap();
        own.file("/etc/systemd/system/etcd.service", 0o600, *b"", "ignition").unwrap();
        let text = json!({"ignition": {"version": "3.3.0"}, "storage": storage, "systemd": {"units": units}});
        let snippet = Snippet::parse(Path::new("motd.ign"), Base::Debian, None, text.to_string().as_bytes()).unwrap();
        snippet.merge_into(config, &[&NodeFiles::new(), &own], &mut SeenPaths::default())
    }

    #[test]
    fn files_units_and_drop_ins_are_added() {
        let mut config = json!({"ignition": {"version": "3.3.0"}, "storage": {"files": []}});
        let storage = json!({"files": [{"path": "/etc/motd"}], "directories": [{"path": "/etc/systemd"}]});
        let drop_in =
            json!({"name": "etcd.service", "dropins": [{"name": "a.conf", "contents": "[Service]\nNice=1\n"}]});
        merged(&mut config, &storage, &json!([{"name": "a.service", "enabled": true}, drop_in])).unwrap();
        assert_eq!(config["storage"]["files"][0]["path"], "/etc/motd");
        assert_eq!(config["storage"]["directories"][0]["path"], "/etc/systemd");
        assert_eq!(config["systemd"]["units"][0]["name"], "a.service");
        assert_eq!(config["systemd"]["units"][1]["name"], "etcd.service");
    }

    #[test]
    fn drop_ins_of_two_snippets_for_one_unit_are_one_entry() {
        let mut config = json!({});
        let unit = |more: Value| {
            let mut unit = json!({"name": "mine.service"});
            unit.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            unit
        };
        let text = "[Service]\nExecStart=/bin/true\n";
        let units = [
            json!([unit(json!({"dropins": [{"name": "a.conf"}]})), unit(json!({"dropins": [{"name": "b.conf"}]}))]),
            json!([unit(json!({"contents": text, "enabled": true}))]),
        ];
        for units in units {
            merged(&mut config, &json!({}), &units).unwrap();
        }
        let whole = json!({"dropins": [{"name": "a.conf"}, {"name": "b.conf"}], "contents": text});
        assert_eq!(config["systemd"]["units"], json!([unit(whole)]));
    }

    #[test]
    fn a_path_of_habs_is_named() {
        let none = json!([]);
        let error = |storage: Value, units: &Value| merged(&mut json!({}), &storage, units).unwrap_err().to_string();
        let said = error(json!({"files": [{"path": "/etc/hosts"}]}), &none);
        assert_eq!(said, "motd.ign brings /etc/hosts, which hab itself brings (templates)");
        let said = error(json!({"directories": [{"path": "/etc/systemd/system/etcd.service/x"}]}), &none);
        let below = "below /etc/systemd/system/etcd.service, which hab itself brings (ignition)";
        assert_eq!(said, format!("motd.ign brings /etc/systemd/system/etcd.service/x, {below}"));
        let said = error(json!({"links": [{"path": "/etc/systemd", "target": "/x"}]}), &none);
        assert_eq!(said, "motd.ign brings /etc/systemd, but hab itself brings /etc/systemd/system/etcd.service");
        let said = error(json!({"directories": [{"path": "/etc/systemd", "overwrite": true}]}), &none);
        assert_eq!(said, "motd.ign brings /etc/systemd, but hab itself brings /etc/systemd/system/etcd.service");
        let said = error(json!({}), &json!([{"name": "etcd.service", "mask": true}]));
        assert!(said.ends_with("/etc/systemd/system/etcd.service, which hab itself brings (ignition)"), "{said}");
    }

    #[test]
    fn what_the_base_has_is_named() {
        let storage = json!({"files": [{"path": "/etc/fstab", "contents": {"source": "data:,"}}]});
        let said = merged(&mut json!({}), &storage, &json!([])).unwrap_err().to_string();
        assert!(said.starts_with("motd.ign: /etc/fstab is a file of the base"), "{said}");
    }

    #[test]
    fn a_path_is_one_thing_only() {
        let twice = json!({"files": [{"path": "/etc/motd"}], "links": [{"path": "/etc/motd", "target": "/x"}]});
        let error = merged(&mut json!({}), &twice, &json!([])).unwrap_err().to_string();
        assert_eq!(error, "motd.ign brings /etc/motd, which a snippet has brought already");
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
}
