//! hab's command line from outside.

mod files;
mod help;
mod input;
#[path = "../support/mod.rs"]
mod support;
mod verbs;
