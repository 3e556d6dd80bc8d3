//! What each role's payload disk carries: the tables `images/payload/*.yaml`.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::artifacts::Catalog;
use crate::embedded;
use crate::role::Role;

/// Names of the catalog, by the folder of the payload they go to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// To `/opt/hab/bin`; the shared libraries they need go to `/opt/hab/lib` by themselves.
    pub programs: Vec<String>,
    /// To `/opt/hab/cni`.
    #[serde(default)]
    pub cni: Vec<String>,
    /// To `/opt/hab/images`.
    #[serde(default)]
    pub images: Vec<String>,
}

impl Contents {
    /// The table of `role`.
    pub fn of(role: Role) -> Result<Self> {
        Self::read(role.name())
    }

    /// The same in a lab with this catalog: a registry of its own is on masters.
    pub fn of_lab(role: Role, catalog: &Catalog) -> Result<Self> {
        let mut contents = Self::of(role)?;
        if catalog.has_registry() && role == Role::Master {
            contents.programs.extend(Self::read("registry")?.programs);
        }
        Ok(contents)
    }

    fn read(name: &str) -> Result<Self> {
        let path = format!("payload/{name}.yaml");
        serde_yaml::from_str(embedded::text(&path)?).with_context(|| format!("reading images/{path}"))
    }

    /// Every program, with the folder it goes to.
    pub fn placed(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let bin = self.programs.iter().map(|name| ("bin", name.as_str()));
        bin.chain(self.cni.iter().map(|name| ("cni", name.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Supply;

    fn catalog() -> Catalog {
        Catalog::source(Supply::Source.kubernetes_versions()[0]).unwrap()
    }

    #[test]
    fn every_role_names_only_what_the_catalog_has() {
        let catalog = catalog();
        for role in Role::ALL {
            let contents = Contents::of(role).unwrap();
            for (_, name) in contents.placed() {
                assert!(catalog.artifacts.contains_key(name), "{role}: {name}");
            }
            for name in &contents.images {
                assert!(catalog.images.contains_key(name), "{role}: {name}");
            }
        }
    }

    #[test]
    fn nothing_is_built_that_no_role_carries_but_what_is_for_the_host() {
        let catalog = catalog();
        let all = Role::ALL.map(|role| Contents::of(role).unwrap());
        for name in catalog.artifacts.keys() {
            let carried = all.iter().any(|contents| contents.placed().any(|(_, placed)| placed == name));
            let packed = catalog.images.values().any(|image| &image.artifact == name);
            assert!((carried || packed) != ["etcdutl", "kubectl"].contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn a_registry_is_on_masters_of_a_lab_that_has_one() {
        let (without, mut with) = (catalog(), catalog());
        let registry = Catalog::beside(crate::artifacts::REGISTRY).unwrap();
        with.upstreams.extend(registry.upstreams);
        for role in Role::ALL {
            assert_eq!(Contents::of_lab(role, &without).unwrap(), Contents::of(role).unwrap());
            let more = Contents::of_lab(role, &with).unwrap().programs.len() - Contents::of(role).unwrap().programs.len();
            assert_eq!(more, usize::from(role == Role::Master), "{role}");
        }
        for (_, name) in Contents::of_lab(Role::Master, &with).unwrap().placed() {
            assert!(with.artifacts.contains_key(name) || registry.artifacts.contains_key(name), "{name}");
        }
    }

    #[test]
    fn an_etcd_node_has_no_container_runtime() {
        let contents = Contents::of(Role::Etcd).unwrap();
        assert!(contents.images.is_empty() && contents.cni.is_empty());
        assert_eq!(contents.programs, ["etcd", "etcdctl", "hab-probe"]);
    }
}
