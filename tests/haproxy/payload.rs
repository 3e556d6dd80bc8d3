//! Puts Debian's programs of a lab's payload into the store and prints the folder of HAProxy, with its loader and
//! libraries beside it, as they are on a node. Argument: the lab, which has a lock.

use std::path::Path;

use anyhow::{Context, Result};
use hab::images::supply::{Artifacts, Step, Table};
use hab::lock::Lock;
use hab::report::Silent;
use hab::store::Store;

fn main() -> Result<()> {
    let lab = std::env::args_os().nth(1).context("which lab?")?;
    let lock = Lock::read(Path::new(&lab))?.context("the lab has no lock")?;
    let mut artifacts = Artifacts::default();
    Step::Debian.take(&Store::from_env()?, &Table::source()?, &lock.supply, &mut artifacts, &Silent)?;
    let program = &artifacts.program("haproxy")?.file.path;
    let folder = program.parent().and_then(Path::parent).context("HAProxy is in no folder")?;
    println!("{}", folder.display());
    Ok(())
}
