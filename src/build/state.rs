//! Which steps a build has to make: those that its goals want and the cache lacks.

use std::path::PathBuf;

use anyhow::Result;

use super::{Context, Entries, Graph};
use crate::cache::Lookup;

/// What is known of a step.
#[derive(Debug)]
pub enum State {
    /// Nobody wants it.
    Unwanted,
    /// Its entry is there.
    There(PathBuf),
    /// It has to be made; says why.
    Make(String),
    /// What is there is not what the lock says.
    Refused(String),
}

/// The state of every step when `goals` are wanted, by place.
///
/// # Errors
/// A step is missing.
pub fn states(graph: &Graph, context: &Context<'_>, goals: &[usize]) -> Result<Vec<State>> {
    let mut states: Vec<State> = graph.steps().iter().map(|_| State::Unwanted).collect();
    let mut wanted = goals.to_vec();
    while let Some(place) = wanted.pop() {
        if matches!(states[place], State::Unwanted) {
            states[place] = state(graph, context, place);
            if matches!(states[place], State::Make(_)) {
                wanted.extend(graph.needs(place)?);
            }
        }
    }
    Ok(states)
}

/// The state of a step that is wanted.
pub fn state(graph: &Graph, context: &Context<'_>, place: usize) -> State {
    let step = &graph.steps()[place];
    match context.cache.find(step.bucket(), graph.key(place)) {
        Lookup::Miss => State::Make("not in the cache".to_owned()),
        Lookup::Damaged(why) => State::Make(format!("damaged in the cache: {why}")),
        Lookup::Hit(entry) => match step.check(context, &entry) {
            Ok(()) => State::There(entry),
            Err(error) => State::Refused(format!("{error:#}")),
        },
    }
}

/// The entries of all steps that are in the cache, wanted or not.
#[must_use]
pub fn present(graph: &Graph, context: &Context<'_>) -> Entries {
    let found = graph.steps().iter().enumerate().filter_map(|(place, step)| match state(graph, context, place) {
        State::There(entry) => Some((step.name(), entry)),
        _ => None,
    });
    Entries(found.collect())
}
