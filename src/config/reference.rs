//! Names of container images, as Kubernetes' manifests have them
//! (`github.com/distribution/reference`, `reference.go`), and of the registries in them.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::digest::is_sha256;

/// The registry of names that name none, and where it keeps those that are one word (`normalize.go`, at the same place).
const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_FOLDER: &str = "library";

/// What a name with neither tag nor digest means.
const LATEST: &str = "latest";

/// The longest name and the longest tag (`reference.go`).
const MAX_NAME: usize = 255;
const MAX_TAG: usize = 128;

/// The name of an image, with the registry that `docker run` would ask, and a tag or a digest or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Registry and repository, such as `docker.io/library/nginx`.
    name: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Takes `text` if it is the name of an image.
    ///
    /// # Errors
    /// Says which rule it breaks; the text itself is not repeated.
    pub fn new(text: &str) -> Result<Self, String> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(checked_digest(digest)?)),
            None => (text, None),
        };
        // A colon before the last slash is that of a port.
        let (path, tag) = match rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            Some((path, tag)) => (path, Some(checked_tag(tag)?)),
            None => (rest, None),
        };
        let (registry, repository) = match path.split_once('/').filter(|(first, _)| is_registry(first)) {
            Some((registry, repository)) => (registry.to_owned(), repository.to_owned()),
            None if path.contains('/') => (DEFAULT_REGISTRY.to_owned(), path.to_owned()),
            None => (DEFAULT_REGISTRY.to_owned(), format!("{DEFAULT_FOLDER}/{path}")),
        };
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY.to_owned() } else { registry };
        host(&registry)?;
        for part in repository.split('/') {
            checked_part(part)?;
        }
        let name = format!("{registry}/{repository}");
        if name.len() > MAX_NAME {
            return Err(format!("is {} bytes long; at most {MAX_NAME} are allowed", name.len()));
        }
        let tag = tag.or_else(|| digest.is_none().then(|| LATEST.to_owned()));
        Ok(Self { name, tag, digest })
    }

    /// Registry and repository.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The registry.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.name.split_once('/').map_or(&self.name, |(registry, _)| registry)
    }

    /// The tag; `None` where only a digest was written.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that the user wrote.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// The name with its tag; `None` where only a digest was written.
    #[must_use]
    pub fn tagged(&self) -> Option<String> {
        Some(format!("{}:{}", self.name, self.tag.as_ref()?))
    }

    /// The name with this digest.
    #[must_use]
    pub fn at(&self, digest: &str) -> String {
        format!("{}@{digest}", self.name)
    }

    /// Whether Kubernetes asks a registry for it each time, unless it is told not to: that is what the tag `latest` means
    /// (<https://kubernetes.io/docs/concepts/containers/images/#imagepullpolicy-defaulting>).
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.digest.is_none() && self.tag.as_deref() == Some(LATEST)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether the first part of a name is a registry and no folder: it has a dot, a port or a capital, or is `localhost`.
fn is_registry(first: &str) -> bool {
    first == "localhost" || first.contains(['.', ':']) || first.chars().any(|c| c.is_ascii_uppercase())
}

/// A host, with or without a port.
///
/// # Errors
/// Says which rule it breaks.
pub fn host(text: &str) -> Result<(), String> {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    if let Some(port) = port
        && (port.parse::<u16>().is_err() || port.starts_with(['+', '0']))
    {
        return Err("has behind the `:` of its registry what is no port".to_owned());
    }
    if let Some(bad) = name.chars().find(|c| !matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '.')) {
        return Err(format!("has {bad:?} in its registry, which is no host's name"));
    }
    if name.split('.').any(|part| part.is_empty() || part.starts_with('-') || part.ends_with('-')) {
        return Err("names a registry that is no host's name".to_owned());
    }
    Ok(())
}

/// A part of a repository: lower-case letters and digits, and between them one `.` or `_`, two `_`, or hyphens.
///
/// # Errors
/// Says which rule it breaks.
pub fn checked_part(part: &str) -> Result<(), String> {
    if part.is_empty() {
        return Err("has an empty part".to_owned());
    }
    if part.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("has a capital in it; only a registry's host may have one".to_owned());
    }
    if let Some(bad) = part.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')) {
        return Err(format!("has {bad:?} in it; only a-z, 0-9, `.`, `_`, `-` and `/` are allowed"));
    }
    let mut between = part.split(|c: char| c.is_ascii_alphanumeric()).filter(|text| !text.is_empty());
    let good = |text: &str| matches!(text, "." | "_" | "__") || text.chars().all(|c| c == '-');
    let ends = |c: char| !c.is_ascii_alphanumeric();
    if part.starts_with(ends) || part.ends_with(ends) || !between.all(good) {
        return Err("has a `.`, `_` or `-` with no letter or digit on both sides".to_owned());
    }
    Ok(())
}

fn checked_tag(tag: &str) -> Result<String, String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if tag.is_empty() {
        return Err("has nothing behind its `:`".to_owned());
    }
    if tag.len() > MAX_TAG || !tag.starts_with(word) || tag.chars().any(|c| !word(c) && !matches!(c, '.' | '-')) {
        return Err("has behind its `:` what is no tag".to_owned());
    }
    Ok(tag.to_owned())
}

fn checked_digest(digest: &str) -> Result<String, String> {
    if digest.strip_prefix("sha256:").is_some_and(is_sha256) {
        return Ok(digest.to_owned());
    }
    Err("has behind its `@` no digest: that is `sha256:` and 64 digits 0-9 and a-f".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "7140a1b1e1e1b1a1c1d1e1f1a1b1c1d1e1f10000000000000000000000000000";

    #[test]
    fn a_name_means_what_docker_means_by_it() {
        let digest = format!("sha256:{HEX}");
        for (text, whole) in [
            ("nginx", "docker.io/library/nginx:latest".to_owned()),
            ("nginx:1.29", "docker.io/library/nginx:1.29".to_owned()),
            ("index.docker.io/library/nginx:1", "docker.io/library/nginx:1".to_owned()),
            ("team/app:2", "docker.io/team/app:2".to_owned()),
            ("localhost/app", "localhost/app:latest".to_owned()),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c".to_owned()),
            ("registry.k8s.io/pause", "registry.k8s.io/pause:latest".to_owned()),
            (&format!("quay.io/a/b@{digest}"), format!("quay.io/a/b@{digest}")),
            (&format!("quay.io/a/b:3@{digest}"), format!("quay.io/a/b:3@{digest}")),
            ("a/b__c-d--e.f", "docker.io/a/b__c-d--e.f:latest".to_owned()),
        ] {
            assert_eq!(Reference::new(text).unwrap().to_string(), whole);
        }
        let both = Reference::new(&format!("quay.io/a/b:3@{digest}")).unwrap();
        assert_eq!((both.registry(), both.name(), both.digest()), ("quay.io", "quay.io/a/b", Some(digest.as_str())));
        assert_eq!(both.tagged().as_deref(), Some("quay.io/a/b:3"));
        assert_eq!(both.at("sha256:0"), "quay.io/a/b@sha256:0");
        assert!(Reference::new("nginx").unwrap().is_latest() && !both.is_latest());
    }

    #[test]
    fn what_is_no_name_is_refused_by_its_rule() {
        for (text, why) in [
            ("", "empty part"),
            ("a//b", "empty part"),
            ("Nginx", "capital"),
            ("docker.io/library/Nginx", "capital"),
            ("nginx:", "nothing behind its `:`"),
            ("nginx:a b", "no tag"),
            ("nginx@sha256:12", "no digest"),
            ("nginx@latest", "no digest"),
            ("a_/b", "no letter or digit on both sides"),
            ("a._b", "no letter or digit on both sides"),
            ("localhost:port/a", "no port"),
            ("exa_mple.com/a", "no host's name"),
            ("-a.com/b", "no host's name"),
            ("nginx; id", "has ';' in it"),
            ("$(id)", "has '$' in it"),
            ("https://docker.io/nginx", "no port"),
        ] {
            let said = Reference::new(text).unwrap_err();
            assert!(said.contains(why), "{text:?}: {said}");
        }
        assert!(Reference::new(&format!("a/{}", "b".repeat(300))).unwrap_err().contains("bytes long"));
    }
}
