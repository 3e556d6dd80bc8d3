//! Removes files of saves that nothing needs any more.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::record::Pool;
use super::{Record, Saves, storage};
use crate::lab::nodes_json;

impl Saves<'_> {
    /// Removes every file of a save in `pool` that no record has and nothing builds on: what the `removed` saves and those
    /// that broke off have left.
    ///
    /// # Errors
    /// libvirt does not answer, or a file is in use.
    pub(super) fn collect_garbage(&self, pool: &Pool, removed: &[Record]) -> Result<()> {
        for name in self.garbage(pool, removed)? {
            self.virsh.remove_volume(&pool.name, &name)?;
        }
        Ok(())
    }

    /// What [`collect_garbage`](Self::collect_garbage) would remove.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub(super) fn garbage(&self, pool: &Pool, removed: &[Record]) -> Result<Vec<String>> {
        // libvirt notices by itself only what it made as a volume, which a file with memory is not.
        self.virsh.refresh(&pool.name)?;
        let records = self.list()?;
        let kept: BTreeSet<&str> = records.iter().map(|record| record.id.as_str()).collect();
        // A save may have a node that the lab has no more.
        let saved =
            records.iter().chain(removed).flat_map(|record| &record.machines).map(|machine| machine.domain.clone());
        let planned = self.plan.nodes.iter().map(|node| nodes_json::domain(self.plan, &node.name));
        let domains: BTreeSet<String> = saved.chain(planned).collect();
        let (mut saves, mut backing) = (BTreeMap::new(), BTreeMap::new());
        for name in self.virsh.volumes(&pool.name)? {
            if !domains.iter().any(|domain| name.starts_with(domain.as_str())) {
                continue;
            }
            if let Some(id) = domains.iter().find_map(|domain| storage::id(&name, domain)) {
                saves.insert(name.clone(), kept.contains(id));
            }
            if let Some(below) = self.virsh.volume(&pool.name, &name)?.backing {
                backing.insert(name, storage::name(&below).to_owned());
            }
        }
        Ok(unneeded(&saves, &backing))
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
