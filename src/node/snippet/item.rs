//! The entries of a snippet: each is checked by itself, and knows the paths it brings.

use anyhow::{Context as _, Result, ensure};
use ignition_config::v3_3::{Config, Directory, File, Link, Unit};
use serde::Serialize;
use serde_json::{Value, json};

use super::base::RootFs;
use super::{contents, unit};
use crate::node::files::is_plain;
use crate::node::ignition::{UNITS, WANTS};

/// The longest file name and path in bytes: `NAME_MAX` and, without the NUL, `PATH_MAX` of linux/limits.h.
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 4095;

/// The modes that Ignition sets in spec 3.3; higher bits it drops with a warning (`v3_4_experimental/translate`).
const MODES: std::ops::RangeInclusive<i64> = 0..=0o777;

/// One entry of a list.
#[derive(Debug, Clone)]
pub struct Item {
    pub section: &'static str,
    pub list: &'static str,
    pub places: Vec<Place>,
    pub json: Value,
}

/// A path on the node, and what happens there.
#[derive(Debug, Clone)]
pub struct Place {
    pub path: String,
    pub folder: bool,
    /// Whatever is there is removed first, a folder with all that is in it.
    pub overwrite: bool,
    /// It must be new; otherwise a file may be there, which is kept.
    pub creates: bool,
}

impl Place {
    fn new(path: String) -> Self {
        Self { path, folder: false, overwrite: false, creates: true }
    }
}

/// All entries of a config, in Ignition's order.
pub fn all(config: &Config, base: &RootFs) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    if let Some(storage) = &config.storage {
        for folder in storage.directories.iter().flatten() {
            items.push(directory(folder, base).with_context(|| checking(&folder.path))?);
        }
        for entry in storage.files.iter().flatten() {
            items.push(file(entry, base).with_context(|| checking(&entry.path))?);
        }
        for entry in storage.links.iter().flatten() {
            items.push(link(entry, base).with_context(|| checking(&entry.path))?);
        }
    }
    for entry in config.systemd.iter().flat_map(|systemd| systemd.units.iter().flatten()) {
        items.extend(units(entry).with_context(|| checking(&entry.name))?);
    }
    Ok(items)
}

fn checking(name: &str) -> String {
    format!("checking {name:?}")
}

fn directory(entry: &Directory, base: &RootFs) -> Result<Item> {
    check_path(&entry.path, base)?;
    check_mode(entry.mode)?;
    base.check_owner(entry.user.as_ref(), entry.group.as_ref())?;
    let overwrite = entry.overwrite == Some(true);
    let place = Place { folder: true, overwrite, ..Place::new(entry.path.clone()) };
    Ok(Item { section: "storage", list: "directories", places: vec![place], json: json(entry)? })
}

fn file(entry: &File, base: &RootFs) -> Result<Item> {
    check_path(&entry.path, base)?;
    check_mode(entry.mode)?;
    base.check_owner(entry.user.as_ref(), entry.group.as_ref())?;
    let creates = entry.contents.as_ref().map_or(Ok(false), contents::check)?;
    let overwrite = entry.overwrite == Some(true);
    // `config/v3_3/types/file.go`.
    ensure!(creates || !overwrite, "it has `overwrite`, but no source");
    for appended in entry.append.iter().flatten() {
        // Ignition itself does not look, and stops with a panic on the node.
        ensure!(contents::check(appended).context("checking what is appended")?, "what is appended has no source");
    }
    let place = Place { overwrite, creates, ..Place::new(entry.path.clone()) };
    Ok(Item { section: "storage", list: "files", places: vec![place], json: json(entry)? })
}

fn link(entry: &Link, base: &RootFs) -> Result<Item> {
    check_path(&entry.path, base)?;
    base.check_owner(entry.user.as_ref(), entry.group.as_ref())?;
    let target = entry.target.as_deref().unwrap_or_default();
    // `config/v3_3/types/storage.go`.
    ensure!(!target.is_empty(), "it has no target");
    ensure!(!target.contains('\0') && target.len() <= MAX_PATH, "its target is no path");
    ensure!(entry.hard != Some(true), "it is a hard link, whose target may not be there yet; a symbolic one can wait");
    let place = Place { overwrite: entry.overwrite == Some(true), ..Place::new(entry.path.clone()) };
    Ok(Item { section: "storage", list: "links", places: vec![place], json: json(entry)? })
}

/// A unit, and the link that enables it.
fn units(entry: &Unit) -> Result<Vec<Item>> {
    let name = &entry.name;
    ensure!(unit::is_unit(name), "{name:?} is not the name of a unit");
    unit::check_text(entry.contents.as_deref().unwrap_or_default()).context("its contents are no unit file")?;
    // A drop-in alone is how a unit of hab's is changed on purpose.
    let changes = entry.contents.is_some() || entry.enabled.is_some() || entry.mask.is_some();
    let mut places: Vec<_> = changes.then(|| Place::new(format!("{UNITS}{name}"))).into_iter().collect();
    for drop_in in entry.dropins.iter().flatten() {
        ensure!(unit::is_drop_in(&drop_in.name), "{:?} is not the name of a drop-in", drop_in.name);
        let text = drop_in.contents.as_deref().unwrap_or_default();
        unit::check_text(text).with_context(|| format!("its drop-in {} is no unit file", drop_in.name))?;
        places.push(Place::new(format!("{UNITS}{name}.d/{}", drop_in.name)));
    }
    // Not handed on: `enabled` is a link of hab's own, and Ignition would ask systemd for its version when an instance
    // is enabled or disabled (`internal/systemd`): by D-Bus, which is not there yet.
    let json = json(&Unit { enabled: None, ..entry.clone() })?;
    let mut items = vec![Item { section: "systemd", list: "units", places, json }];
    if entry.enabled == Some(true) {
        let file = unit::template(name);
        ensure!(file.as_ref() != Some(name), "a template can't be enabled, only its instances");
        let has_file = entry.contents.as_ref().is_some_and(|contents| !contents.is_empty());
        let file = file.filter(|_| !has_file).unwrap_or_else(|| name.clone());
        let place = Place::new(format!("{WANTS}{name}"));
        let json = json!({"path": place.path, "target": format!("../{file}")});
        items.push(Item { section: "storage", list: "links", places: vec![place], json });
    }
    Ok(items)
}

fn check_path(path: &str, base: &RootFs) -> Result<()> {
    ensure!(is_plain(path), "{path:?} is not an absolute, plain path");
    let long = path.len() > MAX_PATH || path.split('/').any(|name| name.len() > MAX_NAME);
    ensure!(!long, "{path:?} is longer than a path can be");
    base.check_path(path)
}

fn check_mode(mode: Option<i64>) -> Result<()> {
    let Some(mode) = mode else { return Ok(()) };
    ensure!(MODES.contains(&mode), "its mode {mode} is none that Ignition sets; in decimal, 0644 is 420");
    Ok(())
}

/// The JSON of an entry, as Ignition's types write it: what they let pass (a list for an object) is no more in it.
fn json(entry: &impl Serialize) -> Result<Value> {
    let mut json = serde_json::to_value(entry).context("writing it as JSON")?;
    drop_nulls(&mut json);
    Ok(json)
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(storage: &Value, units: &Value) -> Result<Vec<Item>, String> {
        let config = json!({"ignition": {"version": "3.3.0"}, "storage": storage, "systemd": {"units": units}});
        let config = serde_json::from_value(config).unwrap();
        all(&config, &RootFs::new(crate::kinds::Base::Debian).unwrap()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_ignition_would_stumble_over_on_the_node_is_refused() {
        let file = |more: Value| {
            let mut file = json!({"path": "/etc/x"});
            file.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"files": [file]})
        };
        let link = |more: &str| serde_json::from_str(&format!(r#"{{"links": [{{"path": "/etc/x"{more}}}]}}"#)).unwrap();
        for (storage, why) in [
            (file(json!({"mode": -1})), "mode -1"),
            (file(json!({"mode": 0o1777})), "mode 1023"),
            (file(json!({"mode": 99999})), "mode 99999"),
            (file(json!({"contents": {"source": "http://10.0.0.1/x"}})), "no network"),
            (file(json!({"contents": {"source": "data:,x", "verification": {"hash": "sha256-00"}}})), "hash"),
            (file(json!({"append": [{"source": "data:,x", "compression": "zip"}]})), "what is appended"),
            (file(json!({"append": [{}]})), "no source"),
            (file(json!({"overwrite": true})), "no source"),
            (file(json!({"user": {"name": "alice"}})), "alice"),
            (link(""), "no target"),
            (link(r#", "target": """#), "no target"),
            (link(r#", "target": "a\u0000b""#), "no path"),
            (link(r#", "target": "/etc/y", "hard": true"#), "hard link"),
            (link(r#", "target": "/etc/y", "group": {"id": -1}"#), "group"),
        ] {
            let error = items(&storage, &json!([])).unwrap_err();
            assert!(error.contains("/etc/x") && error.contains(why), "{storage}: {error}");
        }
        for path in ["/etc/../x", "x", "", "/etc/", "/etc/a\0b", &format!("/srv/{}", "x".repeat(256)), "/usr/bin/x"] {
            for list in ["directories", "files", "links"] {
                let entry = json!({"path": path, "target": "/x"});
                assert!(items(&json!({list: [entry]}), &json!([])).is_err(), "{list} {path:?}");
            }
        }
        items(&file(json!({"mode": 420, "contents": {"source": "data:;base64,aGk="}})), &json!([])).unwrap();
    }

    #[test]
    fn units_that_are_none_are_refused() {
        let good = json!([{"name": "a.service", "contents": "[Unit]\n", "dropins": [{"name": "b.conf"}]}]);
        items(&json!({}), &good).unwrap();
        for (unit, why) in [
            (json!({"name": "../a.service"}), "not the name of a unit"),
            (json!({"name": "a.service", "contents": "["}), "its contents are no unit file"),
            (json!({"name": "a.service", "dropins": [{"name": "../b.conf"}]}), "not the name of a drop-in"),
            (json!({"name": "a.service", "dropins": [{"name": "b.conf", "contents": "["}]}), "its drop-in b.conf"),
            (json!({"name": "a@.service", "enabled": true}), "a template"),
        ] {
            let error = items(&json!({}), &json!([unit])).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_is_enabled_is_a_link_and_nothing_for_ignition() {
        let text = "[Service]\nExecStart=/bin/true\n";
        let units = json!([
            {"name": "a.service", "enabled": true},
            {"name": "b@.service", "contents": text},
            {"name": "b@x.service", "enabled": true},
            {"name": "b@y.service", "enabled": true, "contents": text},
            {"name": "c.service", "enabled": false},
        ]);
        let items = items(&json!({}), &units).unwrap();
        let links = items.iter().filter(|item| item.list == "links").map(|item| &item.json["target"]);
        assert_eq!(links.collect::<Vec<_>>(), ["../a.service", "../b@.service", "../b@y.service"]);
        assert!(items.iter().all(|item| item.json.get("enabled").is_none()));
    }

    #[test]
    fn a_list_for_an_object_is_an_object_for_ignition() {
        let storage = json!({"files": [{"path": "/etc/x", "group": [], "user": [7], "mode": null}]});
        let items = items(&storage, &json!([])).unwrap();
        assert_eq!(items[0].json, json!({"group": {}, "path": "/etc/x", "user": {"id": 7}}));
    }
}
