//! SIGINT and SIGTERM end hab within a second, with its children and its temporaries.
//!
//! The work is this test program itself, started again: the library as hab uses it, with a child that never ends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic; clippy knows only test functions")]

use std::io::BufRead as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hab::exec::{Tool, signal};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// hab promises a second; a machine that is busy with other tests gets another.
const LIMIT: Duration = Duration::from_secs(2);

/// Set in the program that is started again: where it may work.
const WORK: &str = "HAB_TEST_WORK";

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
    std::process::exit(128 + signal::caught().unwrap());
}

fn ended_by(signal: Signal) {
    let dir = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "work", "--nocapture"]).env(WORK, dir.path()).stdout(Stdio::piped());
    let mut work = command.spawn().unwrap();
    let mut lines = std::io::BufReader::new(work.stdout.take().unwrap()).lines();
    let child = lines.by_ref().map(Result::unwrap).find_map(|line| line.split("child ").nth(1)?.parse().ok()).unwrap();
    let child = Pid::from_raw(child).unwrap();
    assert!(!gone(child));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the work has no temporary folder");
    let start = Instant::now();
    kill_process(Pid::from_child(&work), signal).unwrap();
    let status = work.wait().unwrap();
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    assert_eq!(status.code(), Some(128 + signal.as_raw()), "{:?}", status.signal());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "a temporary is left");
    // It was killed; on a busy machine it takes its time to die.
    while !gone(child) {
        assert!(start.elapsed() < LIMIT, "the child's child lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Dead, or dead and waiting for init to notice.
fn gone(pid: Pid) -> bool {
    let stat = format!("/proc/{}/stat", pid.as_raw_nonzero());
    test_kill_process(pid).is_err() || std::fs::read_to_string(Path::new(&stat)).is_ok_and(|stat| stat.contains(") Z"))
}

#[test]
fn sigint_ends_everything() {
    ended_by(Signal::INT);
}

#[test]
fn sigterm_ends_everything() {
    ended_by(Signal::TERM);
}
