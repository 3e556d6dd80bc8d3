//! Where a user's programs keep what is theirs (<https://specifications.freedesktop.org/basedir-spec/latest/>).

use std::path::PathBuf;

/// The folder that the environment's `variable` names, else `below` in the home; `None` where neither is an absolute path.
pub fn folder(variable: &str, below: &str) -> Option<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    named(variable).or_else(|| Some(named("HOME")?.join(below)))
}
