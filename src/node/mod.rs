//! A node's files: those that go as they are, those filled in, its certificates and the user's snippets, as one Ignition
//! config of spec 3.3.0.
//!
//! 3.3.0 is the newest spec that Debian's Ignition 2.14, Flatcar's and Fedora CoreOS's all take
//! (<https://coreos.github.io/ignition/migrating-configs/>).

pub mod base_files;
mod encode;
pub mod files;
pub mod ignition;
mod snippet;
pub mod templates;

pub use snippet::Snippet;
