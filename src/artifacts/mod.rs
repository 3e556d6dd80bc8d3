//! The parts of a cluster: programs and container images, each with its version, its digest and its check.
//!
//! A supply is a [`Catalog`] and the ways to make what it lists. `source` builds from Go modules and takes programs out
//! of Debian's packages, `upstream` takes what the publishers have built; whoever uses the [`Artifacts`] need not know
//! which supply they came from.

mod artifact;
mod catalog;
pub mod debian;
mod elf;
pub mod go;
pub mod image;
mod oci;
pub mod release;
mod releases;
mod verify;

pub use artifact::{Artifacts, HashedFile, Image, Program, built, program_file};
pub use catalog::{Catalog, ImageSpec, Origin, Upstream};
pub use releases::{GO, Published, Release};
pub use verify::{pin, pin_releases, pin_upstream, same_pins, same_results};
