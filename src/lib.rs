//! hab turns one file, `hab.yaml`, into golden Vagrant boxes and one Ignition config per node.
//!
//! The modules stand in the order in which data flows; a module uses only those above it
//! (`tests/architecture.rs` holds that).

pub mod problems;
pub mod progress;
pub mod clock;
pub mod arch;
pub mod exec;
pub mod sparse;
pub mod digest;
pub mod atomic_fs;
pub mod cache;
pub mod embedded;
pub mod role;
pub mod addressing;
pub mod kinds;
pub mod provider;
pub mod config;
pub mod plan;
pub mod lock;
pub mod node;
pub mod pki;
pub mod disk;
pub mod debian;
pub mod base;
pub mod artifacts;
pub mod payload;
pub mod boot_test;
pub mod vagrant_box;
pub mod build;
pub mod lab;
pub mod cluster;
pub mod cli;
