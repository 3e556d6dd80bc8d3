//! What a build would do, for `hab plan`: each step, whether its entry is there, and why. Nothing is made for this.

use anyhow::Result;
use serde::Serialize;

use super::state::{State, state, states};
use super::{Context, Graph, graph};
use crate::artifacts::Catalog;
use crate::kinds::{Base, Provider};

/// What the build does about a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The step's name.
    pub step: String,
    /// `there`, `make`, `not-needed`, `after-lock` or `refused`.
    pub state: &'static str,
    /// Why.
    pub why: String,
}

impl Explanation {
    /// The step and what is said about it, as cells.
    #[must_use]
    pub fn cells(&self) -> [String; 2] {
        let head = match self.state {
            "make" => "will be made",
            "not-needed" => "not needed",
            "after-lock" => "after the lock",
            other => other,
        };
        [self.step.clone(), if self.why.is_empty() { head.to_owned() } else { format!("{head}: {}", self.why) }]
    }
}

/// Every step of a build.
///
/// # Errors
/// A step is missing.
pub fn explain(graph: &Graph, context: &Context<'_>) -> Result<Vec<Explanation>> {
    let mut states = states(graph, context, &graph.goals()?)?;
    for (place, known) in states.iter_mut().enumerate() {
        // Nobody needs it now; but if it is there it may be of interest that it is, and that the lock refuses it.
        if matches!(known, State::Unwanted)
            && let there @ (State::There(_) | State::Refused(_)) = state(graph, context, place)
        {
            *known = there;
        }
    }
    let explained = graph.steps().iter().zip(states).map(|(step, state)| {
        let detail = step.detail(context);
        let with = |why: String| detail.iter().cloned().chain(Some(why)).collect::<Vec<_>>().join(", ");
        let (state, why) = match state {
            State::There(_) => ("there", with("nothing it is made of has changed".to_owned())),
            State::Make(why) => ("make", with(why)),
            State::Unwanted => ("not-needed", "what is made of it is there".to_owned()),
            State::Refused(why) => ("refused", why),
        };
        Explanation { step: step.name(), state, why }
    });
    Ok(explained.collect())
}

/// Every step of a build before there is a lock: what it is made of is known only then.
///
/// # Errors
/// The embedded tables are broken.
pub fn before_lock(catalog: &Catalog, base: Base, providers: &[Provider]) -> Result<Vec<Explanation>> {
    let steps = graph::steps(catalog, base, providers)?;
    let explained = steps.iter().map(|step| Explanation { step: step.name(), state: "after-lock", why: String::new() });
    Ok(explained.collect())
}
