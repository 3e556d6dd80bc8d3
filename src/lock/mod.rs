//! What a lab is made of, written down.

mod deb;
mod supply;

pub use deb::{Archive, Base, Deb};
pub use supply::{Built, Supply, Toolchain, Upstream};
