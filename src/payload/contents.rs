//! What each role's payload disk carries: the tables `images/role/*.yaml`.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::role::Role;

/// Names of the supply's table, by the folder of the payload they go to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// To `/opt/hab/bin`; the shared libraries they need go to `/opt/hab/lib` by themselves.
    pub programs: Vec<String>,
    /// To `/opt/hab/cni`.
    #[serde(default)]
    pub cni: Vec<String>,
    /// To `/opt/hab/images`.
    #[serde(default)]
    pub images: Vec<String>,
}

/// The table of `role`.
///
/// # Errors
/// The embedded table is broken, which the unit tests rule out.
pub fn load(role: Role) -> Result<Load> {
    let path = format!("payload/{role}.yaml");
    serde_yaml::from_str(crate::embedded::text(&path)?).with_context(|| format!("reading images/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::Table;

    const ROLES: [Role; 3] = [Role::Etcd, Role::Master, Role::Worker];

    #[test]
    fn every_role_names_only_what_the_supply_has() {
        let table = Table::source().unwrap();
        for role in ROLES {
            let load = load(role).unwrap();
            for name in load.programs.iter().chain(&load.cni) {
                assert!(table.artifacts.contains_key(name), "{role}: {name}");
            }
            for name in &load.images {
                assert!(table.images.contains_key(name), "{role}: {name}");
            }
        }
    }

    #[test]
    fn nothing_is_built_that_no_role_carries() {
        let table = Table::source().unwrap();
        let loads = ROLES.map(|role| load(role).unwrap());
        for name in table.artifacts.keys() {
            let carried = loads.iter().any(|l| l.programs.contains(name) || l.cni.contains(name));
            let packed = table.images.values().any(|image| &image.artifact == name);
            assert!(carried || packed, "{name}");
        }
    }

    #[test]
    fn an_etcd_node_has_no_container_runtime() {
        let load = load(Role::Etcd).unwrap();
        assert!(load.images.is_empty() && load.cni.is_empty());
        assert_eq!(load.programs, ["etcd", "etcdctl"]);
    }
}
