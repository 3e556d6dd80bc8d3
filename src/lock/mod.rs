//! What a lab is made of, written down.

mod deb;

pub use deb::{Archive, Base, Deb};
