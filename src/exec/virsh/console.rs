//! `virsh console`: a machine's port as two streams of bytes. virsh wants a terminal, so it gets one that nobody sees.

use std::fs::File;
use std::io::{Read, Write};

use anyhow::{Context as _, Result, anyhow};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::Virsh;

/// What makes virsh leave: Ctrl-@, a byte that is in no line of text.
pub const LEAVE: u8 = 0;

/// How libvirt calls the first console of a machine that is not its first serial port's other name.
const DEVICE: &str = "console1";

impl Virsh {
    /// Has `talk` speak with the port of `domain`: it writes to the first and reads from the second, and ends with
    /// [`LEAVE`]. libvirt lets one at a time do so.
    ///
    /// # Errors
    /// There is no such domain or port, another is connected, or `talk` fails.
    pub fn console<T>(
        &self,
        domain: &str,
        talk: impl FnOnce(&mut (dyn Write + Send), &mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        let (mut ours, theirs) = terminal().context("making a terminal for virsh")?;
        let tool = self.tool(["--escape", "^@", "console", domain, "--devname", DEVICE])?.stdin(theirs);
        let mut talked = None;
        let outcome = tool.pipe(|from| {
            talked = Some(talk(&mut ours, from));
            // virsh leaves when its terminal is gone.
            drop(ours);
            Ok(())
        });
        match (outcome, talked) {
            (_, Some(Ok(value))) => Ok(value),
            (Err(said), Some(Err(error))) => Err(explained(&said).unwrap_or(error)),
            (Err(said), None) => Err(explained(&said).unwrap_or(said)),
            (Ok(()), Some(Err(error))) => Err(error),
            (Ok(()), None) => Err(anyhow!("virsh said nothing")),
        }
    }
}

/// Why libvirt let nobody in, in a user's words.
fn explained(said: &anyhow::Error) -> Option<anyhow::Error> {
    let text = format!("{said:#}");
    for (words, meaning) in [
        ("Active console session exists", "another session is open, by you or by somebody else: one at a time can be"),
        (
            "cannot find character device",
            "its machine has no port for it: `vagrant reload` gives it one, unless hab.yaml says `shell: false`",
        ),
        ("domain is not running", "its machine does not run"),
        ("failed to get domain", "it has no machine: `vagrant up` makes it"),
    ] {
        if text.contains(words) {
            return Some(anyhow!(meaning));
        }
    }
    // What libvirt says of itself; of a machine that goes off in the middle it says less than the session does.
    text.contains("failed to connect").then(|| anyhow!("{text}"))
}

/// A terminal through which every byte passes as it is: our end, and the other.
fn terminal() -> Result<(File, File)> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let name = name.to_str().context("the name of a terminal")?;
    let theirs = fs_err::OpenOptions::new().read(true).write(true).open(name)?.into_parts().0;
    let mut mode = tcgetattr(&theirs)?;
    mode.make_raw();
    tcsetattr(&theirs, OptionalActions::Now, &mode)?;
    Ok((ours.into(), theirs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_virsh_says_is_said_in_a_users_words() {
        let virsh = Virsh::new("test:///default".to_owned()).unwrap();
        // A real virsh: it took the terminal for one, asked libvirt, and ended.
        let outcome = virsh.console("none", |_, from| {
            std::io::copy(from, &mut std::io::sink())?;
            anyhow::bail!("it has ended")
        });
        let error: anyhow::Error = outcome.map(|(): ()| ()).unwrap_err();
        assert_eq!(error.to_string(), "it has no machine: `vagrant up` makes it");
        let meaning =
            |said: &str| explained(&anyhow!("`virsh` ended with 1\n  error: {said}")).map(|it| it.to_string());
        assert!(meaning("Active console session exists for this domain").unwrap().contains("one at a time"));
        assert!(meaning("failed to connect to the hypervisor").unwrap().contains("`virsh`"));
        assert_eq!(meaning("else"), None);
    }

    #[test]
    fn bytes_pass_such_a_terminal_as_they_are() {
        let (mut ours, mut theirs) = terminal().unwrap();
        let all: Vec<u8> = (0..=255).collect();
        ours.write_all(&all).unwrap();
        let mut there = vec![0; 256];
        theirs.read_exact(&mut there).unwrap();
        assert_eq!(there, all);
        theirs.write_all(&all).unwrap();
        ours.read_exact(&mut there).unwrap();
        assert_eq!(there, all);
    }
}
