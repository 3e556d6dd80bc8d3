//! Where Debian's archives are: the mirror that the machine's own apt uses.

use anyhow::{Context, Result};

use crate::arch::TARGET;
use crate::exec::apt::{self, Source};
use crate::lock::Archive;

/// Names under which an archive's suites are known in a machine's sources; a repository that serves one of them serves
/// all (<https://www.debian.org/releases/>).
const SUITES: [&str; 10] =
    ["bullseye", "bookworm", "trixie", "forky", "duke", "sid", "oldstable", "stable", "testing", "unstable"];

/// For a machine whose apt uses no Debian archive.
const VARIABLES: [(Archive, &str); 2] =
    [(Archive::Main, "HAB_DEBIAN_MIRROR"), (Archive::Security, "HAB_DEBIAN_SECURITY_MIRROR")];

/// The addresses of the archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    main: String,
    security: String,
}

impl Mirror {
    /// From the environment or, where that says nothing, from the machine's apt.
    ///
    /// # Errors
    /// Neither names a Debian archive.
    pub fn find() -> Result<Self> {
        let sources = apt::machine_sources().context("asking apt for the machine's mirror")?;
        let [main, security] = VARIABLES.map(|(archive, variable)| {
            let found = std::env::var(variable).ok().or_else(|| pick(&sources, archive));
            let found = found.with_context(|| {
                format!("apt's sources name no Debian {archive:?} archive; set {variable} to the address of one")
            });
            found.map(|address| format!("{}/", address.trim_end_matches('/')))
        });
        Ok(Self { main: main?, security: security? })
    }

    /// The address of a file.
    #[must_use]
    pub fn url(&self, archive: Archive, path: &str) -> String {
        format!("{}{path}", self.root(archive))
    }

    /// An address taken apart again.
    #[must_use]
    pub fn split<'a>(&self, url: &'a str) -> Option<(Archive, &'a str)> {
        [Archive::Security, Archive::Main]
            .into_iter()
            .find_map(|archive| Some((archive, url.strip_prefix(self.root(archive))?)))
    }

    /// apt's sources for `suite`, trusted by the Debian archive's keys alone.
    #[must_use]
    pub fn sources(&self, suite: &str) -> String {
        let source = |address: &str, suites: &str| {
            format!(
                "Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: main\nArchitectures: {}\n\
                 Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n",
                TARGET.debian
            )
        };
        source(&self.main, &format!("{suite} {suite}-updates")) + &source(&self.security, &format!("{suite}-security"))
    }

    fn root(&self, archive: Archive) -> &str {
        match archive {
            Archive::Main => &self.main,
            Archive::Security => &self.security,
        }
    }
}

fn pick(sources: &[Source], wanted: Archive) -> Option<String> {
    let serves = |suite: &str| match wanted {
        Archive::Main => SUITES.contains(&suite),
        Archive::Security => suite.strip_suffix("-security").is_some_and(|suite| SUITES.contains(&suite)),
    };
    let found = sources.iter().find(|source| serves(&source.suite) && source.component == "main");
    found.map(|source| source.address.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror() -> Mirror {
        Mirror { main: "http://m/debian/".into(), security: "http://m/debian-security/".into() }
    }

    #[test]
    fn the_machines_own_archives_are_picked() {
        let source = |address: &str, suite: &str| Source {
            address: address.into(),
            suite: suite.into(),
            component: "main".into(),
        };
        let sources = [source("x", "nodistro"), source("m", "bookworm"), source("s", "bookworm-security")];
        assert_eq!(pick(&sources, Archive::Main).as_deref(), Some("m"));
        assert_eq!(pick(&sources, Archive::Security).as_deref(), Some("s"));
        assert_eq!(pick(&sources[..1], Archive::Main), None);
    }

    #[test]
    fn addresses_are_put_together_and_taken_apart() {
        let mirror = mirror();
        for archive in [Archive::Main, Archive::Security] {
            let url = mirror.url(archive, "pool/a.deb");
            assert_eq!(mirror.split(&url), Some((archive, "pool/a.deb")));
        }
        assert_eq!(mirror.split("http://elsewhere/pool/a.deb"), None);
    }
}
