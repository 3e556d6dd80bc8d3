//! What is baked into boxes; the only reader of the data folder `images/`.

pub mod bake;
pub mod base;
pub mod boxed;
pub mod boxes;
pub mod debian;
pub mod disk;
pub mod oci;
pub mod payload;
pub mod proof;
pub mod relocate;
pub mod role;
mod sparse;
pub mod supply;

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};

/// The folder `images/`, as it was when hab was compiled.
static DATA: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/images");

/// A text file of `images/`.
fn text(path: &str) -> Result<&'static str> {
    let file = DATA.get_file(path).with_context(|| format!("hab was built without images/{path}"))?;
    file.contents_utf8().with_context(|| format!("images/{path} is not text"))
}

/// The lines of a table in `images/`; empty ones and comments (`#`) are left out.
fn table(path: &str) -> Result<impl Iterator<Item = &'static str>> {
    Ok(text(path)?.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')))
}

/// A folder of `images/`.
fn folder(path: &str) -> Result<&'static Dir<'static>> {
    DATA.get_dir(path).with_context(|| format!("hab was built without images/{path}/"))
}
