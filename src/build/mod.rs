//! The build.

pub mod explain;
pub mod role;
