//! What a node's base has beside Debian's `/usr` before Ignition runs: all of `/etc` and `/var`, and a few files of
//! hab's own in `/usr`.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

use super::files::NodeFiles;
use crate::embedded::{embedded, folder, table};

/// Who brings these files, for the message about a conflict.
pub const ORIGIN: &str = "images/base/debian";
const FILES: &str = "base/debian/rootfs";
const TABLE: &str = "base/debian/rootfs.table";

/// Reads files and table.
///
/// # Errors
/// A line of the table is no entry, or a path comes twice.
pub fn read() -> Result<NodeFiles> {
    let mut tree = NodeFiles::new();
    let mut modes = BTreeMap::new();
    for line in table(TABLE)? {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["folder", mode, path] => tree.folder(path, octal(mode)?, ORIGIN)?,
            ["link", path, target] => tree.link(path, target, ORIGIN)?,
            ["mode", mode, path] => drop(modes.insert(path, octal(mode)?)),
            _ => bail!("images/{TABLE}: {line:?} is no entry"),
        }
    }
    for file in embedded(folder(FILES)?) {
        let path = file.name.strip_prefix(FILES).with_context(|| format!("{} is not in {FILES}", file.name))?;
        let mode = modes.remove(path).unwrap_or(0o644);
        tree.file(path, mode, file.bytes, ORIGIN)?;
    }
    if let Some((path, _)) = modes.first_key_value() {
        bail!("images/{TABLE} gives a mode to {path}, which is not there");
    }
    Ok(tree)
}

fn octal(text: &str) -> Result<u32> {
    u32::from_str_radix(text, 8).with_context(|| format!("{text} is no mode"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::files::Entry;

    #[test]
    fn no_one_can_log_in_and_secrets_of_the_system_are_closed() {
        let tree = read().unwrap();
        let Some(Entry::File { mode, content }) = tree.get("/etc/shadow") else { panic!("no /etc/shadow") };
        assert_eq!(*mode, 0o600);
        let shadow = std::str::from_utf8(content).unwrap();
        assert!(shadow.lines().all(|line| line.split(':').nth(1) == Some("!*")), "{shadow}");
        let Some(Entry::File { content, .. }) = tree.get("/etc/passwd") else { panic!("no /etc/passwd") };
        assert!(std::str::from_utf8(content).unwrap().lines().all(|line| line.ends_with("nologin")));
    }
}
