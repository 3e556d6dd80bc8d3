//! Node files -> Ignition JSON. Written by hand as text in pieces, because a lab of a thousand nodes shares most of it;
//! Ignition's own types then parse it back.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::{Compression, GzBuilder};
use ignition_config::{Config, v3_3};
use serde_json::{Value, json};

use super::snippet::{SeenPaths, Snippet};
use crate::node::files::{Entry, NodeFiles};

/// Files from this size on are compressed: only the lists of all nodes of a large lab are as large. A node reads its
/// config through qemu's firmware interface, and slowly.
const COMPRESS_FROM: usize = 16 << 10;

/// The label of the data disk's file system.
pub const DATA_LABEL: &str = "hab-data";

/// Room for all of a config but its files: brackets and a few dozen links.
const ROOM: usize = 16 << 10;

/// The parts of a config's `storage`, each a JSON list without its brackets, and the tree they are made of. What a lab's
/// nodes share is encoded once: a thousand lines of /etc/hosts a thousand times over are most of a large lab.
#[derive(Debug, Default, Clone)]
pub struct Encoded {
    files: String,
    links: String,
    folders: String,
    filesystems: String,
    tree: NodeFiles,
}

impl Encoded {
    /// What they are made of.
    pub const fn tree(&self) -> &NodeFiles {
        &self.tree
    }

    /// With the data disk, which `device` leads to: formatted when it is empty, and left alone when it is not.
    pub fn with_data_disk(mut self, device: &str) -> Self {
        let disk = json!({"device": device, "format": "ext4", "label": DATA_LABEL, "wipeFilesystem": false});
        add(&mut self.filesystems, &disk.to_string());
        self
    }
}

/// Turns a tree into the JSON of its items.
pub fn encode(tree: NodeFiles) -> Result<Encoded> {
    let mut encoded = Encoded::default();
    for (path, item) in tree.iter() {
        match item {
            Entry::File { mode, content } => file(&mut encoded.files, path, *mode, content)?,
            Entry::Link(target) => {
                add(&mut encoded.links, &json!({"path": path, "target": target, "overwrite": true}).to_string());
            }
            Entry::Folder { mode } => add(&mut encoded.folders, &json!({"path": path, "mode": mode}).to_string()),
        }
    }
    encoded.tree = tree;
    Ok(encoded)
}

/// Adds JSON to a list.
fn add(list: &mut String, item: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(item);
}

/// Adds a file to a list, its content straight in its place.
fn file(list: &mut String, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let item = json!({"path": path, "mode": mode, "overwrite": true}).to_string();
    add(list, item.trim_end_matches('}'));
    if content.len() < COMPRESS_FROM {
        list.push_str(r#","contents":{"source":"data:;base64,"#);
        BASE64.encode_string(content, list);
    } else {
        list.push_str(r#","contents":{"compression":"gzip","source":"data:;base64,"#);
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
        let packed = gzip.write_all(content).and_then(|()| gzip.finish());
        BASE64.encode_string(packed.with_context(|| format!("compressing {path}"))?, list);
    }
    list.push_str(r#""}}"#);
    Ok(())
}

/// The whole config: what the role has, what the node has, what the user adds.
///
/// # Errors
/// A path comes twice, or Ignition's own types refuse the result.
pub fn write<'a>(role: &Encoded, node: NodeFiles, snippets: impl Iterator<Item = &'a Snippet>) -> Result<Vec<u8>> {
    for (path, _) in node.iter() {
        if let (Some(one), Some(other)) = (role.tree.origin(path), node.origin(path)) {
            bail!("{path} comes twice: from {one} and from {other}");
        }
    }
    let own = encode(node)?;
    let mut text = String::with_capacity(role.files.len() + own.files.len() + ROOM);
    text.push_str(r#"{"ignition":{"version":"3.3.0"},"storage":{"#);
    for (name, shared, own) in [
        ("filesystems", &role.filesystems, &own.filesystems),
        ("directories", &role.folders, &own.folders),
        ("files", &role.files, &own.files),
        ("links", &role.links, &own.links),
    ] {
        let comma = if shared.is_empty() || own.is_empty() { "" } else { "," };
        let end = if name == "links" { "]}}" } else { "]," };
        for part in ["\"", name, "\":[", shared, comma, own, end] {
            text.push_str(part);
        }
    }
    let mut text = text.into_bytes();
    let mut snippets = snippets.peekable();
    if snippets.peek().is_some() {
        let mut config: Value = serde_json::from_slice(&text).context("reading hab's own config")?;
        let mut seen = SeenPaths::default();
        for snippet in snippets {
            snippet.merge_into(&mut config, &[&role.tree, &own.tree], &mut seen)?;
        }
        text = config.to_string().into_bytes();
    }
    validate(&text)?;
    text.push(b'\n');
    Ok(text)
}

/// Parses the text with Ignition's own types; an unknown key is as wrong as a missing one.
fn validate(text: &[u8]) -> Result<()> {
    let (config, warnings) = Config::parse_slice(text).context("parsing the config back")?;
    ensure!(warnings.is_empty(), "Ignition would ignore parts of the config: {warnings:?}");
    ensure!(matches!(config, Config::V3_3(v3_3::Config { .. })), "the config is not of spec 3.3.0");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_comes_out_as_spec_3_3() {
        let mut tree = NodeFiles::new();
        tree.file("/etc/a", 0o600, *b"hi", "test").unwrap();
        tree.link("/etc/b", "../a", "test").unwrap();
        tree.folder("/var/c", 0o700, "test").unwrap();
        let text = write(&encode(tree).unwrap(), NodeFiles::new(), std::iter::empty()).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["ignition"]["version"], "3.3.0");
        // Ignition's modes are decimal: 0600 is 384.
        assert_eq!(value["storage"]["files"][0]["mode"], 384);
        assert_eq!(value["storage"]["files"][0]["contents"]["source"], "data:;base64,aGk=");
        assert_eq!(value["storage"]["links"][0]["target"], "../a");
        assert_eq!(value["storage"]["directories"][0]["path"], "/var/c");
    }

    #[test]
    fn a_data_disk_is_formatted_only_when_it_is_empty() {
        let encoded = encode(NodeFiles::new()).unwrap().with_data_disk("/dev/x");
        let text = write(&encoded, NodeFiles::new(), std::iter::empty()).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        let wanted = json!([{"device": "/dev/x", "format": "ext4", "label": "hab-data", "wipeFilesystem": false}]);
        assert_eq!(value["storage"]["filesystems"], wanted);
    }

    #[test]
    fn a_large_file_is_compressed() {
        let mut tree = NodeFiles::new();
        tree.file("/etc/hosts", 0o644, vec![b'x'; COMPRESS_FROM], "test").unwrap();
        let text = write(&encode(tree).unwrap(), NodeFiles::new(), std::iter::empty()).unwrap();
        assert!(text.len() < 1000);
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["storage"]["files"][0]["contents"]["compression"], "gzip");
    }

    #[test]
    fn a_path_of_role_and_node_is_a_conflict() {
        let mut tree = NodeFiles::new();
        tree.file("/etc/a", 0o600, *b"hi", "templates").unwrap();
        let error = write(&encode(tree.clone()).unwrap(), tree, std::iter::empty()).unwrap_err().to_string();
        assert_eq!(error, "/etc/a comes twice: from templates and from templates");
    }
}
