//! What a boot test found.

use std::collections::BTreeSet;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::config::Check;
use crate::role::Role;

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Its name, such as `file:bin/etcd`.
    pub check: String,
    /// Whether it holds.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// The guest's seconds since its start.
    pub uptime: f64,
}

/// The report of one role's boot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The role.
    pub role: Role,
    /// What was tested is not its box, but the disk of container images with it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub images: bool,
    /// All answers, in the order given.
    pub answers: Vec<Answer>,
    /// Checks the guest never answered.
    pub missing: Vec<String>,
    /// Seconds from packer's start to its end.
    pub seconds: f64,
    /// All that was on the machine's console, in a file of its own.
    #[serde(skip)]
    pub console: String,
}

/// The report's files in an entry of the cache.
const FILE: &str = "report.json";
const CONSOLE: &str = "console.log";

/// Reads the report in an entry of the cache.
///
/// # Errors
/// It can't be read.
pub fn read(entry: &Path) -> Result<Report> {
    let path = entry.join(FILE);
    let report: Report =
        serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))?;
    Ok(Report { console: fs::read_to_string(entry.join(CONSOLE))?, ..report })
}

/// Writes the report into an entry of the cache.
///
/// # Errors
/// It can't be written.
pub fn write(entry: &Path, report: &Report) -> Result<()> {
    fs::write(entry.join(CONSOLE), &report.console)?;
    Ok(fs::write(entry.join(FILE), serde_json::to_vec_pretty(report)?)?)
}

/// A boot that did not come to its end, so it says nothing about the box: what went wrong is an error below this one.
#[derive(Debug)]
pub struct Unfinished {
    /// The role whose disks were booted.
    pub role: Role,
    /// What was tested is the disk of container images.
    pub images: bool,
    /// All that was on the machine's console.
    pub console: String,
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "booting {} through packer", subject(self.role, self.images))
    }
}

/// A check did not hold: the disks are not what they should be.
#[derive(Debug)]
pub struct Failed(pub Report);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = subject(self.0.role, self.0.images);
        write!(f, "{subject} is not what it should be:\n  {}", self.0.failures().join("\n  "))
    }
}

impl std::error::Error for Failed {}

fn subject(role: Role, images: bool) -> String {
    if images { "the disk of images".to_owned() } else { format!("the {role} box") }
}

/// How the files of a report are called.
#[must_use]
pub fn file_name(role: Role, images: bool) -> &'static str {
    if images { "images" } else { role.name() }
}

impl Report {
    /// Holds the answers against what had to be answered.
    #[must_use]
    pub fn new(role: Role, checks: &[Check], answers: Vec<Answer>, took: Duration) -> Self {
        let heard: BTreeSet<&str> = answers.iter().map(|answer| answer.check.as_str()).collect();
        let missing = checks.iter().map(Check::name).filter(|name| !heard.contains(name.as_str())).collect();
        Self { role, images: false, missing, answers, seconds: took.as_secs_f64(), console: String::new() }
    }

    /// The checks that did not hold, each with what was seen.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let failed = self.answers.iter().filter(|a| !a.ok).map(|a| format!("{}: {}", a.check, a.detail));
        failed.chain(self.missing.iter().map(|name| format!("{name}: no answer"))).collect()
    }

    /// As a `JUnit` file, which CI systems show (<https://github.com/testmoapp/junitxml>).
    #[must_use]
    pub fn junit(&self) -> String {
        let tests = self.answers.len() + self.missing.len();
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a String can't go wrong.
        let _ = writeln!(
            text,
            "<testsuite name=\"hab {}\" tests=\"{tests}\" failures=\"{}\" time=\"{:.1}\">",
            file_name(self.role, self.images),
            self.failures().len(),
            self.seconds
        );
        for answer in &self.answers {
            let _ = write!(text, "  <testcase name=\"{}\"", xml(&answer.check));
            let _ = if answer.ok {
                writeln!(text, "/>")
            } else {
                writeln!(text, "><failure message=\"{}\"/></testcase>", xml(&answer.detail))
            };
        }
        for name in &self.missing {
            let _ = writeln!(text, "  <testcase name=\"{}\"><failure message=\"no answer\"/></testcase>", xml(name));
        }
        text.push_str("</testsuite>\n");
        text
    }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ok: bool, detail: &str) -> Answer {
        Answer { check: "file:bin/etcd".into(), ok, detail: detail.into(), uptime: 9.5 }
    }

    #[test]
    fn silence_is_a_failure_and_is_named() {
        let checks = [Check::Unit("etcd.service".into())];
        let report = Report::new(Role::Etcd, &checks, vec![answer(true, "x")], Duration::from_secs(1));
        assert_eq!(report.failures(), ["unit:etcd.service: no answer"]);
        assert!(report.junit().contains("tests=\"2\" failures=\"1\""));
        assert!(Failed(report).to_string().starts_with("the etcd box is not what it should be:\n  unit:etcd"));
    }

    #[test]
    fn what_failed_is_named_with_what_was_seen() {
        let bad = answer(false, "expected <a>, found \"b\"");
        let report = Report::new(Role::Etcd, &[], vec![bad], Duration::from_secs(1));
        assert_eq!(report.failures(), ["file:bin/etcd: expected <a>, found \"b\""]);
        assert!(report.junit().contains("expected &lt;a&gt;, found &quot;b&quot;"));
    }
}
