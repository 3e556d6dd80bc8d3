//! Problems of a user's file, each with its place, its line and a hint.

use std::fmt;

/// Where in a text something stands; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters the caret line underlines, at least 1.
    pub width: usize,
}

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is built while one is left.
    Error,
    /// Said, and built all the same.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong with the user's input: what, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Error or warning.
    pub severity: Severity,
    /// Where it stands; `None` for the file as a whole.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What to do, where hab knows.
    pub hint: Option<String>,
}

/// How much of a long line is shown, in characters.
const SHOWN: usize = 120;

/// All problems of one file, with the text they point into.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    /// The file's name as the user wrote it.
    pub file: String,
    /// The file's text, for the caret lines.
    pub source: String,
    /// The problems, in the order found.
    pub list: Vec<Problem>,
    /// Those of files that this one names.
    pub others: Vec<Self>,
}

impl Problems {
    /// An empty list for `file` with the text `source`.
    #[must_use]
    pub fn new(file: &str, source: &str) -> Self {
        Self { file: file.to_owned(), source: source.to_owned(), ..Self::default() }
    }

    /// Those of several files as one; `None` without any.
    #[must_use]
    pub fn together(files: Vec<Self>) -> Option<Self> {
        let mut files = files.into_iter();
        let mut first = files.next()?;
        first.others.extend(files);
        Some(first)
    }

    /// Each problem, with the file that it is in.
    pub fn each(&self) -> impl Iterator<Item = (&str, &Problem)> {
        // A file that is named by one names none itself.
        let files =
            std::iter::once(self).chain(self.others.iter().flat_map(|file| std::iter::once(file).chain(&file.others)));
        files.flat_map(|file| file.list.iter().map(|problem| (file.file.as_str(), problem)))
    }

    /// True when there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.each().next().is_none()
    }

    /// Notes an error.
    pub fn error(&mut self, place: Option<Place>, message: impl Into<String>, hint: Option<String>) {
        self.list.push(Problem { severity: Severity::Error, place, message: message.into(), hint });
    }

    /// Notes a warning.
    pub fn warning(&mut self, place: Option<Place>, message: impl Into<String>, hint: Option<String>) {
        self.list.push(Problem { severity: Severity::Warning, place, message: message.into(), hint });
    }

    /// True when at least one problem forbids building.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.each().any(|(_, problem)| problem.severity == Severity::Error)
    }

    /// Sorts by place, so the user reads them from top to bottom; problems of the whole file come first.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|p| p.place);
    }
}

impl fmt::Display for Problems {
    /// `file:line:column: error: message`, the line, a caret under the place, and the hint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            match problem.place {
                Some(place) => writeln!(
                    f,
                    "{}:{}:{}: {}: {}",
                    self.file, place.line, place.column, problem.severity, problem.message
                )?,
                None => writeln!(f, "{}: {}: {}", self.file, problem.severity, problem.message)?,
            }
            if let Some(place) = problem.place
                && let Some(line) = self.source.lines().nth(place.line.saturating_sub(1))
            {
                let before = place.column.saturating_sub(1);
                let skipped = if before < SHOWN { 0 } else { before - SHOWN / 2 };
                let shown: String =
                    line.chars().skip(skipped).take(SHOWN).map(|c| if c == '\t' { ' ' } else { c }).collect();
                writeln!(f, "  | {shown}")?;
                let indent = " ".repeat(before - skipped);
                let left = shown.chars().count().saturating_sub(before - skipped);
                writeln!(f, "  | {indent}{}", "^".repeat(place.width.clamp(1, left.max(1))))?;
            }
            if let Some(hint) = &problem.hint {
                writeln!(f, "  = hint: {hint}")?;
            }
        }
        self.others.iter().try_for_each(|other| write!(f, "{other}"))
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_its_line_a_caret_and_the_hint() {
        let mut problems = Problems::new("hab.yaml", "lab: demo\nworker: 3\n");
        let place = Place { line: 2, column: 1, width: 6 };
        problems.error(Some(place), "unknown key `worker`", Some("did you mean `nodes`?".to_owned()));
        assert_eq!(
            problems.to_string(),
            "hab.yaml:2:1: error: unknown key `worker`\n  | worker: 3\n  | ^^^^^^\n  = hint: did you mean `nodes`?\n"
        );
        assert!(problems.has_errors());
    }

    #[test]
    fn several_files_are_said_one_after_another() {
        let of = |file: &str, warns: bool| {
            let mut problems = Problems::new(file, "");
            if warns {
                problems.warning(None, "odd", None);
            } else {
                problems.error(None, "wrong", None);
            }
            problems
        };
        assert!(Problems::together(Vec::new()).is_none());
        let files = Problems::together(vec![of("a.yaml", true), of("b.pem", false)]).unwrap();
        let mut all = of("hab.yaml", true);
        assert!(!all.has_errors() && !all.is_empty());
        all.others.push(files);
        assert!(all.has_errors());
        assert_eq!(all.to_string(), "hab.yaml: warning: odd\na.yaml: warning: odd\nb.pem: error: wrong\n");
        assert_eq!(all.each().map(|(file, _)| file).collect::<Vec<_>>(), ["hab.yaml", "a.yaml", "b.pem"]);
        let mut other = Problems::new("hab.yaml", "");
        assert!(other.is_empty());
        other.others.push(of("c.json", true));
        assert!(!other.is_empty() && !other.has_errors());
    }

    #[test]
    fn a_caret_never_runs_past_the_line() {
        let mut problems = Problems::new("hab.yaml", "ab");
        problems.warning(Some(Place { line: 1, column: 2, width: 40 }), "odd", None);
        assert_eq!(problems.to_string(), "hab.yaml:1:2: warning: odd\n  | ab\n  |  ^\n");
        assert!(!problems.has_errors());
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let mut problems = Problems::new("hab.yaml", &format!("{}here{}", "x".repeat(1000), "y".repeat(1000)));
        problems.error(Some(Place { line: 1, column: 1001, width: 4 }), "odd", None);
        let (x, y) = ("x".repeat(60), "y".repeat(56));
        let expected = format!("hab.yaml:1:1001: error: odd\n  | {x}here{y}\n  | {}^^^^\n", " ".repeat(60));
        assert_eq!(problems.to_string(), expected);
    }
}
