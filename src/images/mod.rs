//! What is baked into boxes; the only reader of the data folder `images/`.

pub mod bake;
pub mod proof;

use anyhow::{Context, Result};
use include_dir::{Dir, include_dir};

/// The folder `images/`, as it was when hab was compiled.
static DATA: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/images");

/// A text file of `images/`.
fn text(path: &str) -> Result<&'static str> {
    let file = DATA.get_file(path).with_context(|| format!("hab was built without images/{path}"))?;
    file.contents_utf8().with_context(|| format!("images/{path} is not text"))
}

/// A folder of `images/`.
fn folder(path: &str) -> Result<&'static Dir<'static>> {
    DATA.get_dir(path).with_context(|| format!("hab was built without images/{path}/"))
}
