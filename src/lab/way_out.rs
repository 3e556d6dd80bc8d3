//! Where the lab's network leads: what hab.yaml says, and what the provider has. They can differ, for a network stays as it
//! was made while a machine is on it.

use anyhow::{Result, ensure};

use super::nodes_json;
use crate::plan::Plan;
use crate::provider::facts;

/// Both at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayOut {
    /// Whether hab.yaml says that the network leads out.
    said: bool,
    /// Whether it does; none if there is no such network, or the provider does not answer.
    found: Option<bool>,
}

impl WayOut {
    /// Asks the provider.
    #[must_use]
    pub fn look(plan: &Plan) -> Self {
        let found = (facts(plan.provider).leads_out)(&nodes_json::network(plan));
        // What can't be asked is not known; whoever needs the provider says what is wrong with it.
        Self { said: plan.internet.is_some(), found: found.ok().flatten() }
    }

    /// What is to be said of it to somebody whose lab runs.
    #[must_use]
    pub fn words(self) -> String {
        let Self { said, found } = self;
        match (said, found) {
            (true, Some(true)) => "its nodes reach the internet through this host (network.internet: true)".to_owned(),
            (false, Some(false)) => "no packet leaves the lab (network.internet: false)".to_owned(),
            (_, None) => {
                format!("hab.yaml says `network.internet: {said}`; where the network leads could not be asked")
            }
            (_, Some(_)) => self.difference(),
        }
    }

    /// Refuses a network that leads elsewhere than hab.yaml says: a new machine would be on it, too.
    ///
    /// # Errors
    /// It does; says what to do.
    pub fn same(self) -> Result<()> {
        ensure!(self.found.is_none_or(|found| found == self.said), "{}", self.difference());
        Ok(())
    }

    fn difference(self) -> String {
        let leads = if self.said { "does not lead out of this host" } else { "leads out of this host" };
        format!(
            "the lab's network {leads}, unlike hab.yaml (`network.internet: {}`): it stays as it was made while a machine is \
             on it; `vagrant destroy -f`, then `vagrant up`, make it anew",
            self.said
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there_is_said() {
        let words = |said, found| WayOut { said, found }.words();
        assert!(words(false, Some(false)).starts_with("no packet leaves the lab"));
        assert!(words(true, Some(true)).starts_with("its nodes reach the internet"));
        assert!(words(false, Some(true)).starts_with("the lab's network leads out of this host, unlike hab.yaml"));
        assert!(words(true, Some(false)).starts_with("the lab's network does not lead out of this host, unlike"));
        for said in [true, false] {
            assert!(words(said, None).starts_with(&format!("hab.yaml says `network.internet: {said}`;")));
        }
    }

    #[test]
    fn nothing_is_made_on_a_network_that_leads_elsewhere() {
        let same = |said, found| WayOut { said, found }.same();
        for (said, found) in [(true, Some(true)), (false, Some(false)), (true, None), (false, None)] {
            same(said, found).unwrap();
        }
        let error = same(false, Some(true)).unwrap_err().to_string();
        assert!(error.contains("(`network.internet: false`)") && error.contains("`vagrant destroy -f`"), "{error}");
        same(true, Some(false)).unwrap_err();
    }
}
