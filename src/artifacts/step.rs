//! The steps of a supply: what is made, or found in the cache, in one piece.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::catalog::{CSource, Entry, Image, Origin, Table, fill};
use super::debian::{self, Program};
use super::{Artifact, Artifacts, c, go, image};
use crate::cache::Cache;
use crate::lock::Supply;
use crate::payload::contents::Load;
use crate::progress::Progress;

/// One step; it depends on nothing but the lock, an image also on its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'t> {
    /// All programs of an upstream.
    Go(&'t str),
    /// All programs out of Debian's packages.
    Debian,
    /// A C program.
    C(&'t str, &'t CSource),
    /// A container image.
    Image(&'t str, &'t Image),
}

impl<'t> Step<'t> {
    /// All steps of a table, each after those it needs.
    #[must_use]
    pub fn all(table: &'t Table) -> Vec<Self> {
        let c = table.artifacts.iter().map(|(name, entry)| Self::of(name, entry)).filter(|s| matches!(s, Self::C(..)));
        let go = table.upstreams.keys().map(|name| Self::Go(name));
        let images = table.images.iter().map(|(name, image)| Self::Image(name, image));
        go.chain([Self::Debian]).chain(c).chain(images).collect()
    }

    /// The step that brings a program.
    fn of(name: &'t str, entry: &'t Entry) -> Self {
        match &entry.origin {
            Origin::Go { upstream, .. } => Self::Go(upstream),
            Origin::C(source) => Self::C(name, source),
            Origin::Debian { .. } => Self::Debian,
        }
    }

    /// The steps that bring what a role needs.
    #[must_use]
    pub fn of_role(table: &'t Table, load: &Load) -> Vec<Self> {
        let programs = load.programs.iter().chain(&load.cni).filter_map(|name| table.artifacts.get_key_value(name));
        let images = load.images.iter().filter_map(|name| table.images.get_key_value(name));
        let images = images.map(|(name, image)| Self::Image(name, image));
        programs.map(|(name, entry)| Self::of(name, entry)).chain(images).collect()
    }

    /// The step that must come before.
    #[must_use]
    pub fn needs(&self, table: &'t Table) -> Option<Self> {
        let Self::Image(_, image) = self else { return None };
        table.artifacts.get_key_value(&image.artifact).map(|(name, entry)| Self::of(name, entry))
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Go(name) | Self::C(name, _) => (*name).to_owned(),
            Self::Debian => debian::WHAT.to_owned(),
            Self::Image(name, _) => format!("image {name}"),
        }
    }

    /// Which one of that name, if one version says it.
    #[must_use]
    pub fn version(&self, table: &'t Table) -> Option<&'t str> {
        match self {
            Self::Go(name) => table.upstreams.get(*name).map(|upstream| upstream.version.as_str()),
            Self::C(_, source) => Some(&source.version),
            Self::Image(..) => self.needs(table)?.version(table),
            Self::Debian => None,
        }
    }

    /// Takes the step, or its result from the cache, and adds what it brings to `artifacts`.
    ///
    /// # Errors
    /// It fails, or something it should bring is not there; the message names it.
    pub fn take(
        &self,
        cache: &Cache,
        table: &Table,
        lock: &Supply,
        artifacts: &mut Artifacts,
        progress: &dyn Progress,
    ) -> Result<()> {
        let linked = |file, version: &str| Program { file, version: version.to_owned(), libraries: BTreeMap::new() };
        let mut programs = match *self {
            Self::Go(name) => {
                let version = &table.upstream(name)?.version;
                let files = go::build(cache, table, &lock.toolchain, name, progress)
                    .with_context(|| format!("building {name} from its Go modules"))?;
                files.into_iter().map(|(name, file)| (name, linked(file, version))).collect()
            }
            Self::Debian => {
                debian::build(cache, table, &lock.debs, progress).context("taking programs out of Debian's packages")?
            }
            Self::C(name, source) => {
                let file = c::build(cache, table, &lock.toolchain, name, source, progress)
                    .with_context(|| format!("building {name}"))?;
                BTreeMap::from([(name.to_owned(), linked(file, &source.version))])
            }
            Self::Image(name, image) => {
                let archive = image::pack(cache, image, artifacts.program(&image.artifact)?, progress)
                    .with_context(|| format!("packing the image {name}"))?;
                artifacts.images.insert(name.to_owned(), archive);
                return Ok(());
            }
        };
        for (name, entry) in table.artifacts.iter().filter(|(name, entry)| Step::of(name, entry) == *self) {
            let program = programs.remove(name).with_context(|| format!("nothing brought {name}"))?;
            let Program { file, version, libraries } = program;
            let says = fill(&entry.says, &version);
            let artifact = Artifact { file, libraries, check: entry.check.clone(), says, version };
            artifacts.programs.insert(name.clone(), artifact);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::contents as role;
    use crate::role::Role;

    #[test]
    fn every_program_and_image_comes_of_one_step_after_what_it_needs() {
        let table = Table::source().unwrap();
        let all = Step::all(&table);
        let place = |step: &Step<'_>| all.iter().position(|other| other == step).unwrap();
        for (name, entry) in &table.artifacts {
            place(&Step::of(name, entry));
        }
        for step in &all {
            assert!(step.needs(&table).is_none_or(|needed| place(&needed) < place(step)), "{}", step.name());
        }
    }

    #[test]
    fn a_role_waits_for_no_more_than_it_carries() {
        let table = Table::source().unwrap();
        let names =
            |role| -> Vec<_> { Step::of_role(&table, &role::load(role).unwrap()).iter().map(Step::name).collect() };
        assert!(!names(Role::Etcd).contains(&"kubernetes".to_owned()));
        for name in ["kubernetes", "image pause", debian::WHAT] {
            assert!(names(Role::Worker).contains(&name.to_owned()), "{name}");
        }
    }
}
