//! All steps of a build, each after those it needs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::steps::{
    BOOTED, BaseDisk, BootTest, ContainerImage, DebianPrograms, GoPrograms, ImageLayer, ImagesDisk, ImagesTest, Linker,
    PackedImage, Payload, ProviderDisk, ReleasePrograms, Tools, VagrantBox, VendorDisk,
};
use super::{Context, Step};
use crate::artifacts::{Catalog, GO, Origin};
use crate::cache::{Key, KeyBuilder};
use crate::kinds::{Base, Provider};
use crate::lock;
use crate::payload::Contents;
use crate::role::Role;

pub use super::steps::{IMAGES, boot_test, disk_of_images, images_test, vagrant_box};

/// The steps that bring programs for the host, and the programs: the cluster's own kubectl, and what makes data for etcd
/// of a backup. No node carries them.
pub const HOST_PROGRAMS: [(&str, &str); 2] = [("kubernetes", "kubectl"), ("etcd", "etcdutl")];

/// The steps with their keys.
pub struct Graph {
    steps: Vec<Box<dyn Step>>,
    keys: Vec<Key>,
    /// What boxes are for.
    providers: Vec<Provider>,
    /// Whether the lab brings container images along.
    images: bool,
}

impl Graph {
    /// The steps of a build, with keys that follow from the lock.
    ///
    /// # Errors
    /// hab was built without a part.
    pub fn new(context: &Context<'_>) -> Result<Self> {
        let mut all = steps(&context.catalog, context.base, &context.providers)?;
        if let Some(images) = context.lock.brought() {
            all.extend(image_steps(images)?);
        }
        Self::of(all, context)
    }

    /// A graph of these steps.
    ///
    /// # Errors
    /// A step needs one that does not come before it.
    pub fn of(steps: Vec<Box<dyn Step>>, context: &Context<'_>) -> Result<Self> {
        let mut keys: Vec<Key> = Vec::with_capacity(steps.len());
        for (index, step) in steps.iter().enumerate() {
            let mut key = KeyBuilder::new().add("step", step.bucket()).add("version", step.version().to_le_bytes());
            for need in step.needs() {
                let at = steps[..index].iter().position(|other| other.name() == need);
                let at = at.with_context(|| format!("{} needs {need}, which does not come before it", step.name()))?;
                key = key.add("need", keys[at].as_str());
            }
            keys.push(step.inputs(context, key)?.key());
        }
        let (providers, images) = (context.providers.clone(), context.lock.brought().is_some());
        Ok(Self { steps, keys, providers, images })
    }

    /// The steps in their order.
    #[must_use]
    pub fn steps(&self) -> &[Box<dyn Step>] {
        &self.steps
    }

    /// The key of a step by its place.
    #[must_use]
    pub fn key(&self, place: usize) -> &Key {
        &self.keys[place]
    }

    /// The place of a step by its name.
    ///
    /// # Errors
    /// There is none.
    pub fn place(&self, name: &str) -> Result<usize> {
        let place = self.steps.iter().position(|step| step.name() == name);
        place.with_context(|| format!("there is no step {name}"))
    }

    /// What a build is for: every box and the disk of images, tested, and kubectl for the host.
    ///
    /// # Errors
    /// A step is missing.
    pub fn goals(&self) -> Result<Vec<usize>> {
        let boxes = |role| self.providers.iter().map(move |provider| vagrant_box(role, *provider));
        let roles = Role::ALL.into_iter().flat_map(|role| std::iter::once(boot_test(role)).chain(boxes(role)));
        let images = [IMAGES.to_owned(), disk_of_images(), images_test()].into_iter().filter(|_| self.images);
        roles
            .chain(images)
            .chain(HOST_PROGRAMS.map(|(step, _)| step.to_owned()))
            .map(|name| self.place(&name))
            .collect()
    }

    /// The places of the steps that a step needs.
    ///
    /// # Errors
    /// A step is missing.
    pub fn needs(&self, place: usize) -> Result<Vec<usize>> {
        self.steps[place].needs().iter().map(|name| self.place(name)).collect()
    }
}

/// The steps of everything in the catalog on `base`, and of boxes for these providers.
pub fn steps(catalog: &Catalog, base: Base, providers: &[Provider]) -> Result<Vec<Box<dyn Step>>> {
    let makers = makers(catalog);
    let mut steps: Vec<Box<dyn Step>> = vec![Box::new(Tools)];
    if base == Base::Debian {
        steps.push(Box::new(BaseDisk));
    }
    for name in catalog.upstreams.keys() {
        steps.push(Box::new(GoPrograms { name: name.clone() }));
    }
    for name in catalog.releases.keys().filter(|name| *name != GO) {
        steps.push(Box::new(ReleasePrograms { name: name.clone() }));
    }
    steps.push(Box::new(DebianPrograms));
    for (name, spec) in &catalog.images {
        let maker = makers.get(spec.artifact.as_str()).with_context(|| format!("nothing makes {}", spec.artifact))?;
        steps.push(Box::new(PackedImage { name: name.clone(), spec: spec.clone(), maker: maker.clone() }));
    }
    let mut formats = vec![BOOTED];
    formats.extend(providers.iter().filter(|provider| **provider != BOOTED));
    match base {
        Base::Debian => {
            for provider in &formats {
                steps.push(Box::new(ProviderDisk::base(*provider)));
            }
        }
        // The vendor's qcow2 is the box's disk, byte for byte. VirtualBox has no box of it (`config`).
        Base::Flatcar | Base::FedoraCoreos => steps.push(Box::new(VendorDisk)),
    }
    for role in Role::ALL {
        steps.push(Box::new(Payload::new(role, Contents::of(role, &catalog.parts)?, &makers)?));
        for provider in &formats {
            steps.push(Box::new(ProviderDisk::payload(role, *provider)));
        }
        steps.push(Box::new(BootTest { role }));
        for provider in providers {
            steps.push(Box::new(VagrantBox { role, provider: *provider }));
        }
    }
    Ok(steps)
}

/// The steps of the lab's container images, which come after those of the boxes.
fn image_steps(images: &lock::Images) -> Result<Vec<Box<dyn Step>>> {
    let mut steps: Vec<Box<dyn Step>> = vec![Box::new(Linker::new()?)];
    let mut layers = BTreeSet::new();
    for image in &images.list {
        steps.push(Box::new(ContainerImage { from: image.from.clone() }));
        // What two images have in common is made once.
        for layer in image.layers.iter().filter(|layer| layers.insert(layer.diff_id.clone())) {
            steps.push(Box::new(ImageLayer { from: image.from.clone(), layer: layer.clone() }));
        }
    }
    steps.push(Box::new(ImagesDisk::new(images)));
    // VirtualBox has no such disk (`config`).
    steps.push(Box::new(ProviderDisk::images()));
    steps.push(Box::new(ImagesTest));
    Ok(steps)
}

/// Artifact -> the step that makes it.
fn makers(catalog: &Catalog) -> BTreeMap<&str, String> {
    let makers = catalog.artifacts.iter().map(|(name, artifact)| {
        let maker = match &artifact.origin {
            Origin::Go { upstream, .. } => GoPrograms { name: upstream.clone() }.name(),
            Origin::Debian { .. } => DebianPrograms.name(),
            Origin::Release(release) => ReleasePrograms { name: release.clone() }.name(),
        };
        (name.as_str(), maker)
    });
    makers.collect()
}
