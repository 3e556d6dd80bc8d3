//! On SIGINT, SIGTERM or SIGHUP: stops the children, lets the verb remove its temporary files, and ends hab by that
//! signal within one second. On SIGTSTP (Ctrl-Z): stops the children and hab until hab is continued.
//!
//! A signal that ends hab makes [`check`] fail from then on, and every child that runs, so the verb returns with an
//! error as from any other failure. Signals that hab was started to ignore (`nohup`) stay ignored.
//! Whoever must put something right that others see takes a [`Hold`]: hab then ends when that is dropped.

use std::fmt;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, signal_name};

/// How long a child has to end by itself, before it is killed.
const GRACE: Duration = Duration::from_millis(300);

/// How long hab then has to remove its temporary files. With [`GRACE`] it stays below a second, even on a busy machine.
const TIDY: Duration = Duration::from_millis(400);

/// How long hab waits for a [`Hold`]. What it covers takes a few seconds; one that hangs must not keep hab for ever.
const HELD: Duration = Duration::from_secs(30);

/// How many [`Hold`]s there are.
static HOLDS: AtomicUsize = AtomicUsize::new(0);

/// The first signal that came; 0 for none.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// The process groups of the children that run. A child is started and removed under this lock, so a signal reaches
/// every child and nothing else.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The work was ended by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted(pub i32);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = signal_name(self.0).unwrap_or("a signal");
        write!(f, "ended by {name}")
    }
}

impl std::error::Error for Interrupted {}

/// While there is one, a signal does not end hab, for at most [`HELD`]; all else that it does it does at once.
#[derive(Debug)]
#[must_use]
pub struct Hold(());

impl Hold {
    /// Takes one.
    #[expect(clippy::new_without_default, reason = "it has an effect")]
    pub fn new() -> Self {
        HOLDS.fetch_add(1, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        HOLDS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Begins to watch for signals; once is enough.
///
/// # Errors
/// The handlers can't be set.
pub fn watch() -> std::io::Result<()> {
    static ONCE: Once = Once::new();
    let mut outcome = Ok(());
    ONCE.call_once(|| {
        // Without /proc nothing is known to be ignored.
        let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let watched = [SIGINT, SIGTERM, SIGHUP, SIGTSTP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        // Caught and without effect: a write over the limit of a file's size (`ulimit -f`) then fails as on a full
        // disk, and hab reports that, instead of ending in the middle of it.
        let caught = flag::register(SIGXFSZ, Arc::default()).and_then(|_| Signals::new(watched));
        outcome = caught.and_then(|mut signals| {
            std::thread::Builder::new().spawn(move || signals.forever().for_each(handle)).map(drop)
        });
    });
    outcome
}

/// The signals ignored by the process that has this `/proc/PID/status`: bit n-1 for signal n (`proc_pid_status(5)`).
fn ignored(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// The signal that came, if one did.
#[must_use]
pub fn caught() -> Option<i32> {
    Some(CAUGHT.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// Ends hab by `signal` itself, not by an exit code, so that a shell script ends at Ctrl-C instead of going on with its
/// next line. A shell shows both as 128 + `signal`.
pub fn die(signal: i32) -> ! {
    // The first process of a container does not die of a signal it sends itself (pid_namespaces(7)).
    if !rustix::process::getpid().is_init() {
        // Returns only for a signal that it does not know.
        let _ = emulate_default_handler(signal);
    }
    std::process::exit(128 + signal)
}

/// For long loops: fails once a signal came.
///
/// # Errors
/// A signal came.
pub fn check() -> Result<(), Interrupted> {
    caught().map_or(Ok(()), |signal| Err(Interrupted(signal)))
}

/// Sleeps, and wakes up at once when a signal comes.
///
/// # Errors
/// A signal came.
pub fn pause(duration: Duration) -> Result<(), Interrupted> {
    /// Short against the second in which hab must end.
    const STEP: Duration = Duration::from_millis(50);
    let end = Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        check()?;
        std::thread::sleep(left.min(STEP));
    }
    check()
}

/// The list of running children's groups; see [`GROUPS`].
pub(super) fn groups() -> MutexGuard<'static, Vec<Pid>> {
    // Whatever panicked while it held the lock, a list of numbers is never half changed.
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handle(signal: i32) {
    if signal == SIGTSTP {
        stop();
    } else {
        end(signal);
    }
}

/// Stops the children, which the terminal's Ctrl-Z does not reach in their own groups, and hab.
fn stop() {
    // Held all the time, so that no child is started in between.
    let groups = groups();
    kill_groups(&groups, Signal::STOP);
    // Returns when hab is continued.
    let _ = emulate_default_handler(SIGTSTP);
    kill_groups(&groups, Signal::CONT);
}

fn end(signal: i32) {
    CAUGHT.store(signal, Ordering::SeqCst);
    kill_groups(&groups(), Signal::TERM);
    std::thread::sleep(GRACE);
    kill_groups(&groups(), Signal::KILL);
    let start = Instant::now();
    while HOLDS.load(Ordering::SeqCst) > 0 && start.elapsed() < HELD {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(TIDY);
    // The verb did not return in time; the next run removes what it leaves.
    die(signal);
}

fn kill_groups(groups: &[Pid], signal: Signal) {
    for group in groups {
        // It fails only for a group that has ended.
        let _ = kill_process_group(*group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status() {
        let status = "Name:\thab\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert_eq!(ignored(status), 1 << (SIGHUP - 1) | 1 << 12, "SIGHUP and SIGPIPE");
        // Rust ignores SIGPIPE from the start; this program ignores it, too.
        let own = std::fs::read_to_string("/proc/self/status").unwrap();
        assert_ne!(ignored(&own) & 1 << 12, 0, "{own}");
        assert_eq!(ignored("no such line"), 0);
    }
}
