//! Progress of long work: steps that begin and end, and what is said meanwhile.

use std::time::{Duration, Instant};

/// Shows progress to a person; implementations decide how it looks. Called from several threads.
pub trait Progress: Sync {
    /// A step begins; `expected` is how long it took before.
    fn begin(&self, step: &str, expected: Option<Duration>);
    /// How far a step is: of interest only until the next word of it.
    fn status(&self, step: &str, text: &str);
    /// Something worth keeping.
    fn note(&self, text: &str);
    /// Something that even the quiet must know: why nothing seems to happen.
    fn warn(&self, text: &str);
    /// A step is over: its outcome, or `None` when it failed.
    fn end(&self, step: &str, outcome: Option<&str>, took: Duration);
    /// How far the whole is: steps done, steps in all, and about how long the rest takes.
    fn total(&self, done: usize, all: usize, left: Option<Duration>);
}

impl dyn Progress + '_ {
    /// Begins a step; when the handle is dropped without [`StepHandle::done`], the step has failed.
    #[must_use]
    pub fn step(&self, name: &str, expected: Option<Duration>) -> StepHandle<'_> {
        self.begin(name, expected);
        StepHandle { progress: self, name: name.to_owned(), start: Instant::now(), ended: false }
    }
}

/// A step that runs.
pub struct StepHandle<'p> {
    progress: &'p dyn Progress,
    name: String,
    start: Instant,
    ended: bool,
}

impl StepHandle<'_> {
    /// Says how far it is.
    pub fn status(&self, text: &str) {
        self.progress.status(&self.name, text);
    }

    /// Says something worth keeping.
    pub fn note(&self, text: &str) {
        self.progress.note(text);
    }

    /// Ends well; returns how long it took.
    #[allow(clippy::must_use_candidate, reason = "most callers only end it")]
    pub fn done(mut self, outcome: &str) -> Duration {
        self.ended = true;
        let took = self.start.elapsed();
        self.progress.end(&self.name, Some(outcome), took);
        took
    }
}

impl Drop for StepHandle<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.progress.end(&self.name, None, self.start.elapsed());
        }
    }
}

/// Says nothing: for tests and for callers that want only the result.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _step: &str, _expected: Option<Duration>) {}
    fn status(&self, _step: &str, _text: &str) {}
    fn note(&self, _text: &str) {}
    fn warn(&self, _text: &str) {}
    fn end(&self, _step: &str, _outcome: Option<&str>, _took: Duration) {}
    fn total(&self, _done: usize, _all: usize, _left: Option<Duration>) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    impl Progress for Heard {
        fn begin(&self, step: &str, _expected: Option<Duration>) {
            self.0.lock().unwrap().push(format!("begin {step}"));
        }
        fn status(&self, _step: &str, _text: &str) {}
        fn note(&self, _text: &str) {}
        fn warn(&self, _text: &str) {}
        fn end(&self, step: &str, outcome: Option<&str>, _took: Duration) {
            self.0.lock().unwrap().push(format!("end {step} {outcome:?}"));
        }
        fn total(&self, _done: usize, _all: usize, _left: Option<Duration>) {}
    }

    #[test]
    fn a_step_that_is_dropped_has_failed() {
        let heard = Heard::default();
        let progress: &dyn Progress = &heard;
        progress.step("one", None).done("well");
        drop(progress.step("other", None));
        let heard = heard.0.into_inner().unwrap();
        assert_eq!(heard, ["begin one", "end one Some(\"well\")", "begin other", "end other None"]);
    }
}
