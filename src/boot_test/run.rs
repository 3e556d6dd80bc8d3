//! Boots a role's disks through packer. The guest tests itself and says what it found on its second serial port, and only
//! that is believed. The first is its console, kept for errors.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde_json::json;

use super::config::{Check, TEMPLATE};
use super::listen::{Heard, Ports, Signals, listen};
use super::report::{Report, Unfinished};
use super::sockets::sockets;
use crate::digest::sha256_file;
use crate::exec::packer::{self, Folders};
use crate::exec::plain_path;
use crate::exec::qemu::Accelerator;
use crate::progress::StepHandle;
use crate::role::Role;

/// How long a guest may take from start to power-off, a second start included. One emulated boot with its self-test took 80 s
/// in a calm hour and 200 s in a noisy one; packer must not end it while it still works.
const SHUTDOWN_TIMEOUT: &str = "30m";

/// How many lines of a console an error has.
const LAST_LINES: usize = 20;

/// The base's disk in the folder that packer leaves, as its template names it.
const OUT_DISK: &str = "disk1.qcow2";

/// What to boot, and how.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The role whose disks these are.
    pub role: Role,
    /// The base, in the format of the provider that is booted.
    pub disk: &'a Path,
    /// The payload, in the same format.
    pub payload: &'a Path,
    /// The disk of container images, in the same format, if that is what is tested.
    pub images: Option<&'a Path>,
    /// The self-test's Ignition config.
    pub config: &'a [u8],
    /// Everything the guest must answer.
    pub checks: &'a [Check],
    /// How much memory the guest gets, in MiB.
    pub memory: u32,
    /// How qemu runs the guest.
    pub accelerator: Accelerator,
}

/// Boots the subject in `scratch` and returns what the guest said.
///
/// # Errors
/// An [`Unfinished`]: packer is missing or fails, the guest says nothing or can't go on, or the disk that comes out is not
/// the one that went in. A check that does not hold is no error here: the report has it.
pub fn run(subject: &Subject<'_>, scratch: &Path, step: &StepHandle<'_>) -> Result<Report> {
    let unfinished = |console: String| Unfinished { role: subject.role, images: subject.images.is_some(), console };
    let prepared = prepare(subject, scratch).with_context(|| unfinished(String::new()))?;
    let report = boot(subject, scratch, &prepared, step);
    let console = read(&prepared.console);
    match report {
        Ok(report) => Ok(Report { console, ..report }),
        Err(error) => Err(error.context(unfinished(console))),
    }
}

fn boot(subject: &Subject<'_>, scratch: &Path, prepared: &Prepared, step: &StepHandle<'_>) -> Result<Report> {
    let Prepared { template, variables, disk_sha256, console, answers } = prepared;
    let ports = Ports { console, answers };
    let sockets = sockets(&std::env::temp_dir())?;
    let folders = Folders { sockets: sockets.path(), scratch };
    let started = Instant::now();
    let (done, stop) = (AtomicBool::new(false), AtomicBool::new(false));
    let signals = Signals { done: &done, stop: &stop };
    let mut heard = Ok(Heard::default());
    let outcome = std::thread::scope(|scope| {
        let listener = scope.spawn(|| listen(subject.role, ports, signals, step));
        let outcome = packer::build(folders, template, variables, &stop);
        done.store(true, Ordering::Release);
        match listener.join() {
            Ok(all) => heard = all,
            Err(_) => bail!("the thread that reads the guest's answers stopped"),
        }
        outcome
    });
    let heard = heard.with_context(|| tail(&read(console)))?;
    let (conclusive, stuck, count, of) =
        (heard.is_conclusive(), heard.stuck, heard.answers.len(), subject.checks.len());
    let report = Report::new(subject.role, subject.checks, heard.answers, started.elapsed());
    let report = Report { images: subject.images.is_some(), ..report };
    if let (Some(why), false) = (stuck, conclusive) {
        bail!("the guest can't go on after {count} of {of} answers: {why}\n{}", tail(&read(console)));
    }
    // A guest that said what is wrong and did not switch itself off is worth its own words first.
    if !conclusive || report.failures().is_empty() {
        outcome?;
    }
    ensure!(conclusive, "the guest ended after {count} of {of} answers\n{}", tail(&read(console)));
    if report.failures().is_empty() {
        let out = scratch.join("output").join(OUT_DISK);
        let same = sha256_file(&out)? == *disk_sha256;
        ensure!(same, "the disk came out other than it went in");
    }
    Ok(report)
}

/// All that is on a console.
fn read(console: &Path) -> String {
    String::from_utf8_lossy(&fs::read(console).unwrap_or_default()).into_owned()
}

/// Looks whether packer can boot a role's disks here, by asking it about the template. Takes a third of a
/// second; a build that ends in a boot test asks before it works for minutes.
///
/// # Errors
/// packer or its qemu plugin is missing, or packer refuses the template.
pub fn preflight(scratch: &Path) -> Result<()> {
    let disk = scratch.join(OUT_DISK);
    fs::write(&disk, "")?;
    let accelerator = Accelerator::Tcg;
    let subject = Subject {
        role: Role::Etcd,
        disk: &disk,
        payload: &disk,
        images: None,
        config: b"",
        checks: &[],
        memory: 1,
        accelerator,
    };
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
        "images": subject.images.map(path).into_iter().collect::<Result<Vec<_>>>()?,
        "ignition": path(&config)?,
        "console": path(&console)?,
        "answers": path(&answers)?,
        "output": path(&scratch.join("output"))?,
        "accelerator": subject.accelerator.name(),
        "cpu": subject.accelerator.cpu(),
        "memory": subject.memory,
        "shutdown_timeout": SHUTDOWN_TIMEOUT,
        "once": if subject.checks.contains(&Check::Again) { vec![] } else { vec!["-no-reboot"] },
    });
    fs::write(&variables, values.to_string())?;
    Ok(Prepared { template, variables, disk_sha256, console, answers })
}

/// The last lines of a console, for an error.
fn tail(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
