//! The registry of a running lab: container images brought to it, listed, and taken away. Every master has one with a store of its
//! own, and takes from the others what is newer there (`images/supply/source/registry/`); nodes ask it for every image.

mod client;
mod names;
mod source;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, ensure};
use fs_err as fs;
use serde::Serialize;

pub use source::{Named, named, parse};
pub use wait::Patience;

use crate::cache::Cache;
use crate::config::ImageSource;
use crate::config::reference::Reference;
use crate::container_images::{self, Fetcher};
use crate::exec::signal;
use crate::lock::{ContainerImage, FILE, Lock};
use crate::parallel::side_by_side;
use crate::pki;
use crate::plan::{Node, Plan};
use crate::progress::{Progress, StepHandle};
use crate::role::Role;
use client::{Client, Tagged};
use names::Place;

/// The registry of a lab.
pub struct Registry<'a> {
    plan: &'a Plan,
    client: Client,
    /// How long it waits for the masters.
    pub patience: Patience,
}

/// An image that was brought, or taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// What it is called, for pods.
    pub names: Vec<String>,
    /// What the names lead to; nothing, if they were taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The masters that know.
    pub masters: Vec<String>,
    /// Those that do not answer; they ask the others when they are there again.
    pub away: Vec<String>,
    /// Those that answer and do not know, such as one without room.
    pub behind: Vec<String>,
}

/// An image that nodes can run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Listed {
    /// Its name, for pods.
    pub name: String,
    /// What the name leads to.
    pub digest: String,
    /// Whether it is on the lab's disk of images (`images` in hab.yaml).
    pub disk: bool,
    /// The masters whose registries have it.
    pub masters: Vec<String>,
}

/// The masters that answer, and what they have.
type Masters<'a> = Vec<(&'a Node, Vec<Tagged>)>;

impl<'a> Registry<'a> {
    /// The registry of `plan`, asked with the lab's certificates.
    ///
    /// # Errors
    /// The lab has none, or the certificates can't be used.
    pub fn new(plan: &'a Plan, certificates: &pki::Client) -> Result<Self> {
        ensure!(
            plan.registries.in_lab,
            "this lab has no registry of its own: write `registry: {{inLab: true}}` in hab.yaml, then `hab build` and `hab roll`"
        );
        Ok(Self { plan, client: Client::new(certificates)?, patience: Patience::default() })
    }

    /// All images that nodes can run: of the registry, and of the lab's disk of images as `lock` has it.
    ///
    /// # Errors
    /// No master answers.
    pub fn list(&self, lock: Option<&Lock>) -> Result<Vec<Listed>> {
        let mut list: BTreeMap<(String, String), Listed> = BTreeMap::new();
        let mut add = |name: String, digest: &str, master: Option<&Node>| {
            let new = || Listed { name: name.clone(), digest: digest.to_owned(), disk: false, masters: Vec::new() };
            let listed = list.entry((name.clone(), digest.to_owned())).or_insert_with(new);
            listed.disk |= master.is_none();
            listed.masters.extend(master.map(|master| master.name.clone()));
        };
        for image in lock.and_then(|lock| lock.images.as_ref()).iter().flat_map(|images| &images.list) {
            for name in image.names.iter().filter(|name| !name.contains('@')) {
                add(name.clone(), &image.target().digest, None);
            }
        }
        let masters = self.masters()?;
        let newest = newest(masters.iter().flat_map(|(_, list)| list));
        for (master, has) in &masters {
            // What another one knows to be gone, or to lead elsewhere by now, is on its way out here.
            for tagged in has.iter().filter(|tagged| newest.get(&place(tagged)) == Some(&tagged.digest.as_deref())) {
                if let Some(digest) = &tagged.digest {
                    add(place(tagged).name(), digest, Some(*master));
                }
            }
        }
        Ok(list.into_values().collect())
    }

    /// Brings an image, as it is today at `source`.
    ///
    /// # Errors
    /// It can't be had, or no master takes it.
    pub fn load(&self, fetcher: &Fetcher<'_>, source: &ImageSource, step: &StepHandle<'_>) -> Result<Changed> {
        // Before anything is fetched.
        let masters = self.masters_when_up(step)?;
        let image = container_images::resolve(fetcher, source, step)?;
        let places = self.places(&image)?;
        let refused = container_images::with_blobs(fetcher, source, &image, step, |file| {
            let (mut refused, mut why) = (Vec::new(), anyhow!("no master takes it"));
            for (master, _) in &masters {
                match self.push(master, &image, &places, file, step) {
                    Ok(()) => return Ok(refused),
                    Err(error) => why = error,
                }
                signal::check()?;
                step.note(&format!("{}: {why:#}", master.name));
                // What it has no room for it does not take from another, either.
                if why.is::<client::NoRoom>() {
                    refused.push(*master);
                }
            }
            Err(why)
        })
        .with_context(|| format!("bringing {source} to the registry"))?;
        let (refused, waiting) = masters.iter().map(|(master, _)| *master).partition(|master| refused.contains(master));
        self.settled(wait::Those { waiting, refused }, &places, Some(image.target().digest.as_str()), step)
    }

    /// Takes a name away; the image's layers go with the last name of it, some minutes later.
    ///
    /// # Errors
    /// There is no such name, or no master answers.
    pub fn remove(&self, name: &Reference, step: &StepHandle<'_>) -> Result<Changed> {
        let masters = self.masters()?;
        let at = Place::of(self.plan, name);
        let has = |list: &[Tagged]| list.iter().any(|tagged| place(tagged) == at && tagged.digest.is_some());
        let first = masters.iter().find(|(_, list)| has(list)).map(|(master, _)| *master);
        let first = first
            .with_context(|| format!("the lab's registry has no {}: `hab image ls` says what it has", at.name()))?;
        self.client.remove(first, &at)?;
        let waiting = masters.iter().map(|(master, _)| *master).collect();
        self.settled(wait::Those { waiting, refused: Vec::new() }, &BTreeSet::from([at]), None, step)
    }

    /// Asks all masters for what they have.
    fn masters(&self) -> Result<Masters<'a>> {
        let all: Vec<&Node> = self.plan.of(Role::Master).collect();
        let (mut there, mut away) = (Vec::new(), None);
        for (master, answer) in all.iter().zip(side_by_side(&all, |master| self.client.images(master))) {
            match answer {
                Ok(list) => there.push((*master, list)),
                // Of a machine that is there more can be said.
                Err(error) if error.is::<client::Refused>() => away = Some(error),
                Err(error) => away = away.or(Some(error)),
            }
        }
        match away {
            Some(why) if there.is_empty() => Err(why.context("no master's registry answers")),
            _ => Ok(there),
        }
    }

    /// Where an image belongs: under all its tags, or under its digest if it has none.
    fn places(&self, image: &ContainerImage) -> Result<BTreeSet<Place>> {
        let names = image.names.iter().map(|name| parse(name, "the image's name")).collect::<Result<Vec<_>>>()?;
        let tagged = names.iter().any(|name| name.tag().is_some());
        let names = names.iter().filter(|name| !tagged || name.tag().is_some());
        Ok(names.map(|name| Place::of(self.plan, name)).collect())
    }

    /// Sends an image to one master: layers, manifests, tags, in this order, so that what has a name is whole.
    fn push(
        &self,
        master: &Node,
        image: &ContainerImage,
        places: &BTreeSet<Place>,
        file: &dyn Fn(&str) -> PathBuf,
        step: &StepHandle<'_>,
    ) -> Result<()> {
        let manifest = fs::read(file(&image.manifest.digest))?;
        for Place { repository, tag } in places {
            let blobs = || image.layers.iter().map(|layer| &layer.blob).chain([&image.config]);
            let all: u64 = blobs().map(|blob| blob.size).sum();
            let mut done = 0;
            for blob in blobs() {
                let mut look = |sent: u64| {
                    let (sent, all) = ((done + sent) >> 20, all >> 20);
                    step.status(&format!("sending to {}: {sent} of {all} MiB", master.name));
                };
                self.client.blob(master, repository, blob, &file(&blob.digest), &mut look)?;
                done += blob.size;
            }
            let kind = &image.manifest.media_type;
            match &image.index {
                None => self.client.manifest(master, repository, tag, kind, &manifest)?,
                Some(index) => {
                    self.client.manifest(master, repository, &image.manifest.digest, kind, &manifest)?;
                    let bytes = fs::read(file(&index.digest))?;
                    self.client.manifest(master, repository, tag, &index.media_type, &bytes)?;
                }
            }
        }
        Ok(())
    }
}

/// Brings the programs that fetch images into the cache, for `hab image load` without a network.
///
/// # Errors
/// They can't be had.
pub fn prepare(cache: &Cache, lock: &Lock, plan: &Plan, progress: &dyn Progress) -> Result<()> {
    if plan.registries.in_lab {
        let packages = packages(lock)?;
        let step = progress.step("tools of images", None);
        container_images::tools(cache, packages, &step)?;
        step.done("all there");
    }
    Ok(())
}

/// The packages of these programs.
///
/// # Errors
/// The lock has none.
pub fn packages(lock: &Lock) -> Result<&[crate::lock::Deb]> {
    let images =
        lock.images.as_ref().with_context(|| format!("{FILE} does not pin what fetches images: `hab lock`"))?;
    Ok(&images.packages)
}

fn place(tagged: &Tagged) -> Place {
    Place { repository: tagged.repository.clone(), tag: tagged.tag.clone() }
}

/// What each name leads to, by the newest word of any master.
fn newest<'t>(all: impl Iterator<Item = &'t Tagged>) -> BTreeMap<Place, Option<&'t str>> {
    let mut newest: BTreeMap<Place, (i64, Option<&str>)> = BTreeMap::new();
    for tagged in all {
        let word = (tagged.time, tagged.digest.as_deref());
        newest.entry(place(tagged)).and_modify(|known| *known = word.max(*known)).or_insert(word);
    }
    newest.into_iter().map(|(place, (_, digest))| (place, digest)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_word_of_a_name_counts() {
        let tagged = |digest: Option<&str>, time| Tagged {
            repository: "docker.io/library/a".to_owned(),
            tag: "1".to_owned(),
            digest: digest.map(str::to_owned),
            time,
        };
        let of = |all: &[Tagged]| newest(all.iter()).into_values().next().unwrap().map(str::to_owned);
        assert_eq!(of(&[tagged(Some("x"), 1), tagged(Some("y"), 2)]), Some("y".to_owned()));
        assert_eq!(of(&[tagged(None, 3), tagged(Some("y"), 2)]), None);
        // As the masters decide between two of one moment.
        assert_eq!(of(&[tagged(None, 2), tagged(Some("y"), 2)]), Some("y".to_owned()));
    }
}
