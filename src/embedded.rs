//! The data folders `images/`, `ignition/`, `templates/` and `vagrant/`, as they were when hab was compiled.

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};

/// What is built into boxes.
pub static IMAGES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/images");

/// Files that go onto a node as they are: `GROUP/PATH-ON-THE-NODE`.
pub static IGNITION: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/ignition");

/// Files that are filled in for a node: `GROUP/PATH-ON-THE-NODE`.
pub static TEMPLATES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// A text file of `images/`.
pub fn text(path: &str) -> Result<&'static str> {
    let file = IMAGES.get_file(path).with_context(|| format!("hab was built without images/{path}"))?;
    file.contents_utf8().with_context(|| format!("images/{path} is not text"))
}

/// The lines of a table in `images/`, see [`lines`].
pub fn table(path: &str) -> Result<impl Iterator<Item = &'static str>> {
    Ok(lines(text(path)?))
}

/// The lines of a table; empty ones and comments (`#`) are left out.
pub fn lines(table: &str) -> impl Iterator<Item = &str> {
    table.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A folder of `images/`.
pub fn folder(path: &str) -> Result<&'static Dir<'static>> {
    IMAGES.get_dir(path).with_context(|| format!("hab was built without images/{path}/"))
}

/// The names of the folders in a folder of `images/`, as versions, oldest first; none if there is no such folder.
#[must_use]
pub fn versions(path: &str) -> Vec<&'static str> {
    let folders = IMAGES.get_dir(path).into_iter().flat_map(Dir::dirs);
    let mut names: Vec<&str> = folders.filter_map(|dir| dir.path().file_name()?.to_str()).collect();
    names.sort_by_key(|version| semver::Version::parse(version.trim_start_matches('v')).ok());
    names
}

/// One file of a folder that was built into hab.
#[derive(Debug, Clone, Copy)]
pub struct Embedded {
    /// Its path inside the folder, with `/`.
    pub name: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
}

/// Every file of a folder that was built in, folders below it included, sorted by name.
///
/// Names that are not UTF-8 can't be in the repository (`tests/architecture.rs`), so they are passed over.
#[must_use]
pub fn embedded(dir: &'static include_dir::Dir<'static>) -> Vec<Embedded> {
    let mut found = Vec::new();
    let mut folders = vec![dir];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            if let Some(name) = file.path().to_str() {
                found.push(Embedded { name, bytes: file.contents() });
            }
        }
    }
    found.sort_by_key(|file| file.name);
    found
}
