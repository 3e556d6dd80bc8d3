//! The files of saves in a storage pool: how they are called, and whose they are.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What stands between a machine's name and a save's id in the name of a save's file.
const MARK: &str = ".save-";

/// A save's memory of a machine.
pub(super) fn memory(domain: &str, save: &SaveId) -> String {
    format!("{domain}{MARK}{save}.memory")
}

/// A save's copy of a machine's disk.
pub(super) fn copy(domain: &str, save: &SaveId, target: &str) -> String {
    format!("{domain}{MARK}{save}.{target}")
}

/// The save whose file this is, if it is one.
pub(super) fn save(name: &str) -> Option<SaveId> {
    let (_, rest) = name.rsplit_once(MARK)?;
    let (id, _) = rest.split_once('.')?;
    let (lab, number) = id.split_once('-')?;
    Some(SaveId { lab: lab.to_owned(), number: number.to_owned() })
}

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SaveId {
    /// The lab's number; see [`Index`](super::index::Index).
    pub lab: String,
    /// The save's: one that replaces another of its name has other files.
    pub number: String,
}

impl fmt::Display for SaveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.lab, self.number)
    }
}

/// The name of the file at `path`; a volume has its file's name.
pub(super) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_whose_it_is() {
        let id = SaveId { lab: "0f3c".to_owned(), number: "17ab".to_owned() };
        assert_eq!(save(&memory("hab-a-n-01", &id)).as_ref(), Some(&id));
        assert_eq!(save(&copy("hab-a-n-01", &id, "vda")), Some(id));
        for other in ["hab-a-n-01.img", "hab-a-n-01_1.img", "hab-a-n-01.ign", "hab-a-n-01.save-0f3c.vda", "x.snap"] {
            assert_eq!(save(other), None, "{other}");
        }
        assert_eq!(name("/pool/a.img"), "a.img");
    }
}
