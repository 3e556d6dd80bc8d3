//! hab turns one file, `hab.yaml`, into golden Vagrant boxes and per-node Ignition configs.
//!
//! The rooms stand in the order in which data flow; a room uses only those above it
//! (`tests/house.rs` holds that).

pub mod report;
pub mod clock;
pub mod tool;
pub mod yard;
pub mod store;
pub mod spec;
pub mod plan;
pub mod lock;
pub mod tree;
pub mod pki;
pub mod templates;
pub mod ignition;
pub mod images;
pub mod vagrant;
pub mod cluster;
pub mod cli;
