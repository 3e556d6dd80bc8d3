//! A node's files: those that go as they are, those filled in, its certificates and the user's snippets, as one Ignition
//! config of spec 3.3.0 (why that one: [`ignition`]).

pub mod addons;
pub mod base_files;
mod configured;
mod encode;
pub mod files;
pub mod groups;
pub mod ignition;
mod links;
mod snippet;
pub mod templates;

pub use encode::DATA_LABEL;
pub use groups::{NodeAddons, NodeKind, NodeNetwork};
pub use snippet::Snippet;
