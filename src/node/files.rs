//! The files, links and folders of one node. A second one at a path is refused.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file with its mode. Content that many nodes share is one allocation.
    File {
        /// Permission bits.
        mode: u32,
        /// The bytes.
        content: Arc<[u8]>,
    },
    /// A symbolic link to this target.
    Link(String),
    /// An empty folder with its mode.
    Folder {
        /// Permission bits.
        mode: u32,
    },
}

/// Paths on a node, each absolute, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFiles {
    items: BTreeMap<Cow<'static, str>, (Entry, &'static str)>,
}

impl NodeFiles {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a file at `path`. `origin` names who brings it, for the message about a conflict.
    ///
    /// # Errors
    /// The path is not absolute and plain, or taken.
    pub fn file(
        &mut self,
        path: impl Into<Cow<'static, str>>,
        mode: u32,
        content: impl Into<Arc<[u8]>>,
        origin: &'static str,
    ) -> Result<()> {
        self.put(path.into(), Entry::File { mode, content: content.into() }, origin)
    }

    /// Puts a symbolic link at `path`.
    ///
    /// # Errors
    /// As [`NodeFiles::file`].
    pub fn link(&mut self, path: impl Into<Cow<'static, str>>, target: &str, origin: &'static str) -> Result<()> {
        self.put(path.into(), Entry::Link(target.to_owned()), origin)
    }

    /// Puts an empty folder at `path`.
    ///
    /// # Errors
    /// As [`NodeFiles::file`].
    pub fn folder(&mut self, path: impl Into<Cow<'static, str>>, mode: u32, origin: &'static str) -> Result<()> {
        self.put(path.into(), Entry::Folder { mode }, origin)
    }

    /// Adds everything of `other`.
    ///
    /// # Errors
    /// A path is in both.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        for (path, (item, origin)) in other.items {
            self.put(path, item, origin)?;
        }
        Ok(())
    }

    /// Replaces the text of the file at `path`, if there is one.
    ///
    /// # Errors
    /// As `change` says, or the file is no text.
    pub fn change(&mut self, path: &str, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        if let Some((Entry::File { content, .. }, _)) = self.items.get_mut(path) {
            let text = std::str::from_utf8(content).with_context(|| format!("reading {path}"))?;
            *content = change(text).with_context(|| format!("changing {path}"))?.into_bytes().into();
        }
        Ok(())
    }

    /// All paths with what stands there, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.items.iter().map(|(path, (item, _))| (path.as_ref(), item))
    }

    /// What stands at `path`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.items.get(path).map(|(item, _)| item)
    }

    /// The name of whoever brought what stands at `path`.
    #[must_use]
    pub fn origin(&self, path: &str) -> Option<&'static str> {
        self.items.get(path).map(|(_, origin)| *origin)
    }

    /// The first path below the folder `path`.
    #[must_use]
    pub fn below(&self, path: &str) -> Option<&str> {
        let folder = format!("{path}/");
        let (next, _) = self.items.range::<str, _>((Bound::Included(folder.as_str()), Bound::Unbounded)).next()?;
        next.starts_with(&folder).then_some(next)
    }

    fn put(&mut self, path: Cow<'static, str>, item: Entry, origin: &'static str) -> Result<()> {
        ensure!(is_plain(&path), "{path:?} ({origin}) is not an absolute, plain path");
        match self.items.entry(path) {
            btree_map::Entry::Vacant(place) => {
                place.insert((item, origin));
                Ok(())
            }
            btree_map::Entry::Occupied(taken) => {
                bail!("{} comes twice: from {} and from {origin}", taken.key(), taken.get().1)
            }
        }
    }
}

/// Whether a path is absolute and the only way to write it: no `..`, no `//`, no `/` at the end.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    path.strip_prefix('/').is_some_and(|rest| {
        rest.split('/').all(|part| !part.is_empty() && part != "." && part != ".." && !part.contains('\0'))
    })
}

/// The mode of a configuration file by its path. What only root's daemons read is root's alone (the CIS benchmark
/// wants 0600 for manifests, kubeconfigs and unit files, 4.1.1 to 4.1.10); what every program reads is readable.
#[must_use]
pub fn mode_of(path: &str) -> u32 {
    const EVERYONE: [&str; 4] = ["/etc/hostname", "/etc/hosts", "/etc/machine-id", "/etc/resolv.conf"];
    if EVERYONE.contains(&path) { 0o644 } else { 0o600 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_file_on_one_path_is_refused_and_named() {
        let mut tree = NodeFiles::new();
        tree.file("/etc/hosts", 0o644, *b"a", "templates").unwrap();
        let error = tree.link("/etc/hosts", "/dev/null", "your snippet").unwrap_err().to_string();
        assert_eq!(error, "/etc/hosts comes twice: from templates and from your snippet");
    }

    #[test]
    fn what_is_below_a_path_is_found() {
        let mut tree = NodeFiles::new();
        tree.file("/etc/a-b", 0o644, *b"", "test").unwrap();
        tree.file("/etc/a/b", 0o644, *b"", "test").unwrap();
        assert_eq!((tree.below("/etc"), tree.below("/etc/a")), (Some("/etc/a-b"), Some("/etc/a/b")));
        assert_eq!((tree.below("/etc/a-b"), tree.below("/e")), (None, None));
    }

    #[test]
    fn only_absolute_plain_paths() {
        let mut tree = NodeFiles::new();
        for bad in ["etc/hosts", "/etc/../hosts", "//etc", "/etc/", "/", "/a/./b"] {
            assert!(tree.folder(bad, 0o755, "test").is_err(), "{bad}");
        }
    }
}
