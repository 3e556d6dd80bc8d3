//! Takes the build's step for Debian's programs and prints the folder of HAProxy, with its loader and libraries beside it,
//! as they are on a node. Argument: the lab, which has a lock.

use std::path::Path;

use anyhow::{Context as _, Result};
use hab::build::{Context, Graph, run};
use hab::cache::Cache;
use hab::lock::Lock;
use hab::progress::Silent;

fn main() -> Result<()> {
    let lab = std::env::args_os().nth(1).context("which lab?")?;
    let plan = hab::lab::open(Path::new(&lab))?.plan;
    let lock = Lock::read(Path::new(&lab))?.context("the lab has no lock")?;
    let cache = Cache::from_env()?;
    let context = Context::new(&cache, &lock, &plan, &Silent)?;
    let graph = Graph::new(&context)?;
    let step = "Debian's programs";
    let outcome = run(&graph, &context, &[graph.place(step)?])?;
    if let Some((_, error)) = outcome.errors.into_iter().next() {
        return Err(error);
    }
    println!("{}", outcome.entries.get(step)?.display());
    Ok(())
}
