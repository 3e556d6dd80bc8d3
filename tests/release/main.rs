//! The supply `upstream` against a server on the loopback: what is fetched, what is refused, and how that is said.

// All of this program is a test, its helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cosign;
mod download;
mod lab;
mod programs;
mod server;
