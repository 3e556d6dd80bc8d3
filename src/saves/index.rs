//! Whose the files of saves in the storage pools are: each has the lab's own number in its name.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::record::Pool;
use super::{folder, new_id};
use crate::atomic_fs;

/// Its file, beside the records. No save has a name with a dot.
const FILE: &str = ".index.json";

/// What a lab that has saves, or had some of which files are left, knows of their files.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    /// The lab's number: another lab on this host may have the same name, and saves as well.
    pub lab: String,
    /// The pools that may have files of its saves.
    pub pools: BTreeSet<Pool>,
}

impl Index {
    /// The one of the lab in the folder `lab`, if there is one.
    ///
    /// # Errors
    /// It is damaged.
    pub fn read(lab: &Path) -> Result<Option<Self>> {
        let path = folder(lab).join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let index = serde_json::from_slice(&fs::read(&path)?);
        Ok(Some(index.with_context(|| format!("reading {}", path.display()))?))
    }

    /// The one of the lab in the folder `lab`, made if there is none, with `pool` in it: on the disk before a file is in
    /// that pool.
    ///
    /// # Errors
    /// It is damaged, or can't be written.
    pub fn with(lab: &Path, pool: &Pool) -> Result<Self> {
        let mut index = match Self::read(lab)? {
            Some(index) => index,
            None => Self { lab: new_id()?, pools: BTreeSet::new() },
        };
        index.pools.insert(pool.clone());
        let folder = folder(lab);
        atomic_fs::create_private_dir(&folder)?;
        atomic_fs::write(&folder.join(FILE), atomic_fs::SECRET, &serde_json::to_vec_pretty(&index)?)?;
        Ok(index)
    }

    /// Removes that of the lab in the folder `lab`, when there are no files any more.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(lab: &Path) -> Result<()> {
        atomic_fs::remove_file(&folder(lab).join(FILE)).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_keeps_its_number_and_learns_of_pools() {
        let lab = tempfile::tempdir().unwrap();
        let pool = |name: &str| Pool { name: name.to_owned(), folder: "/pool".to_owned() };
        assert_eq!(Index::read(lab.path()).unwrap(), None);
        let first = Index::with(lab.path(), &pool("a")).unwrap();
        let second = Index::with(lab.path(), &pool("b")).unwrap();
        assert_eq!((first.lab.len(), &first.lab), (8, &second.lab));
        assert_eq!(second.pools.len(), 2);
        assert_eq!(Index::read(lab.path()).unwrap(), Some(second));
        Index::remove(lab.path()).unwrap();
        assert_eq!(Index::read(lab.path()).unwrap(), None);
    }
}
