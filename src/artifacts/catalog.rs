//! The table of a supply: artifact -> where from, which version, how it proves that version.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// `images/supply/source.yaml`, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What Go builds from, by the name of its folder.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Every program, by its name on the node.
    pub artifacts: BTreeMap<String, Entry>,
    /// Container images packed from artifacts.
    pub images: BTreeMap<String, Image>,
}

/// A Go module with a wrapper folder `images/supply/source/<name>`, which pins all it needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// The module's path.
    pub module: String,
    /// Its version, as the wrapper's go.mod requires it.
    pub version: String,
    /// Go variables set at link time, and their values.
    #[serde(default)]
    pub stamp: BTreeMap<String, String>,
}

impl Upstream {
    /// The argument of `go build -ldflags`: no symbol table, no build id (it differs where nothing else does), stamps.
    #[must_use]
    pub fn ldflags(&self) -> String {
        let stamps = self.stamp.iter().map(|(name, value)| format!(" -X {name}={}", fill(value, &self.version)));
        format!("-s -w -buildid={}", stamps.collect::<String>())
    }
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Entry {
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The arguments that make it say its version.
    pub check: Vec<String>,
    /// What it must say then.
    pub says: String,
}

/// Where an artifact comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Origin {
    /// Built by Go.
    Go {
        /// The upstream that has it.
        upstream: String,
        /// The import path of its main package.
        package: String,
    },
    /// One C file of a Go module, linked statically.
    C(CSource),
    /// A program of a Debian package, with the libraries it needs.
    Debian {
        /// The package.
        package: String,
        /// The program's path in it.
        file: String,
    },
}

/// One C file that is a program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CSource {
    /// The upstream whose module has it.
    pub upstream: String,
    /// Its path in the module.
    pub file: String,
    /// The macro that stamps the version in.
    pub define: String,
    /// The program's version, which is not the module's.
    pub version: String,
}

/// A container image of one layer with one program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// The full name containerd knows it by.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The program in it.
    pub artifact: String,
    /// Where in the image the program stands, without a leading slash.
    pub path: String,
}

impl Table {
    /// The table of the supply `source`.
    ///
    /// # Errors
    /// The embedded table is broken, which the unit tests rule out.
    pub fn source() -> Result<Self> {
        serde_yaml::from_str(crate::embedded::text("supply/source.yaml")?).context("reading images/supply/source.yaml")
    }

    /// The upstream called `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn upstream(&self, name: &str) -> Result<&Upstream> {
        self.upstreams.get(name).with_context(|| format!("images/supply/source.yaml has no upstream {name}"))
    }

    /// The Debian packages the table's programs come from, in order, each once.
    #[must_use]
    pub fn debian_packages(&self) -> Vec<&str> {
        let packages = self.artifacts.values().filter_map(|entry| match &entry.origin {
            Origin::Debian { package, .. } => Some(package.as_str()),
            _ => None,
        });
        packages.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}

/// Puts a version into a text of the table: `{version}`, `{number}`, `{major}`, `{minor}`.
#[must_use]
pub fn fill(text: &str, version: &str) -> String {
    let number = number(version);
    let mut parts = number.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    text.replace("{version}", version).replace("{number}", number).replace("{major}", major).replace("{minor}", minor)
}

/// A version without Go's `v`, and without Debian's epoch and revision (deb-version(7)).
fn number(version: &str) -> &str {
    let bare = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    let bare = bare.rsplit_once('-').map_or(bare, |(upstream, _revision)| upstream);
    bare.strip_prefix('v').unwrap_or(bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::go::files;

    #[test]
    fn versions_are_put_in_as_each_program_says_them() {
        assert_eq!(fill("Kubernetes {version}", "v1.36.3"), "Kubernetes v1.36.3");
        assert_eq!(fill("{number} {major} {minor}", "v1.36.3"), "1.36.3 1 36");
        assert_eq!(fill("runc version {number}", "1.1.15+ds1-2+b4"), "runc version 1.1.15+ds1");
        assert_eq!(fill("{number}", "2:3.0.11-1+deb13u5"), "3.0.11");
    }

    #[test]
    fn the_table_says_what_go_mod_requires() {
        let table = Table::source().unwrap();
        for (name, upstream) in &table.upstreams {
            let files = files(name).unwrap();
            let go_mod = files.iter().find(|(path, _)| path == "go.mod").map(|(_, bytes)| *bytes).unwrap();
            let go_mod = std::str::from_utf8(go_mod).unwrap();
            let wanted = format!("{} {}", upstream.module, upstream.version);
            let own = format!("module {}", upstream.module);
            let has = go_mod.lines().any(|line| line.trim().trim_start_matches("require ") == wanted || line == own);
            assert!(has, "{name}: go.mod does not require {wanted}");
        }
    }

    #[test]
    fn every_origin_and_image_names_what_is_there() {
        let table = Table::source().unwrap();
        for (name, entry) in &table.artifacts {
            if let Origin::Go { upstream, .. } | Origin::C(CSource { upstream, .. }) = &entry.origin {
                assert!(table.upstreams.contains_key(upstream), "{name}");
            }
        }
        for (name, image) in &table.images {
            assert!(table.artifacts.contains_key(&image.artifact), "{name}");
        }
        assert_eq!(table.debian_packages(), ["haproxy", "nftables", "runc"]);
    }

    #[test]
    fn the_templates_name_the_image_that_is_packed() {
        let table = Table::source().unwrap();
        let Origin::C(source) = &table.artifacts["pause"].origin else { panic!("pause is not a C program") };
        let packed = fill(&table.images["pause"].reference, &source.version);
        assert_eq!(packed, crate::node::templates::PAUSE_IMAGE);
    }

    #[test]
    fn stamps_become_linker_flags() {
        let table = Table::source().unwrap();
        let flags = table.upstream("kubernetes").unwrap().ldflags();
        assert!(flags.starts_with("-s -w -buildid= -X "), "{flags}");
        assert!(flags.contains(" -X k8s.io/component-base/version.gitVersion=v1.36.3"), "{flags}");
        assert!(!flags.contains('{'), "{flags}");
    }
}
