//! Tree -> Ignition JSON. Written by hand as text in pieces, because a lab of a thousand nodes shares most of it;
//! Ignition's own types then parse it back.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ignition_config::{Config, v3_3};
use serde_json::{Value, json};

use super::snippet::Snippet;
use crate::tree::{Item, Tree};

/// The parts of a config's `storage`, each a JSON list without its brackets, and the paths in them.
#[derive(Debug, Default, Clone)]
pub struct Encoded {
    files: Vec<String>,
    links: Vec<String>,
    folders: Vec<String>,
    tree: Tree,
}

/// Turns a tree into the JSON of its items.
pub fn encode(tree: &Tree) -> Encoded {
    let mut encoded = Encoded { tree: tree.clone(), ..Encoded::default() };
    for (path, item) in tree.iter() {
        match item {
            Item::File { mode, content } => encoded.files.push(file(path, *mode, content)),
            Item::Link(target) => {
                encoded.links.push(json!({"path": path, "target": target, "overwrite": true}).to_string());
            }
            Item::Folder { mode } => encoded.folders.push(json!({"path": path, "mode": mode}).to_string()),
        }
    }
    encoded
}

fn file(path: &str, mode: u32, content: &[u8]) -> String {
    let source = format!("data:;base64,{}", BASE64.encode(content));
    json!({"path": path, "mode": mode, "overwrite": true, "contents": {"source": source}}).to_string()
}

/// The whole config: what the role has, what the node has, what the user adds.
///
/// # Errors
/// A path comes twice, or Ignition's own types refuse the result.
pub fn write<'a>(role: &Encoded, node: &Tree, snippets: impl Iterator<Item = &'a Snippet>) -> Result<Vec<u8>> {
    for (path, _) in node.iter() {
        if let (Some(one), Some(other)) = (role.tree.origin(path), node.origin(path)) {
            bail!("{path} comes twice: from {one} and from {other}");
        }
    }
    let own = encode(node);
    let list = |a: &[String], b: &[String]| a.iter().chain(b).cloned().collect::<Vec<_>>().join(",");
    let text = format!(
        r#"{{"ignition":{{"version":"3.3.0"}},"storage":{{"directories":[{}],"files":[{}],"links":[{}]}}}}"#,
        list(&role.folders, &own.folders),
        list(&role.files, &own.files),
        list(&role.links, &own.links),
    );
    let mut text = text.into_bytes();
    let mut snippets = snippets.peekable();
    if snippets.peek().is_some() {
        let mut config: Value = serde_json::from_slice(&text).context("reading hab's own config")?;
        for snippet in snippets {
            snippet.merge_into(&mut config, &|path| role.tree.origin(path).or_else(|| node.origin(path)))?;
        }
        text = config.to_string().into_bytes();
    }
    prove(&text)?;
    text.push(b'\n');
    Ok(text)
}

/// Parses the text with Ignition's own types; an unknown key is as wrong as a missing one.
fn prove(text: &[u8]) -> Result<()> {
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
        let mut tree = Tree::new();
        tree.file("/etc/a", 0o600, *b"hi", "test").unwrap();
        tree.link("/etc/b", "../a", "test").unwrap();
        tree.folder("/var/c", 0o700, "test").unwrap();
        let text = write(&encode(&tree), &Tree::new(), std::iter::empty()).unwrap();
        let value: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(value["ignition"]["version"], "3.3.0");
        // Ignition's modes are decimal: 0600 is 384.
        assert_eq!(value["storage"]["files"][0]["mode"], 384);
        assert_eq!(value["storage"]["files"][0]["contents"]["source"], "data:;base64,aGk=");
        assert_eq!(value["storage"]["links"][0]["target"], "../a");
        assert_eq!(value["storage"]["directories"][0]["path"], "/var/c");
    }

    #[test]
    fn a_path_of_role_and_node_is_a_conflict() {
        let mut tree = Tree::new();
        tree.file("/etc/a", 0o600, *b"hi", "templates").unwrap();
        let error = write(&encode(&tree), &tree, std::iter::empty()).unwrap_err().to_string();
        assert_eq!(error, "/etc/a comes twice: from templates and from templates");
    }
}
