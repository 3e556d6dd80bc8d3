//! What hab renders, held against the real tools.

// Outside `#[test]` functions clippy does not see that this is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod addons;
mod agent;
mod bases;
mod built;
mod cluster;
mod etcd;
#[path = "../support/isolated.rs"]
mod isolated;
mod hostport;
mod labs;
mod leaves;
mod mistakes;
mod namespace;
mod node;
mod parts;
mod pki;
mod policies;
mod snippets;
mod scripts;
mod shell;
#[path = "../support/rendered.rs"]
mod rendered;
#[path = "../support/terminal.rs"]
mod terminal;
mod vagrant;
mod virtualbox;
