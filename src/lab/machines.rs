//! Whether the machine of each node is the one that would be made now, and if not, in what it differs.

use std::fmt;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use super::applied;
use super::origin::{self, Origins};
use crate::plan::Plan;

/// The machine of a node, held against what a machine would be made of now: what hab last wrote into the lab's `out/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The node's name.
    pub name: String,
    /// How it stands.
    pub state: State,
    /// In what it differs, in words; empty in every other state.
    pub differences: Vec<String>,
}

/// How a machine stands to what would be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is of the config and of the box that would be taken, and has what it would be given.
    AsPlanned,
    /// It is not.
    Differs,
    /// There is none.
    NotCreated,
    /// There is one, and nobody noted what it was made of.
    NotNoted,
    /// There is one, and no config of its node that it could be held against.
    NotRendered,
    /// It is of the config that would be taken, and no box is built that its own could be held against.
    NotBuilt,
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::AsPlanned => "as planned",
            State::Differs => return f.write_str(&self.differences.join("; ")),
            State::NotCreated => "not created",
            State::NotNoted => "not known: nobody noted what it was made of",
            State::NotRendered => "not known: the node is not rendered (`hab build`)",
            State::NotBuilt => "its config as planned; there is no box to hold its own against (`hab build`)",
        })
    }
}

/// The machines of all nodes of the lab in the folder `lab`, in the order of the plan.
///
/// # Errors
/// `out/nodes.json` or a config is damaged.
pub fn all(lab: &Path, plan: &Plan) -> Result<Vec<Machine>> {
    let origins = Origins::read(lab, plan.provider)?;
    plan.nodes.iter().map(|node| of_node(lab, &origins, &node.name)).collect()
}

fn of_node(lab: &Path, origins: &Origins, node: &str) -> Result<Machine> {
    let differences = applied::differences(lab, origins, node)?;
    let is_noted = || origins.note(node, origin::FILE).is_some_and(|note| origin::parts(&note).is_some());
    let state = if !origins.is_created(node) {
        State::NotCreated
    } else if !differences.is_empty() {
        State::Differs
    } else if !is_noted() {
        State::NotNoted
    } else {
        match origins.now(node).map(|now| now.version.is_some()) {
            None => State::NotRendered,
            Some(false) => State::NotBuilt,
            Some(true) => State::AsPlanned,
        }
    };
    Ok(Machine { name: node.to_owned(), state, differences })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Provider;

    #[test]
    fn a_machine_is_called_as_planned_only_where_that_was_looked_at() {
        let lab = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = lab.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let nodes = |version: &str| {
            let node = format!(r#"{{"name": "n", "box_version": {version}, "ignition_sha256": "abc"}}"#);
            write("out/nodes.json", &format!(r#"{{"nodes": [{node}]}}"#));
        };
        let said = || {
            let origins = Origins::read(lab.path(), Provider::Libvirt).unwrap();
            let machine = of_node(lab.path(), &origins, "n").unwrap();
            (machine.state, machine.to_string())
        };
        assert_eq!(said(), (State::NotCreated, "not created".to_owned()));
        write(".vagrant/machines/n/libvirt/id", "8a5d");
        assert_eq!(said().0, State::NotNoted);
        write(".vagrant/machines/n/libvirt/hab-origin", "1.2.3.4 abc");
        assert_eq!(said().0, State::NotRendered);
        nodes("null");
        assert_eq!(said().0, State::NotBuilt);
        nodes(r#""1.2.3.4""#);
        assert_eq!(said(), (State::AsPlanned, "as planned".to_owned()));
        nodes(r#""1.2.3.5""#);
        assert_eq!(said(), (State::Differs, "box 1.2.3.4 -> 1.2.3.5".to_owned()));
    }
}
