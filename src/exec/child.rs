//! A running program, in a process group of its own: it ends, with all its children, when hab is told to end or
//! loses interest.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdout, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::signal;

/// A program that was started and is not yet waited for. Dropping it kills it.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    group: Pid,
    done: bool,
}

/// Starts `command`.
///
/// # Errors
/// It can't be started, or hab was told to end.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    command.process_group(0);
    let mut groups = signal::groups();
    signal::check().map_err(io::Error::other)?;
    let process = command.spawn()?;
    let group = Pid::from_child(&process);
    groups.push(group);
    Ok(Child { process, group, done: false })
}

/// Runs `command` to the end and keeps what it says.
///
/// # Errors
/// It can't be started or its output not be read.
pub fn output(command: &mut Command) -> io::Result<Output> {
    let mut child = spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let (stdout, stderr) = (child.process.stdout.take(), child.process.stderr.take());
    let (stdout, stderr) = std::thread::scope(|scope| {
        let errors = scope.spawn(|| read(stderr));
        (read(stdout), errors.join().unwrap_or_else(|_| Err(io::Error::other("the reader died"))))
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

impl Child {
    /// What it writes, if its command said `Stdio::piped()`; once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.process.stdout.take()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    /// It can't be waited for.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        // The dead child stays until it is off the list: its number can't become another's meanwhile.
        while let Err(error) = waitid(WaitId::Pid(self.group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            if error != rustix::io::Errno::INTR {
                return Err(error.into());
            }
        }
        self.forget(signal::caught().is_some());
        self.process.wait()
    }

    /// Takes it off the list of those to be ended; `kill` ends what is left of its group.
    fn forget(&mut self, kill: bool) {
        let mut groups = signal::groups();
        if kill {
            // Nothing may be left to kill, which is as good.
            let _ = kill_process_group(self.group, Signal::KILL);
        }
        groups.retain(|group| *group != self.group);
        self.done = true;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.done {
            self.forget(true);
            // Killed; the wait only tidies the process table.
            let _ = self.process.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_is_dropped_ends_with_its_own_children() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]).stdout(Stdio::piped());
        let mut child = spawn(&mut command).unwrap();
        let mut line = String::new();
        io::BufRead::read_line(&mut io::BufReader::new(child.stdout().unwrap()), &mut line).unwrap();
        let grandchild = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        drop(child);
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
        let output = output(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!((output.stdout.len(), output.stderr.len()), (300_000, 200_000));
    }
}
