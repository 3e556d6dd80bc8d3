//! A running program, in a process group of its own. The whole group ends when hab drops it, is told to end, or is
//! killed.

use std::io;
use std::marker::PhantomData;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::Result;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{locate, signal};

/// How many arguments [`guarded`] puts before the program's own.
pub const GUARD_ARGS: usize = 7;

/// A program that was started and is not yet waited for. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    group: Pid,
    done: bool,
    /// Keeps it in the thread that started it: Linux counts the end of that thread as the parent's death
    /// (prctl(2), `PR_SET_PDEATHSIG`), so another could not wait for it.
    _not_send: PhantomData<*const ()>,
}

/// A command that runs `program` and kills its whole process group when hab dies, even by SIGKILL: Linux then sends
/// SIGALRM to `timeout`, which takes it for its own alarm and kills the group it leads (coreutils `src/timeout.c`).
/// SIGTERM to the program alone is not enough: packer leaves its plugin or qemu behind if it gets it while it starts.
///
/// # Errors
/// setpriv or timeout is not installed.
pub fn guarded(program: &Path) -> Result<Command> {
    let mut command = Command::new(locate("setpriv", "util-linux")?);
    command.args(["--pdeathsig", "ALRM", "--"]).arg(locate("timeout", "coreutils")?);
    // No time limit.
    command.args(["--signal=KILL", "0"]).arg(program);
    Ok(command)
}

/// Starts `command`.
///
/// # Errors
/// It can't be started, or hab was told to end.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    command.process_group(0);
    let mut groups = signal::groups();
    signal::check().map_err(io::Error::other)?;
    let child = start(command)?;
    groups.push(child.group);
    Ok(child)
}

fn start(command: &mut Command) -> io::Result<Child> {
    let process = command.spawn()?;
    let group = Pid::from_child(&process);
    Ok(Child { process, group, done: false, _not_send: PhantomData })
}

/// Runs `command` to the end and keeps its output. One that is the `last` runs also when hab was told to end, and no
/// signal of hab's ends it.
///
/// # Errors
/// It can't be started or its output not be read.
pub fn output(command: &mut Command, last: bool) -> io::Result<Output> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = if last { start(command.process_group(0))? } else { spawn(command)? };
    let (stdout, stderr) = (child.process.stdout.take(), child.process.stderr.take());
    let (stdout, stderr) = std::thread::scope(|scope| {
        let errors = scope.spawn(|| read(stderr));
        (read(stdout), errors.join().unwrap_or_else(|_| Err(io::Error::other("reading standard error failed"))))
    });
    let status = child.wait()?;
    Ok(Output { status, stdout: stdout?, stderr: stderr? })
}

fn read(from: Option<impl io::Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        from.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Ends a [`Child`] from any thread.
#[derive(Debug, Clone, Copy)]
pub struct Ender(Pid);

impl Ender {
    /// Kills its whole group, if it has not ended.
    pub fn end(self) {
        // Under the lock: while the group is on the list, no other has its number.
        let groups = signal::groups();
        if groups.contains(&self.0) {
            // It fails only for a group that has ended.
            let _ = kill_process_group(self.0, Signal::KILL);
        }
    }
}

impl Child {
    /// What ends it from another thread.
    #[must_use]
    pub const fn ender(&self) -> Ender {
        Ender(self.group)
    }

    /// Its standard output, once, if the command has it as `Stdio::piped()`.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// It can't be waited for.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        // NOWAIT: the dead child keeps its number, so no other group can have it, until it is off the list.
        while let Err(error) = waitid(WaitId::Pid(self.group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        // A leader that died may have left others behind.
        self.untrack();
        self.process.wait()
    }

    /// Whether it has ended; it is still to be waited for.
    ///
    /// # Errors
    /// It can't be looked at.
    pub fn has_ended(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        Ok(waitid(WaitId::Pid(self.group), options)?.is_some())
    }

    /// Asks it to end, and gives it a second to leave what it was writing in order.
    pub fn end(self) {
        /// How often is looked, and how many times.
        const LOOKS: (Duration, u32) = (Duration::from_millis(50), 20);
        // It fails when nothing is left to ask.
        let _ = kill_process_group(self.group, Signal::TERM);
        for _ in 0..LOOKS.1 {
            if self.has_ended().unwrap_or(true) {
                return;
            }
            std::thread::sleep(LOOKS.0);
        }
    }

    /// Kills what is left of its group, and takes that off the list of those that signals end.
    fn untrack(&mut self) {
        let mut groups = signal::groups();
        // It fails when nothing is left to kill.
        let _ = kill_process_group(self.group, Signal::KILL);
        groups.retain(|group| *group != self.group);
        self.done = true;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.done {
            self.untrack();
            // Killed; the wait only tidies the process table.
            let _ = self.process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shell that has a child of its own, and that child.
    fn parent(script: &str) -> (Child, Pid) {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdout(Stdio::piped());
        let mut child = spawn(&mut command).unwrap();
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(child.stdout().unwrap()), &mut line).unwrap();
        (child, Pid::from_raw(line.trim().parse().unwrap()).unwrap())
    }

    #[test]
    fn a_child_that_is_dropped_ends_with_its_own_children() {
        let (child, grandchild) = parent("sleep 60 & echo $!; wait");
        assert!(rustix::process::test_kill_process(grandchild).is_ok());
        drop(child);
        assert_ended(grandchild);
    }

    #[test]
    fn a_child_that_is_asked_to_end_has_time_to_tidy_up() {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        let script = "trap 'sleep 0.2; echo tidy >done; exit' TERM; echo 1; while :; do sleep 0.1; done";
        command.current_dir(dir.path()).args(["-c", script]).stdout(Stdio::piped());
        let mut child = spawn(&mut command).unwrap();
        io::BufRead::read_line(&mut io::BufReader::new(child.stdout().unwrap()), &mut String::new()).unwrap();
        assert!(!child.has_ended().unwrap());
        child.end();
        assert_eq!(std::fs::read_to_string(dir.path().join("done")).unwrap(), "tidy\n");
    }

    #[test]
    fn a_child_is_ended_from_another_thread() {
        let (mut child, grandchild) = parent("sleep 60 & echo $!; wait");
        let ender = child.ender();
        std::thread::spawn(move || ender.end()).join().unwrap();
        assert!(!child.wait().unwrap().success());
        assert_ended(grandchild);
        // Nothing is left that it could end.
        ender.end();
    }

    #[test]
    fn a_child_that_dies_by_itself_leaves_none_behind() {
        let (mut child, grandchild) = parent("sleep 60 >&- & echo $!; exit 3");
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert_ended(grandchild);
    }

    fn assert_ended(grandchild: Pid) {
        // It is init's to reap, so it may be seen dead for a moment.
        let ended = || rustix::process::test_kill_process(grandchild).is_err() || zombie(grandchild);
        let start = std::time::Instant::now();
        while !ended() {
            assert!(start.elapsed().as_secs() < 5, "the grandchild lives on");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn zombie(pid: Pid) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
        stat.contains(") Z")
    }

    #[test]
    fn long_output_on_both_streams_is_kept() {
        let script = "head -c 200000 /dev/zero >&2; head -c 300000 /dev/zero";
        let output = output(Command::new("sh").args(["-c", script]), false).unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 200_000));
    }
}
