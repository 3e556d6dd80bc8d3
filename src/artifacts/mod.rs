//! The parts of a cluster: programs and container images, each with its version, its digest and its proof.
//!
//! A supply is a [`Table`] and a way to turn it into [`Artifacts`]. `source` builds them here from Go modules, one C
//! file and Debian's packages; whoever uses the result need not know which supply it was.

mod artifact;
mod c;
mod catalog;
mod debian;
pub mod elf;
mod go;
mod image;
pub mod oci;
mod step;
mod verify;

use anyhow::Result;

pub use artifact::{Archive, Artifact, Artifacts, Summed};
pub use catalog::{CSource, Entry, Image, Origin, Table, Upstream, fill};
pub use step::Step;
pub use verify::{missing_compilers, pin, same_results, same_upstreams, toolchain};

use crate::cache::Cache;
use crate::lock::Supply;
use crate::progress::Progress;

/// Downloads the Go modules and Debian packages that [`build`] needs, so that it needs no network.
///
/// # Errors
/// One can't be had, or is not what its checksum says.
pub fn fetch(cache: &Cache, table: &Table, lock: &Supply, progress: &dyn Progress) -> Result<()> {
    debian::fetch(cache, table, &lock.debs, progress)?;
    for name in table.upstreams.keys() {
        go::fetch(cache, table, &lock.toolchain, name, progress)?;
    }
    Ok(())
}

/// Makes everything `table` describes as `lock` pins it, or takes it from the cache.
///
/// # Errors
/// Something does not build, is not what the lock says, or can't be fetched; the message names it.
pub fn build(cache: &Cache, table: &Table, lock: &Supply, progress: &dyn Progress) -> Result<Artifacts> {
    same_upstreams(table, lock)?;
    let mut artifacts = Artifacts::default();
    for step in Step::all(table) {
        step.take(cache, table, lock, &mut artifacts, progress)?;
    }
    same_results(&artifacts, lock)?;
    Ok(artifacts)
}
