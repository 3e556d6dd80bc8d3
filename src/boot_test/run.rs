//! Boots a role's disks through packer. The guest tests itself and says what it found on its second serial port, and only
//! that is believed. The first is its console, kept for errors.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde::Deserialize;
use serde_json::json;

use super::config::{Check, TEMPLATE};
use super::report::{Answer, Report};
use super::sockets::sockets;
use crate::digest::sha256_file;
use crate::exec::packer::{self, Folders};
use crate::exec::plain_path;
use crate::exec::qemu::Accelerator;
use crate::progress::Step;
use crate::role::Role;

/// How long a guest may take from start to power-off. One emulated boot with its self-test took 80 s in a calm hour
/// and 200 s in a noisy one; packer must not end it while it still works.
const SHUTDOWN_TIMEOUT: &str = "30m";

/// Memory of a guest that tests itself, in MiB: an etcd node's default, the smallest of the three. Part of
/// every key.
pub const MEMORY: u32 = 768;

/// How often the file of answers is looked at for new lines.
const LOOK: Duration = Duration::from_millis(200);

/// What to boot, and how.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The role whose disks these are.
    pub role: Role,
    /// The base, as qcow2.
    pub disk: &'a Path,
    /// The payload, as qcow2.
    pub payload: &'a Path,
    /// The self-test's Ignition config.
    pub config: &'a [u8],
    /// Everything the guest must answer.
    pub checks: &'a [Check],
    /// How qemu runs the guest.
    pub accelerator: Accelerator,
}

/// Boots the subject in `scratch` and returns what the guest said.
///
/// # Errors
/// packer is missing or fails, the guest says nothing, or the disk that comes out is not the one that went in. A check
/// that does not hold is no error here: the report has it.
pub fn run(subject: &Subject<'_>, scratch: &Path, step: &Step<'_>) -> Result<Report> {
    let role = subject.role;
    let about = || format!("booting the {role} box through packer");
    let Prepared { template, variables, disk_sha256, console, answers: port } =
        prepare(subject, scratch).with_context(about)?;
    let sockets = sockets(&std::env::temp_dir())?;
    let folders = Folders { sockets: sockets.path(), scratch };
    let started = Instant::now();
    let done = AtomicBool::new(false);
    let mut heard = Ok(Heard::default());
    let outcome = std::thread::scope(|scope| {
        let listener = scope.spawn(|| listen(role, &port, &done, step));
        let outcome = packer::build(folders, &template, &variables, |_| {});
        done.store(true, Ordering::Release);
        match listener.join() {
            Ok(all) => heard = all,
            Err(_) => bail!("the thread that reads the guest's answers stopped"),
        }
        outcome
    });
    let heard = heard.with_context(|| format!("{}\n{}", about(), tail(&console)))?;
    let judged = heard.is_judged();
    let count = heard.answers.len();
    let report = Report::new(role, subject.checks, heard.answers, started.elapsed());
    // A guest that said what is wrong and did not switch itself off is worth its own words first.
    if !judged || report.failures().is_empty() {
        outcome.with_context(about)?;
    }
    let of = subject.checks.len();
    ensure!(judged, "{}: the guest ended after {count} of {of} answers\n{}", about(), tail(&console));
    if report.failures().is_empty() {
        let out = scratch.join("output/disk1.qcow2");
        let same = sha256_file(&out).with_context(about)? == disk_sha256;
        ensure!(same, "{}: the disk came out other than it went in", about());
    }
    Ok(report)
}

/// Looks whether packer can boot a role's disks here, by asking it about the template. Takes a third of a
/// second; a build that ends in a boot test asks before it works for minutes.
///
/// # Errors
/// packer or its qemu plugin is missing, or packer refuses the template.
pub fn preflight(scratch: &Path) -> Result<()> {
    let disk = scratch.join("disk.qcow2");
    fs::write(&disk, "")?;
    let accelerator = Accelerator::Tcg;
    let subject = Subject { role: Role::Etcd, disk: &disk, payload: &disk, config: b"", checks: &[], accelerator };
    let Prepared { template, variables, .. } = prepare(&subject, scratch)?;
    let sockets = sockets(&std::env::temp_dir())?;
    packer::validate(Folders { sockets: sockets.path(), scratch }, &template, &variables)
}

/// What packer is started with.
#[derive(Debug)]
pub struct Prepared {
    /// The template.
    pub template: PathBuf,
    /// The file of its variables.
    pub variables: PathBuf,
    /// The SHA-256 of the disk that goes in.
    pub disk_sha256: String,
    /// Where the guest's first serial port will be: its console.
    pub console: PathBuf,
    /// Where its second will be: the answers to the checks.
    pub answers: PathBuf,
}

/// Writes the template, the variables and the Ignition config.
///
/// # Errors
/// A path has a character that qemu's options or packer's templates would take for something else, or a file can't be
/// read or written.
pub fn prepare(subject: &Subject<'_>, scratch: &Path) -> Result<Prepared> {
    let template = scratch.join("hab.pkr.hcl");
    let variables = scratch.join("hab.pkrvars.json");
    let config = scratch.join("selftest.ign");
    let (console, answers) = (scratch.join("console"), scratch.join("answers"));
    fs::write(&template, crate::embedded::text(TEMPLATE)?)?;
    fs::write(&config, subject.config)?;
    // qemu's options are split at commas, and HCL's ${ would be a template.
    let path = |path: &Path| plain_path(path, &[',', '$', '%', '"', '\\']).map(str::to_owned);
    let disk_sha256 = sha256_file(subject.disk)?;
    let values = json!({
        "role": subject.role,
        "disk": path(subject.disk)?,
        "disk_sha256": disk_sha256,
        "payload": path(subject.payload)?,
        "ignition": path(&config)?,
        "console": path(&console)?,
        "answers": path(&answers)?,
        "output": path(&scratch.join("output"))?,
        "accelerator": subject.accelerator.name(),
        "cpu": subject.accelerator.cpu(),
        "memory": MEMORY,
        "shutdown_timeout": SHUTDOWN_TIMEOUT,
    });
    fs::write(&variables, values.to_string())?;
    Ok(Prepared { template, variables, disk_sha256, console, answers })
}

/// What the guest said.
#[derive(Debug, Default)]
struct Heard {
    answers: Vec<Answer>,
    /// It came to its end, so an answer that is missing was never going to come.
    complete: bool,
}

impl Heard {
    /// Whether this says something about the box. A guest that was cut off in the middle (by a full disk, by the
    /// kernel's want of memory, by packer's patience) says nothing against it.
    fn is_judged(&self) -> bool {
        self.complete || self.answers.iter().any(|answer| !answer.ok)
    }
}

/// Follows the guest's answers until packer has ended, passing them on.
///
/// # Errors
/// A line is no answer, whatever else the guest said.
fn listen(role: Role, port: &Path, done: &AtomicBool, step: &Step<'_>) -> Result<Heard> {
    let mut heard = Heard::default();
    let mut offset = 0;
    let mut rest = Vec::new();
    let mut wrong = None;
    loop {
        let last = done.load(Ordering::Acquire);
        if let Ok(mut file) = fs::File::open(port)
            && file.seek(SeekFrom::Start(offset)).is_ok()
        {
            let before = rest.len();
            if file.read_to_end(&mut rest).is_ok() {
                offset += (rest.len() - before) as u64;
            }
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
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
        if last {
            return wrong.map_or(Ok(heard), Err);
        }
        std::thread::sleep(LOOK);
    }
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

/// The end of what is on the console, for an error.
fn tail(console: &Path) -> String {
    let text = fs::read(console).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] =
        b"{\"hab\":\"selftest\",\"check\":\"file:bin/etcd\",\"ok\":true,\"detail\":\"x\",\"uptime\":9.5}\r\n";

    /// What [`listen`] makes of a port.
    fn heard(port: &[u8]) -> Result<Heard> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("answers");
        fs::write(&file, port).unwrap();
        let progress: &dyn crate::progress::Progress = &crate::progress::Silent;
        listen(Role::Etcd, &file, &AtomicBool::new(true), &progress.step("test", None))
    }

    #[test]
    fn answers_are_read_to_the_last_line() {
        let port = [OK, OK, b"{\"hab\":\"selftest\",\"done\":2}\r\n"].concat();
        let heard = heard(&port).unwrap();
        assert_eq!((heard.answers.len(), heard.answers[0].check.as_str()), (2, "file:bin/etcd"));
        assert!(heard.is_judged());
    }

    #[test]
    fn a_guest_that_was_cut_off_says_nothing_against_its_box() {
        assert!(!heard(&[OK, OK].concat()).unwrap().is_judged());
        assert!(!heard(b"").unwrap().is_judged());
        let wrong = String::from_utf8_lossy(OK).replace("true", "false");
        assert!(heard(&[OK, wrong.as_bytes()].concat()).unwrap().is_judged());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for noise in [&b"[   12.0] rcu: INFO\n"[..], b"{\"hab\":\"selftest\"}\n", b"[   12.0] {\"hab\n", b"\xff\n"] {
            let error = heard(&[OK, noise, OK].concat()).unwrap_err();
            assert!(error.to_string().starts_with("the guest said what is no answer: "), "{error}");
        }
    }
}
