//! Removes files of saves that nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::index::Index;
use super::record::Pool;
use super::{Record, Saves, storage};
use crate::lab::nodes_json;

impl Saves<'_> {
    /// Removes every file of this lab's saves that no record has and nothing builds on: what saves that were removed and
    /// those that broke off have left.
    ///
    /// # Errors
    /// libvirt does not answer, or a file is in use.
    pub(super) fn collect_garbage(&self) -> Result<()> {
        let Some(index) = Index::read(&self.lab)? else { return Ok(()) };
        // Which files a record has that can't be read, nobody knows: then all stay until it is removed.
        let Ok(records) = self.list() else { return Ok(()) };
        let pools = self.virsh.pools()?;
        let mut left = !records.is_empty();
        for pool in index.pools.iter().filter(|pool| pools.contains(&pool.name)) {
            left |= self.collect_in(pool, &index, &records)?;
        }
        if left { Ok(()) } else { Index::remove(&self.lab) }
    }

    /// Returns whether a file of a save is left.
    fn collect_in(&self, pool: &Pool, index: &Index, records: &[Record]) -> Result<bool> {
        // libvirt notices by itself only what it made as a volume, which a file with memory is not.
        self.virsh.refresh(&pool.name)?;
        let machines = nodes_json::domain(self.plan, "");
        let (mut saves, mut backing) = (BTreeMap::new(), BTreeMap::new());
        for name in self.virsh.volumes(&pool.name)? {
            let save = storage::save(&name).filter(|save| save.lab == index.lab);
            if save.is_none() && !name.starts_with(&machines) {
                continue;
            }
            if let Some(below) = self.virsh.volume(&pool.name, &name)?.backing {
                backing.insert(name.clone(), storage::name(&below).to_owned());
            }
            if let Some(save) = save {
                saves.insert(name, records.iter().any(|record| record.id == save));
            }
        }
        let garbage = unneeded(&saves, &backing);
        for name in &garbage {
            self.virsh.remove_volume(&pool.name, name)?;
        }
        Ok(garbage.len() < saves.len())
    }
}

/// What can go: of `saves` (a file's name, and whether a record has it) those that nobody keeps and nothing that stays
/// builds on; `backing` says which file a file builds on.
fn unneeded(saves: &BTreeMap<String, bool>, backing: &BTreeMap<String, String>) -> Vec<String> {
    let mut needed = BTreeSet::new();
    let stays = |name: &&String| saves.get(*name).copied().unwrap_or(true);
    // Everything that stays, and all that is below it.
    for name in backing.keys().chain(saves.keys()).filter(stays) {
        let mut next = Some(name);
        while let Some(name) = next.filter(|name| needed.insert((*name).clone())) {
            next = backing.get(name);
        }
    }
    saves.keys().filter(|name| !needed.contains(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(saves: &[(&str, bool)], backing: &[(&str, &str)], expected: &[&str]) {
        let saves = saves.iter().map(|(name, kept)| ((*name).to_owned(), *kept)).collect();
        let backing = backing.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(unneeded(&saves, &backing), expected);
    }

    #[test]
    fn what_nothing_builds_on_goes() {
        check(&[("a", false), ("b", true)], &[("a", "box"), ("b", "box"), ("live", "box")], &["a"]);
        check(&[("memory", false)], &[], &["memory"]);
        check(&[], &[("live", "box")], &[]);
    }

    #[test]
    fn what_a_machine_or_a_save_builds_on_stays_all_the_way_down() {
        check(&[("a", false), ("b", false)], &[("live", "b"), ("b", "a"), ("a", "box")], &[]);
        check(&[("a", false), ("b", true)], &[("live", "box"), ("b", "a"), ("a", "box")], &[]);
        check(&[("a", false), ("b", false), ("c", false)], &[("live", "a"), ("c", "b"), ("b", "a")], &["b", "c"]);
    }
}
