//! `hab plan`: what would be built, before anything is.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;

use super::{Global, print};
use crate::artifacts::Catalog;
use crate::build::{Context, Explanation, Graph, before_lock, explain};
use crate::cache::Cache;
use crate::lab;
use crate::lab::machines::{self, Machine, State};
use crate::lock::{FILE, Lock};
use crate::plan;
use crate::progress::Silent;
use crate::role::{PerRole, Role};

/// Show nodes and addresses, what `hab build` would make, what is there and why; nothing is built
#[derive(Debug, clap::Args)]
pub struct Plan {
    /// Print the plan as JSON
    #[arg(long)]
    json: bool,
}

/// The plan and what follows from it for the builder.
#[derive(Serialize)]
struct Whole<'p> {
    #[serde(flatten)]
    plan: &'p plan::Plan,
    boxes: PerRole<String>,
    lock: &'p str,
    steps: &'p [Explanation],
    machines: &'p [Machine],
}

impl Plan {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let (lock, steps) = steps(global, &plan)?;
        let machines = machines::all(&global.lab, &plan)?;
        if self.json {
            let boxes = PerRole::from_fn(|role| plan.box_name(role));
            return print::json(&Whole { plan: &plan, boxes, lock: &lock, steps: &steps, machines: &machines });
        }
        let head = ["STEP", "STATE"].map(str::to_owned);
        let lock = ["lock".to_owned(), lock];
        let rows: Vec<_> = [head, lock].into_iter().chain(steps.iter().map(Explanation::cells)).collect();
        print::out(text(&plan) + "\n" + &print::table(&rows) + &table_of(&machines))
    }
}

/// How each machine stands to what would be made now.
fn table_of(machines: &[Machine]) -> String {
    if machines.iter().all(|machine| machine.state == State::NotCreated) {
        return "\nno machine of this lab is there\n".to_owned();
    }
    // A change of hab.yaml gets there by a build.
    let head = ["MACHINE", "AGAINST WHAT `hab build` LAST WROTE"].map(str::to_owned);
    let rows = machines.iter().map(|machine| [machine.name.clone(), machine.to_string()]);
    let differs = machines.iter().any(|machine| machine.state == State::Differs);
    let hint = if differs { "\n`hab roll` makes anew what differs\n" } else { "" };
    format!("\n{}{hint}", print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))
}

/// What a build would do, and what is said about the lock.
fn steps(global: &Global, plan: &plan::Plan) -> Result<(String, Vec<Explanation>)> {
    let cache = Cache::from_env()?;
    let catalog =
        || before_lock(&Catalog::of(plan.supply, &plan.kubernetes.version, &plan.parts())?, plan.base, &plan.providers);
    // As `hab build` will write it.
    let read = || Lock::read(&global.lab)?.map(|lock| lab::lock::with_parts(plan, lock)).transpose();
    let lock = match read() {
        Ok(Some(lock)) => lock,
        Ok(None) => return Ok((format!("will be made: there is no {FILE}"), catalog()?)),
        Err(error) => return Ok((format!("refused: {error:#}"), catalog()?)),
    };
    match Context::new(&cache, &lock, plan, &Silent) {
        Ok(context) => {
            let graph = Graph::new(&context)?;
            Ok(("there: `hab lock --update` pins anew".to_owned(), explain(&graph, &context)?))
        }
        Err(error) => Ok((format!("refused: {error:#}"), catalog()?)),
    }
}

fn text(plan: &plan::Plan) -> String {
    let mut text = String::new();
    // Writing to a String can't go wrong.
    let _ = writeln!(text, "lab {}: Kubernetes {}, {} nodes\n", plan.lab, plan.kubernetes.version, plan.nodes.len());
    let head = ["NODE", "ROLE", "ADDRESS", "PODS", "MEMORY", "CPUS", "MAC"].map(str::to_owned);
    let rows = plan.nodes.iter().map(|node| {
        [
            node.name.clone(),
            node.role.to_string(),
            node.address.to_string(),
            node.pods.map_or_else(|| "-".to_owned(), |pods| pods.to_string()),
            format!("{} MiB", node.memory),
            node.cpus.to_string(),
            node.mac.clone(),
        ]
    });
    text.push_str(&print::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>()));
    let memory: u64 = plan.nodes.iter().map(|node| u64::from(node.memory)).sum();
    let boxes = Role::ALL.map(|role| plan.box_name(role)).join(", ");
    let _ = writeln!(text, "\nnetwork   {}, the host is {}", plan.network.nodes, plan.host);
    let _ = writeln!(text, "services  {}, the API is {}", plan.network.services, plan.api_service);
    let _ = writeln!(text, "names     {}, DNS is {}", plan.kubernetes.domain, plan.dns_service);
    let _ = writeln!(text, "boxes     {boxes}");
    if let Some(release) = &plan.release {
        let version = release.version.as_deref().unwrap_or("the newest, which hab.lock pins");
        let _ = writeln!(text, "base      {} {}: {version}", plan.base.name(), release.channel);
    }
    let _ = writeln!(text, "memory    {memory} MiB in all");
    text
}
