//! What skopeo is told of registries (containers-registries.conf(5)).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::config::Registries;

/// The file's text. All that comes from a user is the name of a host or a path of a repository, which were checked.
pub fn conf(said: &Registries) -> String {
    let mut text = "unqualified-search-registries = []\n".to_owned();
    let is_insecure = |location: &str| {
        let host = location.split('/').next().unwrap_or_default();
        said.insecure.iter().any(|insecure| insecure == host)
    };
    let all: BTreeSet<&String> = said.mirrors.keys().chain(&said.insecure).collect();
    for registry in all {
        // Writing to a String can't go wrong.
        let _ = write!(
            text,
            "\n[[registry]]\nprefix = \"{registry}\"\nlocation = \"{registry}\"\ninsecure = {}\n",
            is_insecure(registry)
        );
        if let Some(mirror) = said.mirrors.get(registry) {
            let insecure = mirror.insecure || is_insecure(&mirror.location);
            let _ = write!(text, "[[registry.mirror]]\nlocation = \"{}\"\ninsecure = {insecure}\n", mirror.location);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Mirror;

    #[test]
    fn a_registry_is_named_once_with_its_mirror() {
        let mirror = |location: &str| Mirror { location: location.to_owned(), insecure: false };
        let said = Registries {
            mirrors: [("docker.io".to_owned(), mirror("m:5000/hub")), ("m:5000".to_owned(), mirror("n"))].into(),
            insecure: vec!["m:5000".to_owned()],
            in_lab: false,
        };
        let expected = "unqualified-search-registries = []\n\n\
            [[registry]]\nprefix = \"docker.io\"\nlocation = \"docker.io\"\ninsecure = false\n\
            [[registry.mirror]]\nlocation = \"m:5000/hub\"\ninsecure = true\n\n\
            [[registry]]\nprefix = \"m:5000\"\nlocation = \"m:5000\"\ninsecure = true\n\
            [[registry.mirror]]\nlocation = \"n\"\ninsecure = false\n";
        assert_eq!(conf(&said), expected);
        assert_eq!(conf(&Registries::default()), "unqualified-search-registries = []\n");
    }
}
