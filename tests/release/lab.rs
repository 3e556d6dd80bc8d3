//! A cache that is filled from a server, and what is said meanwhile.

use std::sync::Mutex;
use std::time::Duration;

use hab::artifacts::release::MIRROR;
use hab::cache::Cache;
use hab::digest::sha256;
use hab::download::{Downloads, Pace, Size, Wanted, cached};
use hab::progress::{Progress, Silent};

use crate::server::{Answer, Server};

/// A pace that any server keeps, and one whose end a test can wait for.
pub const PACE: Pace = Pace { bytes: 1 << 10, within: Duration::from_secs(120) };
pub const SHORT: Pace = Pace { within: Duration::from_secs(5), ..PACE };

/// The size of a file of which nothing is known.
pub const UNKNOWN: Size = Size::AtMost(1 << 20);

/// What is said while a file is fetched.
#[derive(Default)]
pub struct Heard(pub Mutex<Vec<String>>);

impl Progress for Heard {
    fn begin(&self, _step: &str, _expected: Option<Duration>) {}
    fn status(&self, _step: &str, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn warn(&self, _text: &str) {}
    fn end(&self, _step: &str, _outcome: Option<&str>, _took: Duration) {}
    fn total(&self, _done: usize, _all: usize, _left: Option<Duration>) {}
}

/// A server, and a cache that is filled from it.
pub struct Lab {
    _dir: tempfile::TempDir,
    pub cache: Cache,
    pub server: Server,
}

/// The address of a file.
pub const URL: &str = "https://example.org/v1/program";

impl Lab {
    pub fn new() -> Self {
        Self::of(Server::new())
    }

    /// With an empty cache.
    pub fn of(server: Server) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { cache: Cache::at(dir.path().join("cache")), _dir: dir, server }
    }

    pub fn downloads(&self, pace: Pace) -> Downloads<'_> {
        Downloads::with(&self.cache, MIRROR, Some(format!("{}/", self.server.url)), pace)
    }

    /// Fetches the file at [`URL`] with the digest of `bytes`: what is in it, or what is said.
    pub fn fetch(&self, bytes: &[u8], size: Size, pace: Pace) -> Result<Vec<u8>, String> {
        let progress: &dyn Progress = &Silent;
        let digest = sha256(bytes);
        let wanted = Wanted { url: URL, sha256: &digest, size };
        let fetched = self.downloads(pace).fetch(&wanted, &progress.step("test", None));
        let path = fetched.map_err(|error| format!("{error:#}"))?;
        assert_eq!(path, cached(&self.cache, &wanted).unwrap());
        Ok(std::fs::read(path).unwrap())
    }

    /// What is said when the server answers so, for a file that is wanted as `bytes`.
    pub fn refuses(&self, answer: Answer, pace: Pace) -> String {
        self.server.has(URL, answer);
        let said = self.fetch(b"wanted", UNKNOWN, pace).unwrap_err();
        let about =
            format!("fetching {}/example.org/v1/program (HAB_RELEASE_MIRROR names this mirror): ", self.server.url);
        assert!(said.starts_with(&about), "{said}");
        said
    }

    /// The files of what is not whole yet.
    pub fn partial(&self) -> Vec<u64> {
        let Ok(found) = std::fs::read_dir(self.cache.root().join("partial")) else { return Vec::new() };
        found.map(|file| file.unwrap().metadata().unwrap().len()).collect()
    }
}
