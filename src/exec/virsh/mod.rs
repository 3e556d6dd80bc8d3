//! virsh: asks libvirt how its domains (its word for virtual machines) are, and has it work with them and their disks.

mod console;
mod domain;
mod network;
mod volume;

use std::collections::HashMap;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{Tool, locate};
pub use console::LEAVE;
pub use network::leads_out;
pub use volume::{Overlay, Volume};

/// Where vagrant-libvirt looks when nothing else is set.
const SYSTEM: &str = "qemu:///system";

/// A libvirt that has not answered by then is taken for unreachable; one on this machine needs 20 ms.
const SECONDS: &str = "10";

/// How a domain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DomainState {
    /// Its processors run, or are about to stop.
    Running,
    /// Stopped for a while, with its memory kept.
    Paused,
    /// There is its definition and nothing else.
    Off,
    /// Off, but not because somebody wanted that.
    Crashed,
}

impl DomainState {
    /// virsh's words (libvirt `tools/virsh-util.c`, `virshDomainState`).
    fn from_words(words: &str) -> Option<Self> {
        Some(match words {
            "running" | "idle" | "in shutdown" | "no state" => Self::Running,
            "paused" | "pmsuspended" => Self::Paused,
            "shut off" => Self::Off,
            "crashed" => Self::Crashed,
            _ => return None,
        })
    }
}

/// The libvirt that Vagrant uses: the one of the environment, else this machine's.
#[must_use]
pub fn default_uri() -> String {
    std::env::var("LIBVIRT_DEFAULT_URI").ok().filter(|uri| !uri.is_empty()).unwrap_or_else(|| SYSTEM.to_owned())
}

/// The state of every domain that the libvirt at `uri` has, by name.
///
/// # Errors
/// There is no virsh, or no libvirt answers.
pub fn domains(uri: &str) -> Result<HashMap<String, DomainState>> {
    Ok(ask(uri, &["list", "--all"])?.lines().filter_map(domain).collect())
}

/// What virsh answers to a question that changes nothing.
///
/// # Errors
/// There is no virsh, or no libvirt answers.
fn ask(uri: &str, question: &[&str]) -> Result<String> {
    let virsh = Tool::find("virsh", "libvirt-clients")?;
    Tool::find("timeout", "coreutils")?
        .args(["--foreground", "--signal=KILL", SECONDS])
        .arg(virsh.program)
        // Read-only needs no password where a full connection would ask for one.
        .args(["--readonly", "--quiet", "--connect", uri])
        .args(question)
        .env("LC_ALL", "C")
        .text()
}

/// A libvirt that hab works with, as the user who runs hab: whoever may use Vagrant with it may do all of this.
#[derive(Debug, Clone)]
pub struct Virsh {
    program: PathBuf,
    uri: String,
    last: bool,
}

impl Virsh {
    /// The libvirt at `uri`; it is not asked yet.
    ///
    /// # Errors
    /// There is no virsh.
    pub fn new(uri: String) -> Result<Self> {
        Ok(Self { program: locate("virsh", "libvirt-clients")?, uri, last: false })
    }

    /// The same libvirt for what puts something right again: its commands run also when hab was told to end.
    #[must_use]
    pub fn last(&self) -> Self {
        Self { last: true, ..self.clone() }
    }

    /// The hypervisor that runs the machines, with its version, such as `QEMU 7.2.22`.
    ///
    /// # Errors
    /// libvirt does not answer.
    pub fn hypervisor(&self) -> Result<String> {
        let text = self.tool(["version"])?.text()?;
        let found = text.lines().find_map(|line| line.strip_prefix("Running hypervisor: "));
        Ok(found.context("`virsh version` names no running hypervisor")?.to_owned())
    }

    /// A command of virsh's. No words of a user's own are among the arguments but those that hab's types allow.
    fn tool<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Result<Tool> {
        let tool =
            Tool::at(self.program.clone())?.args(["--quiet", "--connect", &self.uri]).args(args).env("LC_ALL", "C");
        Ok(if self.last { tool.last() } else { tool })
    }

    /// The same with a file as the last argument that has these bytes; it has no name, and nobody else can read it.
    fn feed<'a>(&self, args: impl IntoIterator<Item = &'a str>, bytes: &[u8]) -> Result<()> {
        let mut file = tempfile::tempfile().context("making a temporary file")?;
        file.write_all(bytes).and_then(|()| file.rewind()).context("writing a temporary file")?;
        self.tool(args.into_iter().chain(["/dev/stdin"]))?.stdin(file).run()
    }
}

/// A line of the list: id or `-`, name, state. A name with a blank is no name of hab's; such a line is left out.
fn domain(line: &str) -> Option<(String, DomainState)> {
    let mut words = line.split_whitespace().skip(1);
    let name = words.next()?.to_owned();
    let state = words.collect::<Vec<_>>().join(" ");
    Some((name, DomainState::from_words(&state)?))
}

/// A libvirt for tests.
#[cfg(test)]
pub(crate) mod testing {
    use std::path::Path;

    /// Writes into `folder` what libvirt's own test driver reads: domains by name, each in a state of virDomainState (1
    /// running, 3 paused, 5 off, 6 crashed). Returns the URI.
    pub fn libvirt(folder: &Path, domains: &[(&str, u8)]) -> String {
        let domain = |(name, state): &(&str, u8)| {
            format!(
                "<domain type='test' xmlns:t='http://libvirt.org/schemas/domain/test/1.0'><name>{name}</name>\
                 <memory>8192</memory><os><type>hvm</type></os><t:runstate>{state}</t:runstate></domain>"
            )
        };
        let all: String = domains.iter().map(domain).collect();
        let file = folder.join("libvirt.xml");
        std::fs::write(&file, format!("<node>{all}</node>")).unwrap();
        format!("test://{}", file.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_virsh_lists_domains_with_their_states() {
        let dir = tempfile::tempdir().unwrap();
        let all = [("one", 1), ("two", 3), ("three", 5), ("four", 6), ("two words", 1)];
        let found = domains(&testing::libvirt(dir.path(), &all)).unwrap();
        let expected = [
            ("one", DomainState::Running),
            ("two", DomainState::Paused),
            ("three", DomainState::Off),
            ("four", DomainState::Crashed),
        ];
        assert_eq!(found, expected.map(|(name, state)| (name.to_owned(), state)).into());
    }

    #[test]
    fn a_libvirt_that_is_not_there_is_an_error() {
        let error = domains("test:///nowhere.xml").unwrap_err().to_string();
        assert!(error.contains("virsh") && error.contains("list --all"), "{error}");
    }
}
