//! How long steps took before, so that a person can be told how long they will take.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;

use crate::atomic_fs;

/// Seconds by the name of a step, in the cache's folder. Nothing depends on it: what can't be read is not known.
const FILE: &str = "times.json";

/// What is known of earlier runs.
#[derive(Debug)]
pub struct Times {
    path: PathBuf,
    seconds: BTreeMap<String, f64>,
}

impl Times {
    /// Reads them from the cache's folder.
    #[must_use]
    pub fn read(cache: &Path) -> Self {
        let path = cache.join(FILE);
        let known = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { path, seconds: known.unwrap_or_default() }
    }

    /// How long a step took the last time.
    #[must_use]
    pub fn of(&self, step: &str) -> Option<Duration> {
        self.seconds.get(step).and_then(|seconds| Duration::try_from_secs_f64(*seconds).ok())
    }

    /// Remembers how long a step took.
    pub fn note(&mut self, step: &str, took: Duration) {
        self.seconds.insert(step.to_owned(), took.as_secs_f64());
    }

    /// Writes them down. If that fails, the next run knows less.
    pub fn write(&self) {
        if let Ok(bytes) = serde_json::to_vec_pretty(&self.seconds) {
            let _ = atomic_fs::write_unflushed(&self.path, atomic_fs::PUBLIC, &bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_known_and_nonsense_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let mut times = Times::read(dir.path());
        assert_eq!(times.of("base"), None);
        times.note("base", Duration::from_secs(3));
        times.write();
        assert_eq!(Times::read(dir.path()).of("base"), Some(Duration::from_secs(3)));
        fs::write(dir.path().join(FILE), r#"{"base": -1}"#).unwrap();
        assert_eq!(Times::read(dir.path()).of("base"), None);
        fs::write(dir.path().join(FILE), "nonsense").unwrap();
        assert_eq!(Times::read(dir.path()).of("base"), None);
    }
}
