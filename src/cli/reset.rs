//! `hab reset`: back to a save.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Global, print, progress};
use crate::cluster::{Cluster, Limits};
use crate::config::Label;
use crate::lab;
use crate::pki::Expiry;
use crate::saves::{self, Saves};

/// Between two looks at a lab that was Ready when it was saved, and will be again soon.
const POLL: Duration = Duration::from_millis(300);

/// Bring the lab back to a save and wait until it is Ready; what it did since then is gone
#[derive(Debug, clap::Args)]
pub struct Reset {
    /// The save
    #[arg(default_value = saves::DEFAULT, value_parser = super::save::label)]
    name: Label,

    /// Leave the machines' clocks at the moment of the save
    #[arg(long)]
    keep_clock: bool,

    /// Do not wait until the cluster is Ready
    #[arg(long)]
    no_wait: bool,
}

impl Reset {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let start = Instant::now();
        let plan = super::plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        let saves = Saves::open(&plan, &global.lab)?;
        let record = saves.find(self.name.as_str())?;
        saves.recover(progress.as_ref())?;
        pki.expiry(&plan)?
            .iter()
            .filter_map(|expiry| ended(expiry, self.keep_clock))
            .for_each(|text| progress.warn(&text));
        let run = saves.reset(&record, self.keep_clock, progress.as_ref())?.as_secs_f64();
        let name = &self.name;
        let mut said = format!("back at `{name}`: the machines ran after {run:.1} s");
        if !self.no_wait {
            let step = progress.step(&format!("{} nodes", plan.nodes.len()), None);
            let limits = Limits { poll: POLL, ..Limits::default() };
            Cluster::new(&plan, &pki.client(), &global.lab)?.wait(progress.as_ref(), limits)?;
            step.done("all Ready");
            said = format!("{said}, and all was Ready after {:.1} s", start.elapsed().as_secs_f64());
        }
        drop(progress);
        if global.quiet { Ok(()) } else { print::out(said + "\n") }
    }
}

/// What is said of a certificate that is over; where clocks are kept, those in the lab may take it for good.
fn ended(expiry: &Expiry, keep_clock: bool) -> Option<String> {
    let whom =
        if keep_clock { "this machine, whose clock is right, does not take it" } else { "what needs it does not work" };
    (expiry.days < 0)
        .then(|| format!("{} has ended on {}: {whom} after the reset", expiry.name, expiry.not_after.date()))
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn a_certificate_that_is_over_is_named() {
        let expiry = |days| Expiry { name: "etcd-01 peer".to_owned(), not_after: OffsetDateTime::UNIX_EPOCH, days };
        let said = ended(&expiry(-1), false).unwrap();
        assert_eq!(said, "etcd-01 peer has ended on 1970-01-01: what needs it does not work after the reset");
        assert!(ended(&expiry(-400), true).unwrap().contains("whose clock is right"));
        assert_eq!(ended(&expiry(0), false), None);
    }
}
