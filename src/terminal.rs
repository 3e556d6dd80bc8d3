//! The user's own terminal: keys as they are pressed, and its size. What it was before it is again in the end.

use std::io::{self, IsTerminal as _, Stdin};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr};

/// What leaves a console: Ctrl-], as with `virsh console` and telnet.
pub const LEAVE: u8 = 0x1d;

/// Standard input, if it is a terminal, in a mode of its own for as long as this is kept.
#[derive(Debug)]
pub struct Terminal {
    stdin: Stdin,
    before: Termios,
}

impl Terminal {
    /// Keys come as they are pressed and are not shown; Ctrl-C and Ctrl-Z stay what they are. `None` if standard input is no
    /// terminal.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn keys() -> Result<Option<Self>> {
        Self::with(|modes| modes.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO))
    }

    /// Every key comes as a byte that means nothing here, and nothing that is shown is changed. `None` if standard input is no
    /// terminal.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn raw() -> Result<Option<Self>> {
        Self::with(Termios::make_raw)
    }

    fn with(change: impl FnOnce(&mut Termios)) -> Result<Option<Self>> {
        let stdin = io::stdin();
        if !stdin.is_terminal() {
            return Ok(None);
        }
        let before = tcgetattr(&stdin).context("asking the terminal for its mode")?;
        let mut modes = before.clone();
        change(&mut modes);
        tcsetattr(&stdin, OptionalActions::Now, &modes).context("setting the terminal's mode")?;
        Ok(Some(Self { stdin, before }))
    }

    /// What was pressed within `time`, at most so many bytes; `None` if nothing was, and no bytes when the terminal is gone.
    ///
    /// # Errors
    /// It can't be read.
    pub fn pressed(&self, time: Duration, most: usize) -> Result<Option<Vec<u8>>> {
        next(&self.stdin, time, most)
    }
}

/// Standard input, whatever it is, as it is.
#[derive(Debug)]
pub struct Standard(Stdin);

impl Standard {
    /// It.
    #[must_use]
    pub fn new() -> Self {
        Self(io::stdin())
    }

    /// What has come within `time`, at most so many bytes; `None` if nothing has, and no bytes at its end.
    ///
    /// # Errors
    /// It can't be read.
    pub fn next(&self, time: Duration, most: usize) -> Result<Option<Vec<u8>>> {
        next(&self.0, time, most)
    }
}

fn next(stdin: &Stdin, time: Duration, most: usize) -> Result<Option<Vec<u8>>> {
    let mut wanted = [PollFd::new(stdin, PollFlags::IN)];
    let time = Timespec::try_from(time).context("a time to wait")?;
    match poll(&mut wanted, Some(&time)) {
        Ok(0) | Err(Errno::INTR) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(error).context("waiting for standard input"),
    }
    let mut bytes = vec![0; most];
    // Not by Stdin itself, which would keep bytes back that a later poll does not see.
    match rustix::io::read(stdin, &mut bytes[..]) {
        Ok(length) => bytes.truncate(length),
        // Nobody is at a terminal's other end any more.
        Err(Errno::IO) => bytes.clear(),
        Err(error) => return Err(error).context("reading standard input"),
    }
    Ok(Some(bytes))
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It fails for a terminal that is gone.
        let _ = tcsetattr(&self.stdin, OptionalActions::Flush, &self.before);
    }
}

/// Rows and columns of the terminal that standard input is, if it is one.
#[must_use]
pub fn size() -> Option<(u16, u16)> {
    let Winsize { ws_row, ws_col, .. } = tcgetwinsize(io::stdin()).ok()?;
    (ws_row > 0 && ws_col > 0).then_some((ws_row, ws_col))
}

/// Text of another machine's as it can be shown without steering the terminal: line ends and tabs stay of what is no
/// printable character.
#[must_use]
pub fn harmless(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| matches!(byte, b'\n' | b'\r' | b'\t' | b' '..=b'~' | 0x80..)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_steers_nothing() {
        assert_eq!(harmless("\u{1b}[31mrot\u{7}\r\n\tö\u{7f}".as_bytes()), "[31mrot\r\n\tö".as_bytes());
    }
}
