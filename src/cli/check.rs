//! `hab check`: all problems of hab.yaml at once.

use std::fmt::Write as _;

use anyhow::Result;
use serde_json::json;

use super::{Global, print};
use crate::config;
use crate::plan::Plan;
use crate::problems::Problem;
use crate::role::Role;

/// Read hab.yaml and say everything that is wrong with it; nothing is built
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Print the problems as JSON
    #[arg(long)]
    json: bool,
}

impl Check {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let mut reading = config::load(&global.lab)?;
        reading.warn_of_routes(&config::host_routes());
        let problems = &reading.problems;
        if self.json {
            let list: Vec<_> = problems.each().map(|(file, problem)| as_json(file, problem)).collect();
            print::json(&json!({"file": problems.file, "ok": reading.config.is_some(), "problems": list}))?;
        }
        let plan = Plan::new(reading.config()?)?;
        if !self.json {
            if !problems.is_empty() {
                print::stderr(problems.to_string().trim_end());
            }
            if !global.quiet {
                print::out(summary(&problems.file, &plan))?;
            }
        }
        Ok(())
    }
}

fn as_json(file: &str, problem: &Problem) -> serde_json::Value {
    json!({
        "file": file,
        "severity": problem.severity.to_string(),
        "line": problem.place.map(|place| place.line),
        "column": problem.place.map(|place| place.column),
        "message": problem.message,
        "hint": problem.hint,
    })
}

/// `hab.yaml is fine: 1 etcd, 1 master, 2 workers, Kubernetes v1.36.3`.
fn summary(file: &str, plan: &Plan) -> String {
    let mut text = format!("{file} is fine: ");
    for role in Role::ALL {
        let count = plan.of(role).count();
        let plural = if count == 1 || role == Role::Etcd { "" } else { "s" };
        // Writing to a String can't go wrong.
        let _ = write!(text, "{count} {role}{plural}, ");
    }
    text + "Kubernetes " + &plan.kubernetes.version + "\n"
}
