//! hab turns one file, `hab.yaml`, into golden Vagrant boxes and one Ignition config per node.
//!
//! # A short tour
//!
//! 1. [`config`] reads `hab.yaml`, sets the defaults and reports every problem at its place. What can be chosen in it
//!    stands in [`kinds`].
//! 2. [`plan`] decides every name and address. It is pure: the same file gives the same [`plan::Plan`].
//! 3. [`lock`] pins what boxes are made of, [`base`] and [`artifacts`] make the parts, [`payload`] puts a role's parts on
//!    a disk, [`boot_test`] boots it, [`vagrant_box`] packs it.
//! 4. [`build`] is the graph of all these steps: each is a [`build::Step`] that makes one entry of the [`cache`]. Begin
//!    with [`build::Graph`] to see how a build runs.
//! 5. [`pki`] issues certificates, and [`node`] puts files, templates and certificates together as one Ignition config per
//!    node.
//! 6. [`lab`] writes all of it into the lab's folder, where Vagrant reads it, and [`labs`] knows where this user's labs
//!    are. [`cluster`] then looks at what runs.
//!    [`session`] runs a command on one of its nodes.
//!    [`registry`] brings images into a lab that runs.
//! 7. [`saves`] keeps a running lab as it is at one moment, and brings it back to that.
//! 8. [`roll`] makes nodes of a running lab anew, and [`leave`] has the cluster forget one.
//! 9. [`backup`] keeps what the cluster knows in a file, and brings it back.
//! 10. [`support`] puts what a helper needs into one archive.
//! 11. [`cli`] has the verbs: each parses, calls the modules above and prints.
//!
//! What follows from a choice is a table: [`provider`] for what runs the machines, [`base`] for their operating system,
//! [`arch`] for their processor. Other programs are run by [`exec`] alone, and the lab's files are written by
//! [`atomic_fs`].
//!
//! The modules stand below in the order in which data flows; a module uses only those above it
//! (`tests/architecture.rs` holds that). `docs/architecture.md` says more, `CONTRIBUTING.md` where a new thing goes.

mod problems;
mod xdg;
pub mod progress;
pub mod clock;
mod arch;
mod parallel;
pub mod exec;
mod sparse;
mod terminal;
pub mod digest;
mod atomic_fs;
pub mod cache;
pub mod download;
mod embedded;
pub mod role;
mod addressing;
mod pem;
pub mod kinds;
pub mod provider;
pub mod config;
pub mod plan;
pub mod lock;
pub mod node;
pub mod pki;
mod disk;
mod debian;
pub mod base;
pub mod artifacts;
pub mod container_images;
mod payload;
pub mod boot_test;
pub mod vagrant_box;
pub mod build;
pub mod lab;
pub mod session;
pub mod labs;
pub mod kubeconfig;
pub mod cluster;
pub mod registry;
pub mod saves;
pub mod roll;
pub mod leave;
pub mod backup;
pub mod support;
pub mod cli;
