//! The table of the supply `upstream`: release -> the files that its publisher has of it, and what is in them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use super::catalog::{Catalog, Origin, fill};
use crate::arch::TARGET;
use crate::embedded;

/// The table, in `images/`.
const TABLE: &str = "supply/upstream.yaml";

/// The release of the Go toolchain, which is no program of a node's.
pub const GO: &str = "go";

/// `images/supply/upstream.yaml`, as it stands there.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    releases: BTreeMap<String, Release>,
}

/// What a publisher has built of one version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The address of a file.
    url: String,
    /// The address of the list of digests for it.
    sums: String,
    /// Where a program stands in it; none when the file is the program.
    member: Option<String>,
    /// Who signs it by cosign, if its publisher is known to.
    pub signer: Option<Signer>,
    /// The version, such as `v1.36.3`.
    #[serde(skip)]
    pub version: String,
}

/// Who signs files by cosign. The signature is beside a file, with `.sig` at the end, and so is the certificate, with `.cert`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// To whom the certificate was given.
    pub identity: String,
    /// Who said that it was them.
    pub issuer: String,
}

/// A file of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Its address.
    pub url: String,
    /// The address of the list that has its digest.
    pub sums: String,
    /// Where in it each program stands; `None` when the file is the program.
    pub programs: BTreeMap<String, Option<String>>,
}

impl Release {
    fn fill(&self, text: &str, program: &str) -> String {
        fill(text, &self.version).replace("{arch}", TARGET.go).replace("{program}", program)
    }

    /// The files that have `programs`, in their order.
    #[must_use]
    pub fn files<'a>(&self, programs: impl IntoIterator<Item = &'a str>) -> Vec<Published> {
        let mut files: Vec<Published> = Vec::new();
        for program in programs {
            let url = self.fill(&self.url, program);
            let member = self.member.as_ref().map(|member| self.fill(member, program));
            if let Some(file) = files.iter_mut().find(|file| file.url == url) {
                file.programs.insert(program.to_owned(), member);
                continue;
            }
            let sums = self.fill(&self.sums.replace("{url}", &self.url), program);
            files.push(Published { url, sums, programs: BTreeMap::from([(program.to_owned(), member)]) });
        }
        files
    }
}

/// Takes from their publishers' builds whatever has one, instead of from Go.
///
/// # Errors
/// The table is damaged.
pub fn take(catalog: &mut Catalog) -> Result<()> {
    let about = || format!("reading images/{TABLE}");
    let table: Table = serde_yaml::from_str(embedded::text(TABLE)?).with_context(about)?;
    for (name, mut release) in table.releases {
        if name == GO {
            release.version.clone_from(&catalog.go);
        } else {
            let upstream = catalog.upstreams.remove(&name);
            let upstream = upstream.with_context(|| format!("{}: nothing is called {name}", about()))?;
            release.version = upstream.version;
        }
        for artifact in catalog.artifacts.values_mut() {
            if matches!(&artifact.origin, Origin::Go { upstream, .. } if *upstream == name) {
                artifact.origin = Origin::Release(name.clone());
            }
        }
        catalog.releases.insert(name, release);
    }
    Ok(())
}

impl Catalog {
    /// The release called `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn release(&self, name: &str) -> Result<&Release> {
        self.releases.get(name).with_context(|| format!("images/{TABLE} has no release {name}"))
    }

    /// The files of a release that hab takes something from.
    ///
    /// # Errors
    /// There is no such release.
    pub fn published(&self, name: &str) -> Result<Vec<Published>> {
        let of_release = self.artifacts.iter().filter_map(|(program, artifact)| match &artifact.origin {
            Origin::Release(release) if release == name => Some(program.as_str()),
            _ => None,
        });
        let go = (name == GO).then_some(GO);
        Ok(self.release(name)?.files(of_release.chain(go)))
    }
}

/// The digest of the file `name` in a publisher's list.
///
/// # Errors
/// It is not there.
pub fn digest_in(list: &str, name: &str) -> Result<String> {
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    let lines: Vec<&[&str]> = lines.iter().map(Vec::as_slice).filter(|words| !words.is_empty()).collect();
    // sha256sum marks a file that it read as binary with `*`; some publishers name it with its folder.
    let is_named = |file: &str| file.trim_start_matches('*').rsplit('/').next() == Some(name);
    let is_alone = lines.len() == 1;
    let mut found = lines.iter().filter_map(|words| match words {
        [digest] if is_alone => Some(*digest),
        [digest, file] if is_named(file) => Some(*digest),
        _ => None,
    });
    let digest = match (found.next(), found.next()) {
        (Some(digest), None) => digest,
        (Some(_), Some(_)) => bail!("the list has {name} twice"),
        (None, _) => bail!("the list has no {name}; it begins with {:?}", list.chars().take(80).collect::<String>()),
    };
    let is_sha256 = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(is_sha256, "{digest:?} is no SHA-256, which is 64 hexadecimal digits");
    Ok(digest.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Supply;

    fn catalog() -> Catalog {
        Catalog::of(Supply::Upstream, Supply::Upstream.kubernetes_versions()[0], &[]).unwrap()
    }

    #[test]
    fn all_that_go_builds_is_published_but_the_probe() {
        let catalog = catalog();
        assert_eq!(catalog.upstreams.keys().collect::<Vec<_>>(), ["probe"]);
        let built = catalog.artifacts.iter().filter(|(_, artifact)| matches!(artifact.origin, Origin::Go { .. }));
        assert_eq!(built.map(|(name, _)| name).collect::<Vec<_>>(), ["hab-probe"]);
        let source = Catalog::of(Supply::Source, &catalog.release("kubernetes").unwrap().version, &[]).unwrap();
        assert_eq!(source.artifacts.keys().collect::<Vec<_>>(), catalog.artifacts.keys().collect::<Vec<_>>());
        assert_eq!((source.images, source.releases.len()), (catalog.images, 0));
    }

    #[test]
    fn a_file_has_an_address_a_list_and_programs() {
        let mut catalog = catalog();
        for (name, version) in
            [("kubernetes", "v1.2.3"), ("containerd", "v2.0.1"), ("etcd", "v3.4.5"), ("go", "go1.26.8")]
        {
            catalog.releases.get_mut(name).unwrap().version = version.to_owned();
        }
        let files = catalog.published("kubernetes").unwrap();
        assert_eq!(files.len(), 6);
        assert_eq!(files[0].url, "https://dl.k8s.io/release/v1.2.3/bin/linux/amd64/kube-apiserver");
        assert_eq!(files[0].sums, "https://dl.k8s.io/release/v1.2.3/bin/linux/amd64/kube-apiserver.sha256");
        assert_eq!(files[0].programs, BTreeMap::from([("kube-apiserver".to_owned(), None)]));
        let containerd = &catalog.published("containerd").unwrap()[0];
        assert!(containerd.url.ends_with("/download/v2.0.1/containerd-static-2.0.1-linux-amd64.tar.gz"));
        assert_eq!(containerd.programs["ctr"].as_deref(), Some("bin/ctr"));
        let [etcd] = &catalog.published("etcd").unwrap()[..] else { panic!("etcd is one file") };
        assert!(
            etcd.url.ends_with("/v3.4.5/etcd-v3.4.5-linux-amd64.tar.gz") && etcd.sums.ends_with("/v3.4.5/SHA256SUMS")
        );
        assert_eq!(etcd.programs["etcdutl"].as_deref(), Some("etcd-v3.4.5-linux-amd64/etcdutl"));
        assert_eq!(etcd.programs.len(), 3);
        assert_eq!(catalog.published("go").unwrap()[0].url, "https://dl.google.com/go/go1.26.8.linux-amd64.tar.gz");
        for (name, release) in &catalog.releases {
            for file in catalog.published(name).unwrap() {
                assert!(file.url.starts_with("https://") && file.sums.starts_with("https://"), "{name}");
                assert!(!format!("{file:?}").contains("{arch}") && !file.programs.is_empty(), "{name}: {release:?}");
            }
        }
    }

    #[test]
    fn lists_of_digests_are_read_as_publishers_write_them() {
        let (one, two) = ("a".repeat(64), "B".repeat(64));
        // Kubernetes and Go; the second without an end of line.
        assert_eq!(digest_in(&format!("{one}\n"), "kubelet").unwrap(), one);
        assert_eq!(digest_in(&one, "kubelet").unwrap(), one);
        let list = format!("{one}  etcd-v1.zip\n{two} *release/etcd-v1.tar.gz\n");
        assert_eq!(digest_in(&list, "etcd-v1.tar.gz").unwrap(), two.to_lowercase());
        assert!(digest_in(&list, "etcd-v2.tar.gz").unwrap_err().to_string().contains("no etcd-v2.tar.gz"));
        // One line that names another file is not one digest.
        assert!(digest_in(&format!("{one}  other"), "kubelet").is_err());
        assert!(digest_in(&format!("{one} a\n{two} a\n"), "a").unwrap_err().to_string().contains("twice"));
        for bad in ["", "\n\n", "<html>", &one[1..], &format!("{one}0"), "<!DOCTYPE html>\n<p>a b</p>\n"] {
            assert!(digest_in(bad, "a").is_err(), "{bad:?}");
        }
    }
}
