//! Debian's packages: which ones (from the signed indexes), fetched and checked, unpacked.
//!
//! They are only ever unpacked. No maintainer script runs, so there is nothing to be root for, no chroot, no namespace,
//! and the same packages always give the same files.

mod fetch;
mod index;
mod mirror;
pub mod tools;

pub use fetch::{fetch, package};
pub use index::Index;
