//! What this host knows of each node's machine: its state as the provider has it, the console's last boot, and whether
//! it is older than the lab.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::client::Health;
use super::console::{self, Boot};
use crate::exec::virsh::DomainState;
use crate::lab::origin::{Origins, Stale};
use crate::lab::{self, nodes_json};
use crate::plan::{Node, Plan};
use crate::provider::facts;

/// How long an answer of the provider's holds: three looks of `hab wait`.
const HOLDS: Duration = Duration::from_secs(9);

/// After how long a provider that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(60);

/// Asks the provider for the state of all machines, by name.
pub(super) type Ask = Box<dyn Fn() -> Result<HashMap<String, DomainState>> + Send + Sync>;

/// What the provider has under the name of a node's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Domain {
    /// It does not answer, or was not asked.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// There is one, in this state.
    Known(DomainState),
}

impl Domain {
    /// True when somebody has to start it.
    fn is_down(self) -> bool {
        matches!(self, Self::Known(state) if state != DomainState::Running)
    }
}

/// A node's machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Machine {
    /// The provider's name for it.
    pub name: String,
    pub domain: Domain,
    /// What its console has of its last boot; asked only while the node is not there.
    pub boot: Option<Boot>,
    /// Where its console is recorded, as the user would write it.
    pub console: String,
    /// It is not, as hab.yaml says, and there is none of before; asked only while the node is not there.
    pub unrecorded: bool,
    /// In what it is older than the lab.
    pub stale: Option<Stale>,
}

/// The machines of a lab's nodes.
pub(super) struct Machines<'a> {
    plan: &'a Plan,
    lab: PathBuf,
    origins: Origins,
    pub ask: Ask,
    last: Mutex<Option<Last>>,
}

/// When the provider was last asked, and what it said of each node's domain; `None` when it did not answer.
#[derive(Debug)]
struct Last {
    asked: Instant,
    domains: Option<Vec<Domain>>,
}

impl Last {
    fn holds(&self) -> bool {
        let limit = match &self.domains {
            None => RETRY,
            // Something is about to be concluded from it.
            Some(domains) if domains.iter().any(|domain| domain.is_down()) => Duration::ZERO,
            Some(_) => HOLDS,
        };
        self.asked.elapsed() < limit
    }
}

impl<'a> Machines<'a> {
    /// The machines of the lab in the folder `lab`.
    ///
    /// # Errors
    /// `out/nodes.json` is damaged.
    pub fn new(plan: &'a Plan, lab: &Path) -> Result<Self> {
        let origins = Origins::read(lab, plan.provider)?;
        let ask = Box::new(facts(plan.provider).domains);
        Ok(Self { plan, lab: lab.to_owned(), origins, ask, last: Mutex::default() })
    }

    /// The machine of every node, in the order of the plan; `health` is that of the nodes.
    pub fn look<'s>(&self, health: impl Iterator<Item = &'s Health> + Clone) -> Vec<Machine> {
        // As long as all nodes are on the network, there is nothing to ask the provider.
        let domains = health.clone().any(|health| *health == Health::Silent).then(|| self.domains()).flatten();
        let domains = domains.unwrap_or_else(|| vec![Domain::Unknown; self.plan.nodes.len()]);
        let nodes = self.plan.nodes.iter().zip(health).zip(domains);
        nodes.map(|((node, health), domain)| self.machine(node, health, domain)).collect()
    }

    fn machine(&self, node: &Node, health: &Health, domain: Domain) -> Machine {
        let (name, wanted) = (node.name.as_str(), node.hardware.console);
        let console = self.lab.join(nodes_json::console_path(name));
        let starting = match health {
            Health::Silent | Health::Refused => true,
            Health::KubeletOnly | Health::Unhealthy(_) | Health::Healthy => false,
        };
        // The file outlives its machine.
        let exists = match domain {
            Domain::Known(_) => true,
            Domain::Missing => false,
            Domain::Unknown => self.origins.is_created(name),
        };
        Machine {
            name: nodes_json::domain(self.plan, name),
            domain,
            boot: (starting && exists).then(|| console::last_boot(&console)).flatten(),
            console: lab::shown(&console),
            // A machine keeps its record until its next start, when Vagrant removes the file.
            unrecorded: starting && !wanted && !console.is_file(),
            stale: self.origins.stale(name),
        }
    }

    /// The domain of every node, in the order of the plan; `None` when the provider does not answer.
    fn domains(&self) -> Option<Vec<Domain>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.as_ref().is_some_and(Last::holds) {
            let found = (self.ask)().ok();
            *last = Some(Last { asked: Instant::now(), domains: found.map(|found| self.in_order(&found)) });
        }
        last.as_ref().and_then(|last| last.domains.clone())
    }

    fn in_order(&self, found: &HashMap<String, DomainState>) -> Vec<Domain> {
        let domain = |name: &str| found.get(name).map_or(Domain::Missing, |state| Domain::Known(*state));
        let names = self.plan.nodes.iter().map(|node| nodes_json::domain(self.plan, &node.name));
        names.map(|name| domain(&name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::virsh::{self, testing};

    fn plan() -> Plan {
        let text = b"{lab: demo, nodes: {master: {prefix: m}, worker: {count: 1, prefix: w}}}";
        Plan::new(crate::config::read("hab.yaml", text, &|_| Ok(())).config().unwrap()).unwrap()
    }

    /// A lab's folder with a libvirt of its own, in which domains have the given states.
    struct Lab(tempfile::TempDir);

    impl Lab {
        fn new(domains: &[(&str, u8)]) -> Self {
            let lab = Self(tempfile::tempdir().unwrap());
            lab.write("out/console/etcd-01.log", "{\"hab\":\"node\",\"event\":\"network\",\"uptime\":14}\n");
            lab.libvirt(domains);
            lab
        }

        fn libvirt(&self, domains: &[(&str, u8)]) {
            testing::libvirt(self.0.path(), domains);
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn machines<'a>(&self, plan: &'a Plan) -> Machines<'a> {
            let uri = format!("test://{}", self.0.path().join("libvirt.xml").display());
            Machines { ask: Box::new(move || virsh::domains(&uri)), ..Machines::new(plan, self.0.path()).unwrap() }
        }
    }

    const SILENT: [Health; 3] = [Health::Silent, Health::Silent, Health::Silent];

    fn domains(machines: &Machines<'_>, health: &[Health; 3]) -> Vec<Domain> {
        machines.look(health.iter()).into_iter().map(|machine| machine.domain).collect()
    }

    #[test]
    fn each_node_has_its_own_domain() {
        let (plan, lab) = (plan(), Lab::new(&[("hab-demo-w-01", 5), ("hab-demo-etcd-01", 1), ("hab-other-m-01", 1)]));
        let found = domains(&lab.machines(&plan), &SILENT);
        assert_eq!(
            found,
            [Domain::Known(DomainState::Running), Domain::Missing, Domain::Known(DomainState::Off)],
            "{found:?}"
        );
    }

    #[test]
    fn libvirt_is_asked_only_when_a_node_is_silent_and_not_at_every_look() {
        let (plan, lab) = (plan(), Lab::new(&[("hab-demo-etcd-01", 1)]));
        let machines = lab.machines(&plan);
        let talking = [Health::Refused, Health::Healthy, Health::KubeletOnly];
        assert_eq!(domains(&machines, &talking), [Domain::Unknown; 3]);
        assert!(machines.last.lock().unwrap().is_none());
        assert_eq!(domains(&machines, &SILENT)[0], Domain::Known(DomainState::Running));
        lab.libvirt(&[("hab-demo-etcd-01", 5)]);
        assert_eq!(domains(&machines, &SILENT)[0], Domain::Known(DomainState::Running), "asked again at once");

        // A domain that is off is looked at every time.
        *machines.last.lock().unwrap() = None;
        assert_eq!(domains(&machines, &SILENT)[0], Domain::Known(DomainState::Off));
        lab.libvirt(&[("hab-demo-etcd-01", 1)]);
        assert_eq!(domains(&machines, &SILENT)[0], Domain::Known(DomainState::Running));
    }

    #[test]
    fn without_libvirt_the_state_is_unknown() {
        let (plan, lab) = (plan(), Lab::new(&[]));
        let machines = lab.machines(&plan);
        assert_eq!(domains(&machines, &SILENT), [Domain::Missing; 3]);
        std::fs::remove_file(lab.0.path().join("libvirt.xml")).unwrap();
        *machines.last.lock().unwrap() = None;
        assert_eq!(domains(&machines, &SILENT), [Domain::Unknown; 3]);
    }

    #[test]
    fn a_console_is_read_while_its_machine_is_there_and_its_node_is_not() {
        let plan = plan();
        let boot = |lab: &Lab, health| lab.machines(&plan).look(vec![health; 3].iter()).swap_remove(0).boot;
        let lab = Lab::new(&[("hab-demo-etcd-01", 1)]);
        assert_eq!(boot(&lab, Health::Silent).unwrap().event.unwrap().name, "network");
        assert_eq!(boot(&lab, Health::Healthy), None);
        // Of a machine that was destroyed.
        assert_eq!(boot(&Lab::new(&[]), Health::Silent), None);
        // Vagrant's word where libvirt was not asked.
        assert_eq!(boot(&lab, Health::Refused), None);
        lab.write(".vagrant/machines/etcd-01/libvirt/id", "8a5d");
        assert!(boot(&lab, Health::Refused).is_some());
    }

    #[test]
    fn a_machine_knows_where_its_console_is_and_whether_it_is_stale() {
        let (plan, lab) = (plan(), Lab::new(&[]));
        lab.write(
            "out/nodes.json",
            r#"{"nodes": [{"name": "etcd-01", "box_version": "2", "ignition_sha256": "abc"}]}"#,
        );
        lab.write(".vagrant/machines/etcd-01/libvirt/id", "8a5d");
        lab.write(".vagrant/machines/etcd-01/libvirt/hab-origin", "1 abc");
        let machines = lab.machines(&plan).look(vec![Health::Healthy; 3].iter());
        assert_eq!(machines[0].stale, Some(Stale::Box));
        assert_eq!(machines[1].stale, None);
        assert!(machines[0].console.ends_with("/out/console/etcd-01.log"), "{}", machines[0].console);
    }

    #[test]
    fn a_machine_that_nobody_records_is_known_as_that() {
        let (mut plan, lab) = (plan(), Lab::new(&[]));
        for node in &mut plan.nodes[..2] {
            node.hardware.console = false;
        }
        let unrecorded = |health: &Health| {
            let machines = lab.machines(&plan).look(vec![health.clone(); 3].iter());
            machines.iter().map(|machine| machine.unrecorded).collect::<Vec<_>>()
        };
        // The first has a record of before, and the third only has none yet.
        assert_eq!(unrecorded(&Health::Silent), [false, true, false]);
        assert_eq!(unrecorded(&Health::Healthy), [false; 3]);
    }
}
