//! `hab ls`: all labs of this user.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{Global, print};
use crate::exec::virsh::DomainState;
use crate::kinds::Provider;
use crate::lab::{self, OUT, Opened, nodes_json};
use crate::labs::Labs;
use crate::plan;
use crate::provider::facts;
use crate::role::Role;

/// List all labs of this user: their state, addresses and folders
///
/// A lab is listed from `hab init` or its first `hab render` or `hab build` on, until its hab.yaml is gone.
#[derive(Debug, clap::Args)]
pub struct Ls {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// How a lab is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Its `hab.yaml` can't be read, or `hab check` finds a mistake in it.
    Wrong,
    /// There are no boxes' and nodes' data yet.
    NotBuilt,
    /// The provider does not answer.
    Unknown,
    /// It is built, and no machine is there.
    NoMachines,
    /// There are machines, and none runs.
    Off,
    /// Some of its machines run.
    PartlyRunning,
    /// All of its machines run.
    Running,
}

/// A lab, as far as it is known.
#[derive(Debug, Serialize)]
struct Lab {
    folder: String,
    name: Option<String>,
    state: State,
    provider: Option<Provider>,
    /// The network of its machines.
    network: Option<String>,
    /// The address of its first API server.
    api: Option<String>,
    nodes: Vec<Node>,
}

/// A node, and whether its machine runs; `None` where that is not known.
#[derive(Debug, Serialize)]
struct Node {
    name: String,
    address: String,
    running: Option<bool>,
}

/// The machines that providers have, each asked once.
#[derive(Default)]
struct Machines(BTreeMap<&'static str, Option<HashMap<String, DomainState>>>);

impl Machines {
    fn of(&mut self, provider: Provider) -> Option<&HashMap<String, DomainState>> {
        let facts = facts(provider);
        self.0.entry(facts.name).or_insert_with(|| (facts.domains)().ok()).as_ref()
    }
}

impl Ls {
    /// Runs the verb.
    pub fn run(&self, _global: &Global) -> Result<()> {
        let labs = Labs::of_user().context("neither XDG_STATE_HOME nor HOME is set, so nobody knows of labs")?;
        let mut machines = Machines::default();
        let labs: Vec<Lab> = labs.folders()?.iter().map(|folder| look(folder, &mut machines)).collect();
        if self.json {
            return print::json(&labs);
        }
        if labs.is_empty() {
            return print::out("no labs yet: `hab init` makes one\n");
        }
        let head = ["LAB", "STATE", "NETWORK", "API", "FOLDER"].map(str::to_owned);
        let rows: Vec<_> = std::iter::once(head).chain(labs.iter().map(Lab::row)).collect();
        print::out(print::table(&rows))
    }
}

/// What there is to say of the lab in this folder.
fn look(folder: &Path, machines: &mut Machines) -> Lab {
    let shown = folder.display().to_string();
    let Ok(Opened { plan, .. }) = lab::open(folder) else {
        return Lab {
            folder: shown,
            name: None,
            state: State::Wrong,
            provider: None,
            network: None,
            api: None,
            nodes: Vec::new(),
        };
    };
    let built = folder.join(OUT).join("nodes.json").is_file();
    let known = if built { machines.of(plan.provider) } else { None };
    let state = |name: &str| known?.get(&nodes_json::domain(&plan, name)).copied();
    let states: Vec<Option<DomainState>> = plan.nodes.iter().map(|node| state(&node.name)).collect();
    let node = |(node, state): (&plan::Node, &Option<DomainState>)| Node {
        name: node.name.clone(),
        address: node.address.to_string(),
        running: known.map(|_| *state == Some(DomainState::Running)),
    };
    let nodes: Vec<Node> = plan.nodes.iter().zip(&states).map(node).collect();
    let running = running(&nodes);
    let state = match (built, known.is_some(), states.iter().any(Option::is_some)) {
        (false, _, _) => State::NotBuilt,
        (true, false, _) => State::Unknown,
        (true, true, false) => State::NoMachines,
        (true, true, true) if running == 0 => State::Off,
        (true, true, true) if running < nodes.len() => State::PartlyRunning,
        (true, true, true) => State::Running,
    };
    Lab {
        folder: shown,
        name: Some(plan.lab.as_str().to_owned()),
        state,
        provider: Some(plan.provider),
        network: Some(plan.network.nodes.to_string()),
        api: plan.of(Role::Master).next().map(|master| plan.api_server(master)),
        nodes,
    }
}

/// How many of these machines run.
fn running(nodes: &[Node]) -> usize {
    nodes.iter().filter(|node| node.running == Some(true)).count()
}

impl Lab {
    fn row(&self) -> [String; 5] {
        let state = match self.state {
            State::Wrong => "hab.yaml is wrong".to_owned(),
            State::NotBuilt => "not built".to_owned(),
            State::Unknown => "built; the provider does not answer".to_owned(),
            State::NoMachines => "no machines".to_owned(),
            State::Off => "off".to_owned(),
            State::PartlyRunning => format!("{} of {} machines run", running(&self.nodes), self.nodes.len()),
            State::Running => "running".to_owned(),
        };
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        [or_dash(&self.name), state, or_dash(&self.network), or_dash(&self.api), self.folder.clone()]
    }
}
