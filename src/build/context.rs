//! What every step may use.

use std::sync::{Mutex, PoisonError};

use anyhow::Result;

use crate::artifacts::{Catalog, same_upstreams};
use crate::cache::Cache;
use crate::exec::qemu::{self, Accelerator};
use crate::kinds::{Base, Cni};
use crate::lock::{Lock, Source, Supply};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::provider::{self, Facts};

/// What a build works with.
pub struct Context<'a> {
    /// Where entries are.
    pub cache: &'a Cache,
    /// What there is to build.
    pub catalog: Catalog,
    /// What it is made of.
    pub lock: &'a Lock,
    /// What nodes boot from.
    pub base: Base,
    /// Their pod network.
    pub network: Cni,
    /// What boxes are for.
    pub provider: &'static Facts,
    /// Who hears how far it is.
    pub progress: &'a dyn Progress,
    accelerator: Mutex<Option<Accelerator>>,
}

impl<'a> Context<'a> {
    /// The context of a build of `plan`.
    ///
    /// # Errors
    /// The lock pins other modules than this hab brings, or it does not build that version of Kubernetes.
    pub fn new(cache: &'a Cache, lock: &'a Lock, plan: &Plan, progress: &'a dyn Progress) -> Result<Self> {
        let catalog = Catalog::source(&plan.kubernetes.version)?;
        let provider = provider::facts(plan.provider);
        let (base, network) = (plan.base, plan.kubernetes.cni);
        let context = Self { cache, catalog, lock, base, network, provider, progress, accelerator: Mutex::default() };
        lock.base.fits(plan.base, plan.release.as_ref())?;
        same_upstreams(&context.catalog, context.source())?;
        Ok(context)
    }

    /// The lock of the supply `source`.
    #[must_use]
    pub fn source(&self) -> &Source {
        let Supply::Source(source) = &self.lock.supply;
        source
    }

    /// kvm or emulation, found out once a build by running a small guest.
    ///
    /// # Errors
    /// qemu is missing.
    pub fn accelerator(&self) -> Result<Accelerator> {
        // Held over the trial, so that steps side by side wait for one and agree.
        let mut known = self.accelerator.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(accelerator) = *known {
            return Ok(accelerator);
        }
        let scratch = self.cache.scratch()?;
        let accelerator = qemu::accelerator(scratch.path())?;
        self.progress.note(match accelerator {
            Accelerator::Kvm => "kvm runs a guest here: using it",
            Accelerator::Tcg => "no kvm here: emulating, which takes about five times as long",
        });
        *known = Some(accelerator);
        Ok(accelerator)
    }
}
