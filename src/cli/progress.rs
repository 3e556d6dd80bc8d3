//! How long work shows how far it is: plain lines with seconds, or on a terminal one that moves.

use std::collections::HashMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Global, print};
use crate::progress::{Progress, Silent};

/// How often the moving line is drawn.
const TICK: Duration = Duration::from_millis(120);

/// The printer that suits the command line and standard error.
#[must_use]
pub fn printer(global: &Global) -> Box<dyn Progress> {
    if global.quiet {
        return Box::new(Silent);
    }
    let bar = std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}");
        let bar = ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(TICK);
        bar
    });
    Box::new(Printer { start: Instant::now(), bar, steps: Mutex::default() })
}

/// Prints to standard error.
struct Printer {
    start: Instant,
    /// The moving line, on a terminal.
    bar: Option<ProgressBar>,
    /// When each step that runs began.
    steps: Mutex<HashMap<String, Instant>>,
}

impl Printer {
    fn steps(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        // Whoever died with the lock left times in it, nothing half-done.
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line that stays.
    fn line(&self, text: &str) {
        let line = format!("{:>5} s  {text}", self.start.elapsed().as_secs());
        match &self.bar {
            Some(bar) => bar.println(line),
            None => print::stderr(&line),
        }
    }
}

impl Progress for Printer {
    fn begin(&self, what: &str) {
        self.steps().insert(what.to_owned(), Instant::now());
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => self.line(what),
        }
    }

    fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.line(&format!("  {text}")),
        }
    }

    fn end(&self, what: &str, outcome: &str) {
        let took = self.steps().remove(what).map(|start| start.elapsed().as_secs_f64()).unwrap_or_default();
        self.line(&format!("{what}: {outcome} ({took:.1} s)"));
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
