//! hab turns one file, `hab.yaml`, into golden Vagrant boxes and per-node Ignition configs.
//!
//! The rooms stand in the order in which data flow; a room uses only those above it
//! (`tests/house.rs` holds that).

pub mod cli;
pub mod clock;
pub mod cluster;
pub mod ignition;
pub mod images;
pub mod lock;
pub mod pki;
pub mod plan;
pub mod report;
pub mod spec;
pub mod store;
pub mod templates;
pub mod tool;
pub mod tree;
pub mod yard;
