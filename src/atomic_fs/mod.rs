//! Results on the disk: written beside their place and renamed, with the mode set from the start, and not at all when
//! the bytes are there already.

mod batch;
mod dir;
mod hold;
mod ignored;
mod remove;
mod share;
mod write;

pub use batch::Batch;
pub use dir::{create_all_or_nothing, create_dir, create_dir_if_missing, create_private_dir};
pub use hold::hold;
pub use ignored::{ignore_in_git, tag_as_cache};
pub use remove::{remove, remove_file, remove_stale};
pub use write::{Written, rename, write, write_from, write_unflushed};

/// The mode of files with keys in them.
pub const SECRET: u32 = 0o600;
/// The mode of everything else.
pub const PUBLIC: u32 = 0o644;

/// What files being written are called until they are whole; [`remove_stale`] knows them by it.
pub const PREFIX: &str = ".hab-part-";

#[cfg(test)]
fn mode(path: &std::path::Path) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    fs_err::symlink_metadata(path).unwrap().mode() & 0o7777
}
