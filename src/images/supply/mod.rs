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
mod step;
mod table;

use anyhow::Result;

pub use artifact::{Archive, Artifact, Artifacts, Summed};
pub use pin::{missing_compilers, pin, same_results, same_upstreams, toolchain};
pub use step::Step;
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
    same_upstreams(table, lock)?;
    let mut artifacts = Artifacts::default();
    for step in Step::all(table) {
        step.take(store, table, lock, &mut artifacts, progress)?;
    }
    same_results(&artifacts, lock)?;
    Ok(artifacts)
}
