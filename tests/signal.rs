//! What signals do to hab and to the programs it runs, and that nothing outlives hab.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic; clippy knows only test functions")]

use std::io::{BufRead as _, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use hab::exec::{Tool, signal};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

/// hab promises a second; a machine that is busy with other tests gets another.
const LIMIT: Duration = Duration::from_secs(2);

/// How long a process is watched that must go on.
const WATCHED: Duration = Duration::from_millis(1500);

/// Set in the program that is started again: where it may work.
const WORK: &str = "HAB_TEST_WORK";

/// Whoever runs the tests may ignore signals, which is handed on (a shell's `&` does so).
const DEFAULT: [&str; 2] = ["env", "--default-signal=HUP,INT,TERM,TSTP"];

/// Stands for a verb: a temporary folder and a program that runs for long, with a child that does not want to end.
#[test]
fn work() {
    let Some(dir) = std::env::var_os(WORK) else { return };
    signal::watch().unwrap();
    let temporary = tempfile::tempdir_in(&dir).unwrap();
    let script = "trap '' TERM; sleep 60 & echo child $!; wait; sleep 60";
    let outcome = Tool::find("sh", "dash").unwrap().args(["-c", script]).dir(temporary.path()).stream(|line| {
        println!("{line}");
    });
    assert!(outcome.is_err());
    assert!(Tool::find("true", "coreutils").unwrap().run().is_err(), "a child was started after the signal");
    drop(temporary);
    signal::die(signal::caught().unwrap());
}

fn ended_by(signal: Signal) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(DEFAULT[0]);
    command.arg(DEFAULT[1]).arg(std::env::current_exe().unwrap()).args(["--exact", "work", "--nocapture"]);
    let mut work = command.env(WORK, dir.path()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(work.stdout.take().unwrap()).lines();
    let child = lines.by_ref().map(Result::unwrap).find_map(|line| line.split("child ").nth(1)?.parse().ok()).unwrap();
    assert!(!gone(pid(child)));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the work has no temporary folder");
    let start = Instant::now();
    kill_process(Pid::from_child(&work), signal).unwrap();
    let status = work.wait().unwrap();
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    assert_eq!(status.signal(), Some(signal.as_raw()), "{status}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a temporary is left");
    // It was killed; on a busy machine it takes its time to die.
    within_limit("the child's child ends", || gone(pid(child)));
}

#[test]
fn sigint_ends_everything() {
    ended_by(Signal::INT);
}

#[test]
fn sigterm_ends_everything() {
    ended_by(Signal::TERM);
}

#[test]
fn sighup_ends_everything() {
    ended_by(Signal::HUP);
}

/// The real hab, at work on a lab: it waits for a program that runs for long and has a child that does so, too.
struct Hab {
    _dir: TempDir,
    process: std::process::Child,
    /// The program and its child.
    children: [Pid; 2],
}

/// The programs `hab lock` starts; whichever is first is the one it waits for.
const PROGRAMS: [&str; 3] = ["go", "gcc", "apt-get"];

impl Hab {
    /// Starts it through `wrapper`, in a process group of its own as a shell would.
    fn start(wrapper: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::fs::write(dir.path().join("hab.yaml"), "lab: demo\n").unwrap();
        let script = "#!/bin/sh\nsleep 60 &\necho $$ $! >${0%/*}/new\nmv ${0%/*}/new ${0%/*}/pids\nwait\n";
        for name in PROGRAMS {
            std::fs::write(bin.join(name), script).unwrap();
            std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(DEFAULT[0]);
        command.arg(DEFAULT[1]).args(wrapper).args([env!("CARGO_BIN_EXE_hab"), "lock"]).current_dir(dir.path());
        command.env("PATH", path).env("XDG_CACHE_HOME", dir.path().join("cache")).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        within_limit("the program starts", || bin.join("pids").exists());
        let pids = std::fs::read_to_string(bin.join("pids")).unwrap();
        let pids: Vec<Pid> = pids.split_whitespace().map(|word| pid(word.parse().unwrap())).collect();
        Self { _dir: dir, process, children: pids.try_into().unwrap() }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    fn send(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// hab and its children are in one of these states; see `proc_pid_stat(5)`.
    fn all_are(&self, states: &[char]) -> bool {
        let all = [self.pid()].into_iter().chain(self.children);
        all.into_iter().all(|pid| state(pid).is_some_and(|state| states.contains(&state)))
    }

    /// How hab ended, and what it wrote. Nothing of it runs then.
    fn end(mut self) -> (ExitStatus, String) {
        within_limit("hab ends", || gone(self.pid()));
        let status = self.process.wait().unwrap();
        within_limit("the children end", || self.children.into_iter().all(gone));
        let mut text = String::new();
        self.process.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (status, text)
    }
}

/// A test that fails leaves nothing behind.
impl Drop for Hab {
    fn drop(&mut self) {
        // They fail for what has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const RUNS: [char; 3] = ['R', 'S', 'D'];

#[test]
fn an_ignored_signal_stays_ignored() {
    let hab = Hab::start(&["nohup"]);
    hab.send(Signal::HUP);
    std::thread::sleep(WATCHED);
    assert!(hab.all_are(&RUNS), "it ended or was stopped");
    // The others are not ignored.
    hab.send(Signal::INT);
    assert_eq!(hab.end().0.signal(), Some(Signal::INT.as_raw()));

    let hab = Hab::start(&["env", "--ignore-signal=TSTP"]);
    hab.send(Signal::TSTP);
    std::thread::sleep(WATCHED);
    assert!(hab.all_are(&RUNS), "it ended or was stopped");
    hab.send(Signal::HUP);
    assert_eq!(hab.end().0.signal(), Some(Signal::HUP.as_raw()));
}

#[test]
fn a_script_ends_at_ctrl_c() {
    let script = ["bash", "-c", "\"$@\"; echo \"went on after $?\"", "bash"];
    // The terminal sends it to the whole group.
    let hab = Hab::start(&script);
    kill_process_group(hab.pid(), Signal::INT).unwrap();
    let (status, text) = hab.end();
    assert_eq!((status.signal(), text.as_str()), (Some(Signal::INT.as_raw()), ""), "{status}");

    // The same script sees the documented code of a hab that was ended alone.
    let hab = Hab::start(&script);
    let children = format!("/proc/{0}/task/{0}/children", hab.pid().as_raw_nonzero());
    let alone = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    kill_process(pid(alone), Signal::TERM).unwrap();
    let (status, text) = hab.end();
    assert_eq!((status.code(), text.as_str()), (Some(0), "went on after 143\n"));
}

#[test]
fn ctrl_z_stops_hab_and_its_children_until_they_are_continued() {
    let hab = Hab::start(&[]);
    assert!(hab.all_are(&RUNS));
    for _ in 0..2 {
        hab.send(Signal::TSTP);
        within_limit("all stop", || hab.all_are(&['T']));
        hab.send(Signal::CONT);
        within_limit("all go on", || hab.all_are(&RUNS));
    }
    hab.send(Signal::TERM);
    assert_eq!(hab.end().0.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn nothing_outlives_a_hab_that_is_killed() {
    let hab = Hab::start(&[]);
    hab.send(Signal::KILL);
    assert_eq!(hab.end().0.signal(), Some(Signal::KILL.as_raw()));

    // Nor one that is killed while it is stopped.
    let hab = Hab::start(&[]);
    hab.send(Signal::TSTP);
    within_limit("all stop", || hab.all_are(&['T']));
    hab.send(Signal::KILL);
    hab.end();
}

#[track_caller]
fn within_limit(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn pid(number: i32) -> Pid {
    Pid::from_raw(number).unwrap()
}

/// Dead, or dead and waiting for its parent to notice.
fn gone(pid: Pid) -> bool {
    state(pid).is_none_or(|state| state == 'Z' || state == 'X')
}

/// The third field of `/proc/PID/stat`, after the name in brackets; `None` when there is no such process.
fn state(pid: Pid) -> Option<char> {
    let stat = std::fs::read_to_string(Path::new(&format!("/proc/{}/stat", pid.as_raw_nonzero()))).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
