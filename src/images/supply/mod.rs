//! The parts of a cluster: programs and container images, each with its version, its digest and its proof.
//!
//! A supply is a [`Table`] and a way to turn it into [`Artifacts`]. `source` builds them here from Go modules, one C
//! file and Debian's packages; whoever uses the result need not know which supply it was.

mod artifact;
mod c;
mod deb;
mod go;
mod image;
mod pin;
mod table;

use std::collections::BTreeMap;

use anyhow::{Context, Result};

pub use artifact::{Archive, Artifact, Artifacts, Summed};
pub use pin::{pin, toolchain};
pub use table::{CSource, Entry, Image, Origin, Table, Upstream, fill};

use crate::lock::Supply;
use crate::report::Progress;
use crate::store::Store;

/// Downloads the Go modules and Debian packages that [`build`] needs, so that it needs no network.
///
/// # Errors
/// One can't be had, or is not what its checksum says.
pub fn fetch(store: &Store, table: &Table, lock: &Supply, progress: &dyn Progress) -> Result<()> {
    deb::fetch(store, table, &lock.debs, progress)?;
    for name in table.upstreams.keys() {
        go::fetch(store, table, &lock.toolchain, name, progress)?;
    }
    Ok(())
}

/// Makes everything `table` describes as `lock` pins it, or takes it from the store.
///
/// # Errors
/// Something does not build, is not what the lock says, or can't be fetched; the message names it.
pub fn build(store: &Store, table: &Table, lock: &Supply, progress: &dyn Progress) -> Result<Artifacts> {
    pin::same_upstreams(table, lock)?;
    let mut by_go = BTreeMap::new();
    for name in table.upstreams.keys() {
        let programs = go::build(store, table, &lock.toolchain, name, progress)
            .with_context(|| format!("building {name} from its Go modules"))?;
        by_go.extend(programs);
    }
    let mut debian =
        deb::build(store, table, &lock.debs, progress).context("taking programs out of Debian's packages")?;

    let mut artifacts = Artifacts::default();
    for (name, entry) in &table.artifacts {
        let missing = || format!("nothing brought {name}");
        let (file, version, libraries) = match &entry.origin {
            Origin::Go { upstream, .. } => {
                let file = by_go.remove(name).with_context(missing)?;
                (file, table.upstream(upstream)?.version.clone(), BTreeMap::new())
            }
            Origin::C(source) => {
                let file = c::build(store, table, &lock.toolchain, name, source, progress)
                    .with_context(|| format!("building {name}"))?;
                (file, source.version.clone(), BTreeMap::new())
            }
            Origin::Debian { .. } => {
                let program = debian.remove(name).with_context(missing)?;
                (program.file, program.version, program.libraries)
            }
        };
        let says = fill(&entry.says, &version);
        let artifact = Artifact { file, libraries, check: entry.check.clone(), says, version };
        artifacts.programs.insert(name.clone(), artifact);
    }
    for (name, image) in &table.images {
        let archive = image::pack(store, image, artifacts.program(&image.artifact)?, progress)
            .with_context(|| format!("packing the image {name}"))?;
        artifacts.images.insert(name.clone(), archive);
    }
    pin::same_results(&artifacts, lock)?;
    Ok(artifacts)
}
