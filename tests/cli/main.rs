//! hab's command line from outside.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic; clippy knows only test functions")]

mod files;
mod help;
mod input;
#[path = "../support/isolated.rs"]
mod isolated;
mod labs;
#[path = "../support/mod.rs"]
mod support;
mod support_archive;
#[path = "../support/terminal.rs"]
mod terminal;
mod verbs;
