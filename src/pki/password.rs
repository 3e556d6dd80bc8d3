//! The password of HAProxy's stats page: made once, kept in the private folder, given to workers.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::files;
use super::secret::Secret;
use crate::atomic_fs;

/// The file in the private folder: the password alone, and the end of the line.
const FILE: &str = "haproxy-stats.password";

/// The user of the stats page.
const USER: &str = "hab";

/// How many random bytes it is made of: 128 bits can't be guessed.
const BYTES: usize = 16;

/// Reads the password from `private`, or makes it. The caller holds the folder.
///
/// # Errors
/// The file is open to other users or is not what hab wrote, or it can't be written.
pub(super) fn obtain(private: &Path) -> Result<Secret> {
    let path = private.join(FILE);
    if let Some(text) = files::read(&path)? {
        let password = text.reveal().trim_end();
        let ours = password.len() == 2 * BYTES && password.bytes().all(|b| b.is_ascii_hexdigit());
        ensure!(ours, "{} is not a password that hab made: remove it, and hab makes another", path.display());
        return Ok(Secret::new(password.to_owned()));
    }
    let mut random = [0; BYTES];
    getrandom::fill(&mut random).context("asking the kernel for random bytes")?;
    let password = Secret::new(crate::digest::hex(&random));
    let line = Secret::new(format!("{}\n", password.reveal()));
    atomic_fs::write(&path, atomic_fs::SECRET, line.reveal().as_bytes())?;
    Ok(password)
}

/// What HAProxy reads beside its other configuration.
pub(super) fn haproxy(password: &Secret) -> Secret {
    Secret::new(format!("userlist stats\n  user {USER} insecure-password {}\n", password.reveal()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_made_once_and_what_is_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let first = obtain(dir.path()).unwrap();
        assert_eq!(first.reveal().len(), 32);
        assert!(obtain(dir.path()).unwrap() == first);
        let other = tempfile::tempdir().unwrap();
        assert!(obtain(other.path()).unwrap() != first);
        for text in ["", "x\n", &format!("{}\n  user root", first.reveal())] {
            atomic_fs::write(&dir.path().join(FILE), atomic_fs::SECRET, text.as_bytes()).unwrap();
            let error = obtain(dir.path()).unwrap_err().to_string();
            assert!(error.contains("not a password that hab made") && !error.contains(first.reveal()), "{error}");
        }
        assert_eq!(haproxy(&Secret::new("x".into())).reveal(), "userlist stats\n  user hab insecure-password x\n");
    }
}
