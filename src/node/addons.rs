//! What the masters have the cluster run besides, as it lies on them: a folder for each addon, which `hab-probe apply` reads.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::files::{Entry, NodeFiles, mode_of};
use crate::config::{AddonSource, OwnAddon, UsersFiles, object_paths};
use crate::digest::sha256;
use crate::plan::Plan;

/// Where all objects are that a master applies.
pub const ADDONS: &str = "/etc/kubernetes/addons";

const ORIGIN: &str = "your addons";

/// The longest part of a user's folder's name that is in its folder's name on a master.
const NAME: usize = 40;

/// An addon as the masters have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addon {
    /// As hab.yaml calls it.
    pub name: String,
    /// The name of its folder on a master, and of its entries in what masters note in the cluster.
    pub folder: String,
    /// The SHA-256 of its files, one after another.
    pub sha256: String,
    /// The paths of its objects in the API, in the order in which they are applied.
    pub objects: Vec<String>,
}

/// The name of an addon's folder on a master; `number` is its place in the list, from 1.
fn folder(source: &AddonSource, number: usize) -> String {
    match source {
        AddonSource::BuiltIn(addon) => addon.name().to_owned(),
        AddonSource::Folder(path) => {
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
            format!("{number:03}-{}", name.chars().take(NAME).map(plain).collect::<String>())
        }
    }
}

/// The addons of a lab that have objects, each with its folder on a master.
pub fn folders(plan: &Plan) -> impl Iterator<Item = (&AddonSource, String)> {
    let all = plan.addons.iter().zip(1..).filter(|(source, _)| source.has_objects());
    all.map(|(source, number)| (source, folder(source, number)))
}

/// The files of the user's folders on a master.
///
/// # Errors
/// Two have the same path, which their numbers prevent.
pub fn put(plan: &Plan, files: &UsersFiles, tree: &mut NodeFiles) -> Result<()> {
    for (source, folder) in folders(plan) {
        let Some(own) = own(source, files) else { continue };
        for ((name, text), place) in own.files.iter().zip(1..) {
            let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
            let path = format!("{ADDONS}/{folder}/{place:03}-{stem}.yaml");
            let mode = mode_of(&path);
            tree.file(path, mode, text.as_bytes(), ORIGIN)?;
        }
    }
    Ok(())
}

fn own<'f>(source: &AddonSource, files: &'f UsersFiles) -> Option<&'f OwnAddon> {
    files.addons.folders.iter().find(|own| matches!(source, AddonSource::Folder(path) if *path == own.folder))
}

/// The addons of a lab whose masters have these files.
///
/// # Errors
/// A file of objects is no text, which it always is.
pub fn all(plan: &Plan, master: &NodeFiles) -> Result<Vec<Addon>> {
    let addon = |(source, folder): (&AddonSource, String)| {
        let below = format!("{ADDONS}/{folder}/");
        let mut text = String::new();
        let mut objects = Vec::new();
        for (path, entry) in master.iter().filter(|(path, _)| path.starts_with(&below)) {
            let Entry::File { content, .. } = entry else { continue };
            let file = std::str::from_utf8(content).with_context(|| format!("reading {path}"))?;
            objects.extend(object_paths(file));
            text.push_str(file);
        }
        Ok(Addon { name: source.to_string(), folder, sha256: sha256(text.as_bytes()), objects })
    };
    folders(plan).map(addon).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_is_one_that_paths_and_keys_of_a_config_map_take() {
        let of = |path: &str| folder(&AddonSource::Folder(path.into()), 2);
        assert_eq!(of("manifests/web"), "002-web");
        assert_eq!(of("a b/ö$(x).d"), "002----x--d");
        assert_eq!(of(&"x".repeat(200)).len(), 44);
    }
}
