//! Boots a role's disks through packer. The guest tests itself and says what it found on its serial port, and only that
//! is believed.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde_json::json;

use super::config::{Check, TEMPLATE};
use super::report::{Answer, Report};
use crate::digest::sha256_file;
use crate::exec::qemu::Accelerator;
use crate::exec::{packer, plain_path};
use crate::progress::Step;
use crate::role::Role;

/// How long a guest may take from start to power-off. One emulated boot with its self-test took 80 s in a calm hour
/// and 200 s in a noisy one; packer must not end it while it still works.
const SHUTDOWN_TIMEOUT: &str = "30m";

/// Memory of a guest that tests itself, in MiB: an etcd node's default, the smallest of the three.
const MEMORY: u32 = 768;

/// How often the serial port's file is looked at for new lines.
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
    let Prepared { template, variables, serial } = prepare(subject, scratch).with_context(about)?;
    let started = Instant::now();
    let done = AtomicBool::new(false);
    let mut answers = Vec::new();
    let outcome = std::thread::scope(|scope| {
        let listener = scope.spawn(|| listen(role, &serial, &done, step));
        let outcome = packer::build(scratch, &template, &variables, |_| {});
        done.store(true, Ordering::Release);
        match listener.join() {
            Ok(heard) => answers = heard,
            Err(_) => bail!("the thread that reads the serial port stopped"),
        }
        outcome
    });
    let report = Report::new(role, subject.checks, answers, started.elapsed());
    // A guest that said everything and still did not switch itself off is worth its own words first.
    if report.failures().is_empty() || report.answers.is_empty() {
        outcome.with_context(about)?;
    }
    ensure!(!report.answers.is_empty(), "{}: the guest said nothing on its serial port\n{}", about(), tail(&serial));
    if report.failures().is_empty() {
        let out = scratch.join("output/disk1.qcow2");
        let same = sha256_file(&out).with_context(about)? == sha256_file(subject.disk)?;
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
    packer::validate(scratch, &template, &variables)
}

/// What packer is started with.
#[derive(Debug)]
pub struct Prepared {
    /// The template.
    pub template: PathBuf,
    /// The file of its variables.
    pub variables: PathBuf,
    /// Where the guest's serial port will be.
    pub serial: PathBuf,
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
    let serial = scratch.join("serial");
    fs::write(&template, crate::embedded::text(TEMPLATE)?)?;
    fs::write(&config, subject.config)?;
    // qemu's options are split at commas, and HCL's ${ would be a template.
    let path = |path: &Path| plain_path(path, &[',', '$', '%', '"', '\\']).map(str::to_owned);
    let values = json!({
        "role": subject.role,
        "disk": path(subject.disk)?,
        "disk_sha256": sha256_file(subject.disk)?,
        "payload": path(subject.payload)?,
        "ignition": path(&config)?,
        "serial": path(&serial)?,
        "output": path(&scratch.join("output"))?,
        "accelerator": subject.accelerator.name(),
        "cpu": subject.accelerator.cpu(),
        "memory": MEMORY,
        "shutdown_timeout": SHUTDOWN_TIMEOUT,
    });
    fs::write(&variables, values.to_string())?;
    Ok(Prepared { template, variables, serial })
}

/// Follows the serial port until packer has ended, passing on what the guest says.
fn listen(role: Role, serial: &Path, done: &AtomicBool, step: &Step<'_>) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut offset = 0;
    let mut rest = Vec::new();
    loop {
        let last = done.load(Ordering::Acquire);
        if let Ok(mut file) = fs::File::open(serial)
            && file.seek(SeekFrom::Start(offset)).is_ok()
        {
            let before = rest.len();
            if file.read_to_end(&mut rest).is_ok() {
                offset += (rest.len() - before) as u64;
            }
        }
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if let Some(answer) = answer(&line) {
                let verdict = if answer.ok { "ok" } else { "FAILED" };
                step.note(&format!("{role} {:>5.1} s  {verdict}  {}", answer.uptime, answer.check));
                answers.push(answer);
            }
        }
        if last {
            return answers;
        }
        std::thread::sleep(LOOK);
    }
}

/// A line of the serial port, if it is an answer; kernel messages and the loader's words are not.
fn answer(line: &[u8]) -> Option<Answer> {
    let start = line.windows(2).position(|pair| pair == b"{\"")?;
    let value: serde_json::Value = serde_json::from_slice(&line[start..]).ok()?;
    if value["hab"] != "selftest" {
        return None;
    }
    serde_json::from_value(value).ok()
}

/// The end of what stands in the serial port's file, for an error.
fn tail(serial: &Path) -> String {
    let text = fs::read(serial).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] =
        b"{\"hab\":\"selftest\",\"check\":\"file:bin/etcd\",\"ok\":true,\"detail\":\"x\",\"uptime\":9.5}\r\n";

    #[test]
    fn an_answer_is_found_among_other_words() {
        let line = [b"[   12.0] noise ", OK].concat();
        assert_eq!(answer(&line).unwrap().check, "file:bin/etcd");
        assert!(answer(b"Linux version 6.12 {\"x\":1}\n").is_none());
        assert!(answer(b"{\"hab\":\"selftest\",\"done\":3}\n").is_none());
    }
}
