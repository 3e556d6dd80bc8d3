//! What every step may use.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

use crate::artifacts::go::Toolchain;
use crate::artifacts::{Catalog, GO, same_pins};
use crate::cache::Cache;
use crate::config::{ImageSource, Registries};
use crate::container_images::{self, Fetcher};
use crate::exec::qemu::{self, Accelerator};
use crate::kinds::{Base, Provider};
use crate::lock::{ContainerImage, FILE, Images, Lock, Releases, Supply};
use crate::node::NodeNetwork;
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
    /// Their network.
    pub network: NodeNetwork,
    /// What boxes are for.
    pub providers: Vec<Provider>,
    /// What the base is for: one of them, for it is the same for all.
    pub provider: &'static Facts,
    /// Who hears how far it is.
    pub progress: &'a dyn Progress,
    /// Where container images come from, in the order of the lock's.
    sources: Vec<ImageSource>,
    registries: Registries,
    /// Where archives and layouts are.
    lab: PathBuf,
    accelerator: Mutex<Option<Accelerator>>,
}

impl<'a> Context<'a> {
    /// The context of a build of `plan`.
    ///
    /// # Errors
    /// The lock pins another supply than the plan has, or other modules than this hab brings; or this hab does not build
    /// that version of Kubernetes.
    pub fn new(cache: &'a Cache, lock: &'a Lock, plan: &Plan, progress: &'a dyn Progress) -> Result<Self> {
        let catalog = Catalog::of(plan.supply, &plan.kubernetes.version, &plan.parts())?;
        let provider = provider::facts(plan.provider);
        let (base, network) = (plan.base, NodeNetwork::of(plan));
        let (providers, accelerator) = (plan.providers.clone(), Mutex::default());
        let (sources, registries, lab) = (plan.images.clone(), plan.registries.clone(), PathBuf::from("."));
        let context = Self {
            cache,
            catalog,
            lock,
            base,
            network,
            providers,
            provider,
            progress,
            sources,
            registries,
            lab,
            accelerator,
        };
        lock.base.fits(plan.base, plan.release.as_ref())?;
        let locked = lock.supply.kind();
        ensure!(
            locked == plan.supply,
            "the lock pins the supply {}, hab.yaml says {}; `hab lock --update` pins anew",
            locked.name(),
            plan.supply.name()
        );
        same_pins(&context.catalog, &lock.supply)?;
        ensure!(lock.has_images(&plan.images), "{FILE} does not pin the images of hab.yaml: `hab lock` pins them");
        if let Some(locked) = lock.brought() {
            let same = locked.linker == container_images::linker()?;
            ensure!(
                same,
                "{FILE} pins another {} than this hab builds: `hab lock --images` pins anew",
                container_images::LINKER
            );
        }
        Ok(context)
    }

    /// The same for the lab in this folder.
    #[must_use]
    pub fn in_lab(self, lab: &Path) -> Self {
        Self { lab: lab.to_owned(), ..self }
    }

    /// What the lock pins of container images.
    ///
    /// # Errors
    /// The lab has none.
    pub fn images(&self) -> Result<&Images> {
        self.lock.images.as_ref().context("the lock has no container images")
    }

    /// The image that hab.lock calls `from`, and where it comes from.
    ///
    /// # Errors
    /// The lab has none of this name.
    pub fn image(&self, from: &str) -> Result<(&ContainerImage, &ImageSource)> {
        let found = self.images()?.list.iter().zip(&self.sources).find(|(image, _)| image.from == from);
        found.with_context(|| format!("the lock has no image {from}"))
    }

    /// What fetches container images.
    ///
    /// # Errors
    /// The lab has none.
    pub fn fetcher(&self) -> Result<Fetcher<'_>> {
        Ok(Fetcher::new(self.cache, &self.lab, &self.registries, &self.images()?.packages))
    }

    /// What the lock pins of the supply `upstream`.
    ///
    /// # Errors
    /// It is of another supply.
    pub fn releases(&self) -> Result<&Releases> {
        match &self.lock.supply {
            Supply::Upstream(releases) => Some(releases),
            Supply::Source(_) => None,
        }
        .context("the lock has no releases")
    }

    /// The Go that the lock pins.
    ///
    /// # Errors
    /// It pins none.
    pub fn toolchain(&self) -> Result<Toolchain<'_>> {
        match &self.lock.supply {
            Supply::Source(source) => Ok(Toolchain::Module(&source.go)),
            Supply::Upstream(releases) => {
                let file = releases.files.get(GO).and_then(|files| files.first());
                Ok(Toolchain::Archive(file.context("the lock pins no Go")?))
            }
        }
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
