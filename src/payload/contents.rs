//! What each role's payload disk carries: the tables `images/payload/*.yaml`.

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::embedded;
use crate::role::Role;

/// Names of the catalog, by the folder of the payload they go to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contents {
    /// To `/opt/hab/bin`; the shared libraries they need go to `/opt/hab/lib` by themselves.
    #[serde(default)]
    pub programs: Vec<String>,
    /// To `/opt/hab/cni`.
    #[serde(default)]
    pub cni: Vec<String>,
    /// To `/opt/hab/images`.
    #[serde(default)]
    pub images: Vec<String>,
}

impl Contents {
    /// The table of `role`, with what it carries of the parts that only some labs have: `images/payload/PART/ROLE.yaml`.
    pub fn of(role: Role, parts: &[&str]) -> Result<Self> {
        let mut contents = Self::read(&format!("payload/{role}.yaml"))?;
        for path in parts.iter().map(|part| format!("payload/{part}/{role}.yaml")) {
            if embedded::IMAGES.get_file(&path).is_some() {
                let Self { programs, cni, images } = Self::read(&path)?;
                contents.programs.extend(programs);
                contents.cni.extend(cni);
                contents.images.extend(images);
            }
        }
        Ok(contents)
    }

    fn read(path: &str) -> Result<Self> {
        serde_yaml::from_str(embedded::text(path)?).with_context(|| format!("reading images/{path}"))
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
    use crate::artifacts::Catalog;
    use crate::kinds::{INTERNET, NETWORK_POLICIES, PARTS, Supply};

    fn catalog() -> Catalog {
        Catalog::of(Supply::Source, Supply::Source.kubernetes_versions()[0], PARTS).unwrap()
    }

    #[test]
    fn every_role_names_only_what_the_catalog_has() {
        let catalog = catalog();
        for role in Role::ALL {
            let contents = Contents::of(role, PARTS).unwrap();
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
        let all = Role::ALL.map(|role| Contents::of(role, PARTS).unwrap());
        for name in catalog.artifacts.keys() {
            let carried = all.iter().any(|contents| contents.placed().any(|(_, placed)| placed == name));
            let packed = catalog.images.values().any(|image| &image.artifact == name);
            assert!((carried || packed) != ["etcdutl", "kubectl"].contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn a_part_adds_to_a_table_and_changes_nothing_of_it() {
        let [plain, more] = [&[][..], &["flannel"]].map(|parts| Contents::of(Role::Worker, parts).unwrap());
        assert_eq!(more.programs, [&plain.programs[..], &["flanneld".to_owned()]].concat());
        assert_eq!((more.cni, more.images), (plain.cni, plain.images));
    }

    #[test]
    fn what_runs_on_every_node_is_in_both_boxes() {
        let all = [("flannel", "flanneld"), (NETWORK_POLICIES, "kube-network-policies"), (INTERNET, "hab-roots")];
        for (part, program) in all {
            for role in [Role::Master, Role::Worker] {
                let programs = Contents::of(role, &[part]).unwrap().programs;
                assert!(programs.iter().any(|name| name == program), "{part}: {role}");
            }
        }
    }

    #[test]
    fn an_etcd_node_has_no_container_runtime() {
        let contents = Contents::of(Role::Etcd, PARTS).unwrap();
        assert!(contents.images.is_empty() && contents.cni.is_empty());
        assert_eq!(contents.programs, ["etcd", "etcdctl", "hab-probe"]);
    }
}
