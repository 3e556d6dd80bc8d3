//! The boot test: packer boots a role's disks, and the guest tests itself.

pub mod config;
pub mod run;

pub use run::*;
