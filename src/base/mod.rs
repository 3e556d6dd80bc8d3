//! What a base is: the operating system that every node boots from. One row of the table, one folder `images/base/NAME`
//! and one module a base.

pub mod debian;

use std::path::Path;

use anyhow::{Result, bail};

use crate::cache::{Cache, KeyBuilder};
use crate::config::Base;
use crate::debian::Index;
use crate::lock;
use crate::progress::Step;
use crate::provider;

/// A base, with what making its disk takes.
#[derive(Clone, Copy)]
pub struct BaseBuild<'a> {
    /// Where packages and tools are.
    pub cache: &'a Cache,
    /// What it is made of.
    pub lock: &'a lock::Base,
    /// Whose Ignition platform the kernel's arguments name.
    pub provider: &'static provider::Facts,
}

impl BaseBuild<'_> {
    /// Everything but the tools that could change the disk's bytes.
    ///
    /// # Errors
    /// hab was built without a part.
    pub fn key(&self, key: KeyBuilder) -> Result<KeyBuilder> {
        match self.lock {
            lock::Base::Debian { packages } => debian::key(packages, self.provider, key),
            lock::Base::Flatcar(image) | lock::Base::FedoraCoreos(image) => Ok(key.add("disk", &image.disk.sha256)),
        }
    }

    /// Downloads what [`BaseBuild::build`] needs.
    ///
    /// # Errors
    /// Something can't be had.
    pub fn fetch(&self, step: &Step<'_>) -> Result<()> {
        crate::debian::fetch(self.cache, self.lock.packages(), step)
    }

    /// Writes the disk into `entry`, by the programs of the entry `tools`.
    ///
    /// # Errors
    /// A part can't be made.
    pub fn build(&self, tools: &Path, entry: &Path, step: &Step<'_>) -> Result<String> {
        match self.lock {
            lock::Base::Debian { packages } => debian::build(self, packages, tools, entry, step),
            lock::Base::Flatcar(_) | lock::Base::FedoraCoreos(_) => bail!("hab can't fetch this base yet"),
        }
    }
}

/// The disk's file in an entry.
pub const DISK: &str = "base.raw";

/// What `base` is made of today, for the lock.
///
/// # Errors
/// The indexes have not all of it.
pub fn resolve(base: Base, index: &Index) -> Result<lock::Base> {
    match base {
        Base::Debian => debian::resolve(index),
        Base::Flatcar | Base::FedoraCoreos => bail!("hab can't fetch the base {} yet", base.name()),
    }
}

/// The packages of the tools that write disks, for the lock.
///
/// # Errors
/// The indexes have not all of them.
pub fn resolve_tools(index: &Index) -> Result<Vec<lock::Deb>> {
    index.closure(crate::embedded::table("tools")?)
}
