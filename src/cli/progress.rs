//! How long work shows how far it is: on a terminal a line for each step that runs, elsewhere plain lines with seconds.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Global, print};
use crate::progress::Progress;

/// How often moving lines are drawn.
const TICK: Duration = Duration::from_millis(120);

/// How often plain lines say how far a step is.
const STATUS_EVERY: Duration = Duration::from_secs(15);

/// The printer that suits the command line and standard error.
#[must_use]
pub fn printer(global: &Global) -> Box<dyn Progress> {
    if global.quiet {
        return Box::new(Quiet);
    }
    let start = Instant::now();
    if std::io::stderr().is_terminal() {
        return Box::new(Live { start, view: MultiProgress::new(), lines: Mutex::default() });
    }
    Box::new(Plain { start, steps: Mutex::default() })
}

/// A duration as people say it.
fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..100 => format!("{} s", seconds.max(1)),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

/// The line that stays when a step is over.
fn over(step: &str, outcome: Option<&str>, took: Duration) -> String {
    format!("{step}: {} ({:.1} s)", outcome.unwrap_or("FAILED"), took.as_secs_f64())
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole whatever its holder died of.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says only what even the quiet must know.
struct Quiet;

impl Progress for Quiet {
    fn begin(&self, _step: &str, _expected: Option<Duration>) {}
    fn status(&self, _step: &str, _text: &str) {}
    fn note(&self, _text: &str) {}
    fn warn(&self, text: &str) {
        print::stderr(text);
    }
    fn end(&self, _step: &str, _outcome: Option<&str>, _took: Duration) {}
    fn total(&self, _done: usize, _all: usize, _left: Option<Duration>) {}
}

/// Lines on standard error.
struct Plain {
    start: Instant,
    /// When each step last said how far it is.
    steps: Mutex<BTreeMap<String, Instant>>,
}

impl Plain {
    fn line(&self, text: &str) {
        print::stderr(&format!("{:>5} s  {text}", self.start.elapsed().as_secs()));
    }
}

impl Progress for Plain {
    fn begin(&self, step: &str, expected: Option<Duration>) {
        held(&self.steps).insert(step.to_owned(), Instant::now());
        self.line(&expected.map_or_else(|| step.to_owned(), |time| format!("{step} (about {})", span(time))));
    }

    fn status(&self, step: &str, text: &str) {
        if let Some(last) = held(&self.steps).get_mut(step)
            && last.elapsed() >= STATUS_EVERY
        {
            *last = Instant::now();
            self.line(&format!("  {step}: {text}"));
        }
    }

    fn note(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    fn warn(&self, text: &str) {
        self.line(text);
    }

    fn end(&self, step: &str, outcome: Option<&str>, took: Duration) {
        held(&self.steps).remove(step);
        self.line(&over(step, outcome, took));
    }

    fn total(&self, _done: usize, _all: usize, _left: Option<Duration>) {}
}

/// Moving lines on a terminal.
struct Live {
    start: Instant,
    view: MultiProgress,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Lines {
    steps: BTreeMap<String, (ProgressBar, String)>,
    total: Option<ProgressBar>,
}

impl Live {
    fn line(&self, text: &str) {
        // A terminal that is gone is nobody's loss.
        let _ = self.view.println(format!("{:>5} s  {text}", self.start.elapsed().as_secs()));
    }

    fn bar(&self, template: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner());
        self.view.add(ProgressBar::new_spinner().with_style(style))
    }
}

impl Progress for Live {
    fn begin(&self, step: &str, expected: Option<Duration>) {
        let title = expected.map_or_else(|| step.to_owned(), |time| format!("{step} (about {})", span(time)));
        let mut lines = held(&self.lines);
        let bar = self.bar("{spinner} {elapsed:>4} {wide_msg}").with_message(title.clone());
        bar.enable_steady_tick(TICK);
        if let Some(total) = &lines.total {
            self.view.remove(total);
            self.view.add(total.clone());
        }
        lines.steps.insert(step.to_owned(), (bar, title));
    }

    fn status(&self, step: &str, text: &str) {
        if let Some((bar, title)) = held(&self.lines).steps.get(step) {
            bar.set_message(format!("{title}: {text}"));
        }
    }

    fn note(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    fn warn(&self, text: &str) {
        self.line(text);
    }

    fn end(&self, step: &str, outcome: Option<&str>, took: Duration) {
        if let Some((bar, _)) = held(&self.lines).steps.remove(step) {
            bar.finish_and_clear();
            self.view.remove(&bar);
        }
        self.line(&over(step, outcome, took));
    }

    fn total(&self, done: usize, all: usize, left: Option<Duration>) {
        if all == 0 {
            return;
        }
        let left = left.map_or_else(String::new, |time| format!(", about {} left", span(time)));
        let mut lines = held(&self.lines);
        let total = lines.total.get_or_insert_with(|| self.bar("  {wide_msg}"));
        total.set_message(format!("{done} of {all} steps done{left}"));
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Nothing moving stays behind.
        let _ = self.view.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_said_as_people_say_them() {
        assert_eq!(
            [0, 5, 99, 100, 601].map(|s| span(Duration::from_secs(s))),
            ["1 s", "5 s", "99 s", "2 min", "11 min"]
        );
        assert_eq!(over("base", None, Duration::from_millis(1500)), "base: FAILED (1.5 s)");
    }
}
