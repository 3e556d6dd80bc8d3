//! What tells other programs to pass a folder over. A file of the user's in its place is kept.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use super::{Written, write};

/// The first line is fixed (<https://bford.info/cachedir/>).
const CACHEDIR_TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55
# hab can make all of this again, so a backup need not have it.
# More: https://bford.info/cachedir/
";

/// Makes git pass over all that is in `folder`, whatever the repository's own `.gitignore` says.
///
/// # Errors
/// As [`write`](super::write()).
pub fn ignore_in_git(folder: &Path, mode: u32) -> Result<Written> {
    if_missing(&folder.join(".gitignore"), mode, "*\n")
}

/// Makes backups pass over `folder`, as they do with other caches (<https://bford.info/cachedir/>).
///
/// # Errors
/// As [`write`](super::write()).
pub fn tag_as_cache(folder: &Path, mode: u32) -> Result<Written> {
    if_missing(&folder.join("CACHEDIR.TAG"), mode, CACHEDIR_TAG)
}

fn if_missing(path: &Path, mode: u32, text: &str) -> Result<Written> {
    if fs::symlink_metadata(path).is_ok() {
        return Ok(Written::Same);
    }
    write(path, mode, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::{PUBLIC, SECRET, mode};
    use super::*;

    #[test]
    fn a_folder_is_marked_once() {
        let dir = tempfile::tempdir().unwrap();
        let (ignore, tag) = (dir.path().join(".gitignore"), dir.path().join("CACHEDIR.TAG"));
        ignore_in_git(dir.path(), SECRET).unwrap();
        tag_as_cache(dir.path(), PUBLIC).unwrap();
        assert_eq!((mode(&ignore), mode(&tag)), (SECRET, PUBLIC));
        // The specification counts 43 bytes.
        assert_eq!(&fs::read(&tag).unwrap()[..43], b"Signature: 8a477f597d28d172789f06886806bc55");
        fs::write(&ignore, "mine").unwrap();
        assert_eq!(ignore_in_git(dir.path(), SECRET).unwrap(), Written::Same);
        assert_eq!(fs::read_to_string(&ignore).unwrap(), "mine");
    }
}
