//! What an image is called in the lab's registry, and what people call it.
//!
//! It has its whole name there, its registry first, so that images of two registries never meet; nodes say which registry they
//! mean. `images/supply/source/registry/names.go` is the same for what comes over the network.

use crate::config::reference::Reference;
use crate::lock::hex;
use crate::plan::{Node, Plan, port};
use crate::role::Role;

/// What stands in the place of the colon before a registry's port: no repository may have a colon, and no host has this.
const COLON: &str = "__";

/// How the tag begins of an image that was given by digest alone; its digits follow. Without a tag it would be removed.
const OF_DIGEST: &str = "digest-";

/// Where an image is in the registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its repository.
    pub repository: String,
    /// Its tag.
    pub tag: String,
}

impl Place {
    /// Where the image of this name is, or belongs.
    #[must_use]
    pub fn of(plan: &Plan, name: &Reference) -> Self {
        let tag = match (name.tag(), name.digest()) {
            (Some(tag), _) => tag.to_owned(),
            (None, digest) => format!("{OF_DIGEST}{}", hex(digest.unwrap_or_default())),
        };
        // Whoever calls one of the lab's own registries by its address means what stands behind it.
        let behind = name.name().split_once('/').filter(|(registry, _)| is_own(plan, registry)).map(|(_, rest)| rest);
        let own = behind.and_then(|rest| Reference::new(rest).ok());
        let name = own.as_ref().unwrap_or(name).name();
        let (registry, rest) = name.split_once('/').unwrap_or((name, ""));
        Self { repository: format!("{}/{rest}", registry.to_lowercase().replace(':', COLON)), tag }
    }

    /// Its name for people, and for pods.
    #[must_use]
    pub fn name(&self) -> String {
        let (registry, rest) = self.repository.split_once('/').unwrap_or((&self.repository, ""));
        let registry = registry.replace(COLON, ":");
        match self.tag.strip_prefix(OF_DIGEST) {
            Some(digits) => format!("{registry}/{rest}@sha256:{digits}"),
            None => format!("{registry}/{rest}:{}", self.tag),
        }
    }
}

fn is_own(plan: &Plan, registry: &str) -> bool {
    let Some((host, number)) = registry.split_once(':') else { return false };
    let of_master = |master: &Node| master.name == host || master.address.to_string() == host;
    // That is where containerd asks on every node, and so of a name there it does not say whose it is.
    number == port::REGISTRY.to_string() && (host == "127.0.0.1" || plan.of(Role::Master).any(of_master))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn plan() -> Plan {
        Plan::new(config::read("hab.yaml", b"lab: demo\n", &|_| Ok(())).config().unwrap()).unwrap()
    }

    #[test]
    fn an_image_has_its_whole_name_there() {
        let plan = plan();
        for (name, repository, tag, shown) in [
            ("nginx", "docker.io/library/nginx", "latest", "docker.io/library/nginx:latest"),
            ("team/app:2", "docker.io/team/app", "2", "docker.io/team/app:2"),
            ("quay.io/team/app:2", "quay.io/team/app", "2", "quay.io/team/app:2"),
            ("localhost:5000/app:dev", "localhost__5000/app", "dev", "localhost:5000/app:dev"),
            ("kube-master-01:5000/app:dev", "docker.io/library/app", "dev", "docker.io/library/app:dev"),
            ("192.168.56.31:5000/team/app:dev", "docker.io/team/app", "dev", "docker.io/team/app:dev"),
            ("192.168.56.31:5000/quay.io/app:dev", "quay.io/app", "dev", "quay.io/app:dev"),
            ("127.0.0.1:5000/app:dev", "docker.io/library/app", "dev", "docker.io/library/app:dev"),
            ("127.0.0.1:5001/app:dev", "127.0.0.1__5001/app", "dev", "127.0.0.1:5001/app:dev"),
            ("192.168.56.32:5000/app:dev", "192.168.56.32__5000/app", "dev", "192.168.56.32:5000/app:dev"),
        ] {
            let place = Place::of(&plan, &Reference::new(name).unwrap());
            assert_eq!((place.repository.as_str(), place.tag.as_str()), (repository, tag), "{name}");
            assert_eq!(place.name(), shown);
        }
    }

    #[test]
    fn an_image_that_is_given_by_digest_alone_keeps_a_tag() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let name = format!("docker.io/library/nginx@{digest}");
        let place = Place::of(&plan(), &Reference::new(&name).unwrap());
        assert_eq!(place.tag, format!("digest-{}", "a".repeat(64)));
        assert_eq!(place.name(), name);
        let both = Reference::new(&format!("nginx:1@{digest}")).unwrap();
        assert_eq!(Place::of(&plan(), &both).tag, "1");
    }
}
