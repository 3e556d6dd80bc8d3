//! What a base is: the operating system that every node boots from.

pub mod debian;
