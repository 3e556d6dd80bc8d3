//! Listens to a guest that tests itself: its second serial port has answers to checks and nothing else. Its first is its
//! console, which is kept, and tells when the guest can't go on.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Deserialize;

use super::report::Answer;
use crate::progress::StepHandle;
use crate::role::Role;

/// How often the ports are looked at for something new.
const LOOK: Duration = Duration::from_millis(200);

/// How long a guest that can't go on may still say why.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What is said on a console by a guest that does nothing more, and what it means: by the kernel (`kernel/panic.c`), systemd
/// (`units/emergency.service.in`, `src/firstboot/firstboot.c`), dracut (`modules.d/98dracut-systemd/dracut-emergency.sh`),
/// Fedora `CoreOS`'s initramfs (`05core/usr/lib/dracut/modules.d/99emergency-shell-setup/emergency-shell.sh`) and GRUB
/// (`grub-core/kern/main.c`). Some of these wait for somebody to press a key.
const STUCK: [(&str, &str); 7] = [
    ("Kernel panic - not syncing", "its kernel stopped"),
    ("You are in emergency mode", "its systemd gave up"),
    ("-- Press any key to proceed --", "its systemd asks for a password"),
    ("Entering emergency mode", "its initramfs gave up"),
    ("Press Enter for emergency shell", "its initramfs gave up"),
    ("Ignition failed", "Ignition failed"),
    ("grub rescue>", "its boot loader found no system"),
];

/// A guest's two serial ports, as files.
#[derive(Debug, Clone, Copy)]
pub struct Ports<'a> {
    /// Its console.
    pub console: &'a Path,
    /// The answers to the checks.
    pub answers: &'a Path,
}

/// What who runs a guest and who listens to it tell each other.
#[derive(Debug, Clone, Copy)]
pub struct Signals<'a> {
    /// The guest has ended.
    pub done: &'a AtomicBool,
    /// The guest can't go on, and is to be ended.
    pub stop: &'a AtomicBool,
}

/// What the guest said.
#[derive(Debug, Default)]
pub struct Heard {
    /// The answers, in their order.
    pub answers: Vec<Answer>,
    /// Why it did not go on, if its console says so.
    pub stuck: Option<&'static str>,
    /// It came to its end, so an answer that is missing was never going to come.
    complete: bool,
}

impl Heard {
    /// Whether this says something about the box. A guest that was cut off in the middle (by a full disk, by the
    /// kernel's want of memory, by packer's patience) says nothing against it.
    pub fn is_conclusive(&self) -> bool {
        self.complete || self.answers.iter().any(|answer| !answer.ok)
    }
}

/// Follows a guest until it has ended (`signals.done`), passing its answers on. Sets `signals.stop` when it can't go on.
///
/// # Errors
/// A line is no answer, whatever else the guest said.
pub fn listen(role: Role, ports: Ports<'_>, signals: Signals<'_>, step: &StepHandle<'_>) -> Result<Heard> {
    let mut heard = Heard::default();
    let (mut answers, mut console) = (Port::new(ports.answers), Port::new(ports.console));
    let mut wrong = None;
    let mut end: Option<Instant> = None;
    loop {
        let last = signals.done.load(Ordering::Acquire);
        answers.read();
        while let Some(line) = answers.line() {
            match said(&line) {
                Ok(Said::Answer(answer)) => {
                    let verdict = if answer.ok { "ok" } else { "FAILED" };
                    step.note(&format!("{role} {:>5.1} s  {verdict}  {}", answer.uptime, answer.check));
                    heard.answers.push(answer);
                }
                Ok(Said::Done { .. }) => heard.complete = true,
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        console.read();
        // A prompt has no end of line.
        heard.stuck = heard.stuck.or_else(|| stuck(&console.rest));
        console.drop_lines();
        if heard.stuck.is_some() && *end.get_or_insert_with(|| Instant::now() + LAST_WORDS) <= Instant::now() {
            signals.stop.store(true, Ordering::Release);
        }
        if last {
            return wrong.map_or(Ok(heard), Err);
        }
        std::thread::sleep(LOOK);
    }
}

/// A serial port as a file that grows.
struct Port<'a> {
    path: &'a Path,
    offset: u64,
    /// What was read and not yet taken.
    rest: Vec<u8>,
}

impl<'a> Port<'a> {
    const fn new(path: &'a Path) -> Self {
        Self { path, offset: 0, rest: Vec::new() }
    }

    /// Reads on; a port that is not there yet has nothing to say.
    fn read(&mut self) {
        if let Ok(mut file) = fs::File::open(self.path)
            && file.seek(SeekFrom::Start(self.offset)).is_ok()
        {
            let before = self.rest.len();
            if file.read_to_end(&mut self.rest).is_ok() {
                self.offset += (self.rest.len() - before) as u64;
            }
        }
    }

    /// Takes the next whole line.
    fn line(&mut self) -> Option<Vec<u8>> {
        let end = self.rest.iter().position(|byte| *byte == b'\n')?;
        Some(self.rest.drain(..=end).collect())
    }

    /// Drops all lines that are whole.
    fn drop_lines(&mut self) {
        let lines = self.rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.rest.drain(..lines);
    }
}

/// Why a guest with this on its console does not go on.
fn stuck(console: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(console);
    STUCK.iter().find(|(words, _)| text.contains(words)).map(|(_, why)| *why)
}

/// A line of the port for answers.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Said {
    Answer(Answer),
    /// The last one.
    Done {
        #[serde(rename = "done")]
        _answers: u64,
    },
}

/// Reads a line of the port for answers. Only the self-test writes there, so anything else is a fault of hab's.
fn said(line: &[u8]) -> Result<Said> {
    let text = String::from_utf8_lossy(line);
    serde_json::from_str(&text).with_context(|| format!("the guest said what is no answer: {:?}", text.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] =
        b"{\"hab\":\"selftest\",\"check\":\"file:bin/etcd\",\"ok\":true,\"detail\":\"x\",\"uptime\":9.5}\r\n";

    /// What [`listen`] makes of a port for answers and a console.
    fn hear(port: &[u8], console: &[u8], stop: &AtomicBool) -> Result<Heard> {
        let dir = tempfile::tempdir().unwrap();
        let [answers, log] = ["answers", "console"].map(|name| dir.path().join(name));
        fs::write(&answers, port).unwrap();
        fs::write(&log, console).unwrap();
        let progress: &dyn crate::progress::Progress = &crate::progress::Silent;
        let ports = Ports { console: &log, answers: &answers };
        let done = AtomicBool::new(true);
        // Whoever listens to a guest that is stuck goes on until that is stopped.
        std::thread::scope(|scope| {
            if !console.is_empty() {
                done.store(false, Ordering::Release);
                scope.spawn(|| {
                    while !stop.load(Ordering::Acquire) {
                        std::thread::sleep(LOOK);
                    }
                    done.store(true, Ordering::Release);
                });
            }
            listen(Role::Etcd, ports, Signals { done: &done, stop }, &progress.step("test", None))
        })
    }

    fn heard(port: &[u8]) -> Result<Heard> {
        hear(port, b"", &AtomicBool::new(false))
    }

    #[test]
    fn answers_are_read_to_the_last_line() {
        let port = [OK, OK, b"{\"hab\":\"selftest\",\"done\":2}\r\n"].concat();
        let heard = heard(&port).unwrap();
        assert_eq!((heard.answers.len(), heard.answers[0].check.as_str()), (2, "file:bin/etcd"));
        assert!(heard.is_conclusive() && heard.stuck.is_none());
    }

    #[test]
    fn a_guest_that_was_cut_off_says_nothing_against_its_box() {
        assert!(!heard(&[OK, OK].concat()).unwrap().is_conclusive());
        assert!(!heard(b"").unwrap().is_conclusive());
        let wrong = String::from_utf8_lossy(OK).replace("true", "false");
        assert!(heard(&[OK, wrong.as_bytes()].concat()).unwrap().is_conclusive());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for noise in [&b"[   12.0] rcu: INFO\n"[..], b"{\"hab\":\"selftest\"}\n", b"[   12.0] {\"hab\n", b"\xff\n"] {
            let error = heard(&[OK, noise, OK].concat()).unwrap_err();
            assert!(error.to_string().starts_with("the guest said what is no answer: "), "{error}");
        }
    }

    #[test]
    fn a_guest_that_can_not_go_on_is_stopped() {
        let stop = AtomicBool::new(false);
        let heard = hear(OK, b"GRUB loading.\r\nerror: no such partition.\r\ngrub rescue> ", &stop).unwrap();
        assert_eq!((heard.stuck, heard.answers.len()), (Some("its boot loader found no system"), 1));
        assert!(stop.load(Ordering::Acquire) && !heard.is_conclusive());
    }

    #[test]
    fn only_what_ends_a_boot_counts_as_its_end() {
        for (console, why) in [
            ("[    3.1] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n", "its kernel stopped"),
            ("You are in emergency mode. After logging in, type \"journalctl -xb\"", "its systemd gave up"),
            ("-- Press any key to proceed --\r\n", "its systemd asks for a password"),
            ("Press Enter for emergency shell or wait 5 minutes for reboot.", "its initramfs gave up"),
        ] {
            assert_eq!(stuck(console.as_bytes()), Some(why));
        }
        for good in
            ["GRUB loading", "Starting ignition-fetch.service", "[  OK  ] Stopped target emergency.target", "\u{fffd}"]
        {
            assert_eq!(stuck(good.as_bytes()), None, "{good}");
        }
    }
}
