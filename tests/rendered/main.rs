//! What `hab render` writes: as reviewed (golden), complete in itself, and keeping its secrets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic; clippy knows only test functions"
)]

mod addons;
mod bases;
mod closure;
mod golden;
#[path = "../support/isolated.rs"]
mod isolated;
mod knobs;
mod manifests;
mod networks;
#[path = "../support/rendered.rs"]
mod rendered;
mod secrets;
mod snippets;
#[path = "../support/mod.rs"]
mod support;
