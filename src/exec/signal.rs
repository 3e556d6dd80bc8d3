//! SIGINT, SIGTERM and SIGHUP: what runs is told to end, what was begun is tidied up, and hab is gone within a second.
//!
//! A signal ends every child started through [`super::child`], with its children, and makes [`check`] fail from then
//! on. The verb at work then comes back with an error as from any other failure, so its temporaries go the usual way.

use std::fmt;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// How long a child has to end by itself, before it is killed.
const GRACE: Duration = Duration::from_millis(300);

/// How long hab itself then has to tidy up. With [`GRACE`] it stays below a second, on a busy machine, too.
const TIDY: Duration = Duration::from_millis(400);

/// The first signal that came; 0 for none.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// The process groups of the children that run. A child is started and removed under this lock, so a signal meets
/// every child and none that is gone.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The work was ended by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interrupted(pub i32);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = signal_hook::low_level::signal_name(self.0).unwrap_or("a signal");
        write!(f, "ended by {name}")
    }
}

impl std::error::Error for Interrupted {}

/// Begins to watch for signals; once is enough.
///
/// # Errors
/// The handlers can't be set.
pub fn watch() -> std::io::Result<()> {
    static ONCE: Once = Once::new();
    let mut outcome = Ok(());
    ONCE.call_once(|| {
        // Caught and forgotten: a write over the limit of a file's size (`ulimit -f`) then fails as on a full disk,
        // and hab says so, instead of ending in the middle of it.
        let caught = flag::register(SIGXFSZ, Arc::default()).and_then(|_| Signals::new([SIGINT, SIGTERM, SIGHUP]));
        outcome = caught.and_then(|mut signals| {
            std::thread::Builder::new().spawn(move || signals.forever().for_each(end)).map(drop)
        });
    });
    outcome
}

/// The signal that came, if one did.
#[must_use]
pub fn caught() -> Option<i32> {
    Some(CAUGHT.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
}

/// For loops that take long: fails when a signal came.
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
    // A list of numbers is whole whatever its holder died of.
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end(signal: i32) {
    CAUGHT.store(signal, Ordering::SeqCst);
    tell(Signal::TERM);
    std::thread::sleep(GRACE);
    tell(Signal::KILL);
    std::thread::sleep(TIDY);
    // The verb did not come back in time; what it leaves is swept by the next run.
    std::process::exit(128 + signal);
}

fn tell(signal: Signal) {
    for group in groups().iter() {
        // It may be gone already; there is nothing else that can go wrong.
        let _ = kill_process_group(*group, signal);
    }
}
