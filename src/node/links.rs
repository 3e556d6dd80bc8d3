//! Links on a node, by group: `ignition/links`, a table, for no link can be compiled into hab as a file can.

use anyhow::{Context as _, Result, bail};

use crate::embedded::{IGNITION, lines};

const TABLE: &str = "links";

/// A symbolic link of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The folder of `ignition/` that it belongs to.
    pub group: &'static str,
    /// Where it is on the node.
    pub path: &'static str,
    /// Where it leads.
    pub target: &'static str,
}

/// The links of these groups.
///
/// # Errors
/// hab was built without the table, or a line of it is no entry.
pub fn of(groups: &[&str]) -> Result<Vec<Link>> {
    let mut all = all()?;
    all.retain(|link| groups.contains(&link.group));
    Ok(all)
}

fn all() -> Result<Vec<Link>> {
    let table = IGNITION.get_file(TABLE).and_then(include_dir::File::contents_utf8);
    let read = |line: &'static str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [group, path, target] => Ok(Link { group, path, target }),
        _ => bail!("ignition/{TABLE}: {line:?} is no entry"),
    };
    lines(table.with_context(|| format!("hab was built without ignition/{TABLE}"))?).map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_link_is_of_a_group_that_there_is() {
        let all = all().unwrap();
        assert!(!all.is_empty());
        for link in all {
            assert!(IGNITION.get_dir(link.group).is_some(), "{link:?}");
        }
    }
}
