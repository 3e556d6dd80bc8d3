//! The catalog of a supply: artifact -> where from, which version, how it proves that version.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::releases::{self, Release};
use crate::embedded;
use crate::kinds::Supply;

/// The folder of the upstreams' folders.
const FOLDER: &str = "supply/source";

/// The folder of the tables of what only some labs have.
const PARTS: &str = "supply";

/// The table, and the folder, of what is no supply's.
const OF_IMAGES: &str = "linker";

/// The upstream that has a folder for each of its versions.
const KUBERNETES: &str = "kubernetes";

/// `images/supply/source.yaml`, as it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// The Go toolchain, such as `go1.26.8`.
    #[serde(default)]
    pub go: String,
    /// What Go builds from, by name.
    #[serde(default)]
    pub upstreams: BTreeMap<String, Upstream>,
    /// Every program, by its name on the node.
    pub artifacts: BTreeMap<String, Artifact>,
    /// What of all this only some labs have: the tables that are part of it.
    #[serde(skip)]
    pub parts: Vec<&'static str>,
    /// Container images packed from artifacts.
    #[serde(default)]
    pub images: BTreeMap<String, ImageSpec>,
    /// What the publishers have built, by name; nothing but in the supply `upstream`.
    #[serde(skip)]
    pub releases: BTreeMap<String, Release>,
}

/// A Go module with a wrapper folder, which pins all it needs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// The module's path.
    pub module: String,
    /// Its version, as the wrapper's go.mod requires it.
    #[serde(default)]
    pub version: String,
    /// Go variables set at link time, and their values.
    #[serde(default)]
    pub stamp: BTreeMap<String, String>,
    /// Build tags: what is left out, or built in another way.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The wrapper's folder in `images/`.
    #[serde(skip)]
    folder: String,
}

impl Upstream {
    /// The argument of `go build -ldflags`: no symbol table, no build id (it differs where nothing else does), stamps.
    #[must_use]
    pub fn ldflags(&self) -> String {
        let stamps = self.stamp.iter().map(|(name, value)| format!(" -X {name}={}", fill(value, &self.version)));
        format!("-s -w -buildid={}", stamps.collect::<String>())
    }

    /// What `go build` is told of this upstream alone.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let tags = (!self.tags.is_empty()).then(|| format!("-tags={}", self.tags.join(",")));
        [format!("-ldflags={}", self.ldflags())].into_iter().chain(tags).collect()
    }

    /// The wrapper's files, by name and in order.
    ///
    /// # Errors
    /// hab was built without them.
    pub fn files(&self) -> Result<Vec<(String, &'static [u8])>> {
        let files = embedded::folder(&self.folder)?.files();
        let named = files.filter_map(|file| Some((file.path().file_name()?.to_str()?.to_owned(), file.contents())));
        let mut files: Vec<_> = named.collect();
        files.sort();
        Ok(files)
    }
}

/// One program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Artifact {
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
    /// A program of a Debian package, with the libraries it needs.
    Debian {
        /// The package.
        package: String,
        /// The program's path in it.
        file: String,
    },
    /// Built by its publisher: the release that has it.
    #[serde(skip)]
    Release(String),
}

/// A container image of one layer with one program.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSpec {
    /// The full name containerd knows it by.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The program in it.
    pub artifact: String,
    /// Where in the image the program stands, without a leading slash.
    pub path: String,
    /// The program's arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// What runs if a pod says nothing else, in place of the program itself.
    #[serde(default)]
    pub command: Vec<String>,
    /// Names beside the program that lead to it, too.
    #[serde(default)]
    pub links: Vec<String>,
}

impl Catalog {
    /// The catalog of a supply with this version of Kubernetes, and with the parts that only some labs have.
    pub fn of(supply: Supply, kubernetes: &str, parts: &[&'static str]) -> Result<Self> {
        let mut catalog = Self::source(kubernetes)?;
        for part in parts.iter().copied() {
            catalog.add(part)?;
        }
        match supply {
            Supply::Source => {}
            Supply::Upstream => releases::take(&mut catalog)?,
        }
        Ok(catalog)
    }

    /// The catalog of the supply `source` with this version of Kubernetes.
    pub fn source(kubernetes: &str) -> Result<Self> {
        let text = embedded::text(&format!("{FOLDER}.yaml"))?;
        let mut catalog: Self = serde_yaml::from_str(text).with_context(|| format!("reading images/{FOLDER}.yaml"))?;
        for (name, upstream) in &mut catalog.upstreams {
            upstream.folder = format!("{FOLDER}/{name}");
            if name == KUBERNETES {
                upstream.folder = format!("{FOLDER}/{name}/{kubernetes}");
                kubernetes.clone_into(&mut upstream.version);
            }
            embedded::folder(&upstream.folder).with_context(|| format!("this hab builds no {name} {kubernetes}"))?;
        }
        Ok(catalog)
    }

    /// The table `images/supply/PART.yaml` alone, of what only some labs have.
    ///
    /// # Errors
    /// hab was built without it.
    pub fn of_part(part: &'static str) -> Result<Self> {
        let path = format!("{PARTS}/{part}.yaml");
        let about = || format!("reading images/{path}");
        let mut table: Self = serde_yaml::from_str(embedded::text(&path)?).with_context(about)?;
        for (name, upstream) in &mut table.upstreams {
            upstream.folder = format!("{FOLDER}/{name}");
            embedded::folder(&upstream.folder).with_context(about)?;
        }
        table.parts.push(part);
        Ok(table)
    }

    /// Adds what is in the table of a part: it is in the lock and the boxes of no lab without that part.
    fn add(&mut self, part: &'static str) -> Result<()> {
        let Self { upstreams, artifacts, images, parts, .. } = Self::of_part(part)?;
        for (name, upstream) in upstreams {
            ensure!(self.upstreams.insert(name.clone(), upstream).is_none(), "{part}: {name} is there already");
        }
        for (name, artifact) in artifacts {
            ensure!(self.artifacts.insert(name.clone(), artifact).is_none(), "{part}: {name} is there already");
        }
        for (name, image) in images {
            ensure!(self.images.insert(name.clone(), image).is_none(), "{part}: {name} is there already");
        }
        self.parts.extend(parts);
        Ok(())
    }

    /// What tells containerd of the images that a lab brings along: `images/linker.yaml`. No role's payload has its program, so
    /// it is in no supply.
    ///
    /// # Errors
    /// hab was built without it.
    pub fn of_images() -> Result<Self> {
        let text = embedded::text(&format!("{OF_IMAGES}.yaml"))?;
        let mut catalog: Self =
            serde_yaml::from_str(text).with_context(|| format!("reading images/{OF_IMAGES}.yaml"))?;
        for upstream in catalog.upstreams.values_mut() {
            OF_IMAGES.clone_into(&mut upstream.folder);
        }
        Ok(catalog)
    }

    /// The upstream called `name`.
    ///
    /// # Errors
    /// There is none.
    pub fn upstream(&self, name: &str) -> Result<&Upstream> {
        self.upstreams.get(name).with_context(|| format!("images/{FOLDER}.yaml has no upstream {name}"))
    }

    /// Artifact name -> import path, of those an upstream brings.
    #[must_use]
    pub fn go_packages(&self, upstream: &str) -> BTreeMap<&str, &str> {
        let of_upstream = self.artifacts.iter().filter_map(|(name, artifact)| match &artifact.origin {
            Origin::Go { upstream: own, package } if own == upstream => Some((name.as_str(), package.as_str())),
            _ => None,
        });
        of_upstream.collect()
    }

    /// The programs out of Debian's packages: (artifact, package, file).
    pub fn debian_programs(&self) -> impl Iterator<Item = DebianProgram<'_>> {
        self.artifacts.iter().filter_map(|(name, artifact)| match &artifact.origin {
            Origin::Debian { package, file } => Some(DebianProgram { name, package, file }),
            Origin::Go { .. } | Origin::Release(_) => None,
        })
    }

    /// The Debian packages the catalog's programs come from, in order, each once.
    #[must_use]
    pub fn debian_packages(&self) -> BTreeSet<&str> {
        self.debian_programs().map(|program| program.package).collect()
    }
}

/// A program out of a Debian package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DebianProgram<'c> {
    /// The artifact's name.
    pub name: &'c str,
    /// The package.
    pub package: &'c str,
    /// The file's path in it.
    pub file: &'c str,
}

/// Puts a version into a text of the catalog: `{version}`, `{number}`, `{major}`, `{minor}`.
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

    /// The catalog of every version, with every part.
    fn catalogs() -> Vec<Catalog> {
        let versions = Supply::Source.kubernetes_versions();
        assert!(!versions.is_empty());
        versions.iter().map(|version| Catalog::of(Supply::Source, version, crate::kinds::PARTS).unwrap()).collect()
    }

    #[test]
    fn versions_are_put_in_as_each_program_says_them() {
        assert_eq!(fill("Kubernetes {version}", "v1.36.3"), "Kubernetes v1.36.3");
        assert_eq!(fill("{number} {major} {minor}", "v1.36.3"), "1.36.3 1 36");
        assert_eq!(fill("runc version {number}", "1.1.15+ds1-2+b4"), "runc version 1.1.15+ds1");
        assert_eq!(fill("{number}", "2:3.0.11-1+deb13u5"), "3.0.11");
    }

    #[test]
    fn the_catalog_says_what_go_mod_requires() {
        for catalog in catalogs() {
            for (name, upstream) in &catalog.upstreams {
                let files = upstream.files().unwrap();
                let go_mod = files.iter().find(|(path, _)| path == "go.mod").map(|(_, bytes)| *bytes).unwrap();
                let go_mod = std::str::from_utf8(go_mod).unwrap();
                let wanted = format!("{} {}", upstream.module, upstream.version);
                let own = format!("module {}", upstream.module);
                let has =
                    go_mod.lines().any(|line| line.trim().trim_start_matches("require ") == wanted || line == own);
                assert!(has, "{name}: go.mod does not require {wanted}");
            }
        }
    }

    #[test]
    fn the_toolchain_is_new_enough_for_every_module() {
        let version = |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().unwrap()).collect() };
        for catalog in catalogs() {
            let own = version(catalog.go.strip_prefix("go").unwrap());
            for (name, upstream) in &catalog.upstreams {
                let files = upstream.files().unwrap();
                let (_, go_mod) = files.iter().find(|(path, _)| path == "go.mod").unwrap();
                let text = std::str::from_utf8(go_mod).unwrap();
                let wanted = text.lines().find_map(|line| line.strip_prefix("go ")).unwrap();
                assert!(own >= version(wanted.trim()), "{name} wants Go {wanted}");
            }
        }
    }

    #[test]
    fn every_origin_and_image_names_what_is_there() {
        for catalog in catalogs() {
            for (name, artifact) in &catalog.artifacts {
                if let Origin::Go { upstream, .. } = &artifact.origin {
                    assert!(catalog.upstreams.contains_key(upstream), "{name}");
                }
            }
            for (name, image) in &catalog.images {
                assert!(catalog.artifacts.contains_key(&image.artifact), "{name}");
            }
            let packages: Vec<&str> = catalog.debian_packages().into_iter().collect();
            assert_eq!(packages, ["busybox-static", "catatonit", "haproxy", "nftables", "runc"]);
        }
    }

    #[test]
    fn the_templates_name_the_images_that_are_packed() {
        use crate::node::templates::{BUSYBOX_IMAGE, PAUSE_IMAGE};
        for catalog in catalogs() {
            assert_eq!(catalog.images["pause"].reference, PAUSE_IMAGE);
            assert_eq!(catalog.images["busybox"].reference, BUSYBOX_IMAGE);
        }
    }

    #[test]
    fn a_part_is_in_no_catalog_that_does_not_ask_for_it() {
        let version = Supply::Source.kubernetes_versions()[0];
        let of = |parts: &[&'static str]| Catalog::of(Supply::Source, version, parts).unwrap();
        assert_eq!(of(&[]), Catalog::source(version).unwrap());
        assert!(of(&["flannel"]).artifacts.contains_key("flanneld") && !of(&[]).artifacts.contains_key("flanneld"));
        assert!(Catalog::of(Supply::Source, version, &["nothing"]).is_err());
    }

    #[test]
    fn stamps_become_linker_flags() {
        for catalog in catalogs() {
            let kubernetes = catalog.upstream("kubernetes").unwrap();
            let flags = kubernetes.ldflags();
            assert!(flags.starts_with("-s -w -buildid= -X "), "{flags}");
            let stamp = format!(" -X k8s.io/component-base/version.gitVersion={}", kubernetes.version);
            assert!(flags.contains(&stamp) && !flags.contains('{'), "{flags}");
            assert_eq!(kubernetes.flags(), [format!("-ldflags={flags}")]);
            let tagged = Upstream { tags: vec!["a".to_owned(), "b".to_owned()], ..kubernetes.clone() };
            assert_eq!(tagged.flags()[1..], ["-tags=a,b"]);
        }
    }

    #[test]
    fn a_version_that_is_not_there_is_refused() {
        let error = format!("{:#}", Catalog::source("v1.2.3").unwrap_err());
        assert!(error.contains("this hab builds no kubernetes v1.2.3"), "{error}");
    }
}
