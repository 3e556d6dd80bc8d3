//! The whole way from a file to a [`Config`], in order.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use super::Config;
use super::files::{Naming, UsersFiles};
use super::merged::merge;
use super::validate::{HasFile, validate};
use super::{decode, raw, yaml};
use crate::problems::{Place, Problems};

/// The file a lab is made of.
pub const FILE: &str = "hab.yaml";

/// The folder with what is made for `vagrant up` and the user; can be deleted.
pub const OUT: &str = "out";
/// The folder with CAs and keys.
pub const PRIVATE: &str = "private";

/// Why what is named is no file, where it is a folder.
pub(super) const IS_FOLDER: &str = "is not a file, but a folder";

/// What reading led to.
#[derive(Debug)]
pub struct Reading {
    /// The lab, when nothing forbids building it.
    pub config: Option<Config>,
    /// Everything there is to say about the file, or about one that it names, from top to bottom.
    pub problems: Problems,
    /// Where the ranges of the networks that machines are in stand, by their keys below `network`.
    pub(super) network_places: BTreeMap<String, Place>,
}

impl Reading {
    /// The lab, or all problems as the error; warnings are in `problems` and not in the error's way.
    ///
    /// # Errors
    /// There is a problem that forbids building.
    pub fn config(&self) -> Result<&Config, Problems> {
        self.config.as_ref().ok_or_else(|| self.problems.clone())
    }
}

/// Reads the bytes of a file that the user knows as `file`.
#[must_use]
pub fn read(file: &str, bytes: &[u8], has_file: &HasFile<'_>) -> Reading {
    let (text, mut problems) = decode::decode(file, bytes);
    let Some(text) = text.filter(|_| !problems.has_errors()) else {
        return Reading { config: None, problems, network_places: BTreeMap::new() };
    };
    let Some(root) = yaml::parse(&text, &mut problems) else {
        if !problems.has_errors() {
            let hint = "`hab init` in an empty folder writes one with every default".to_owned();
            problems.error(None, "is empty", Some(hint));
        }
        return Reading { config: None, problems, network_places: BTreeMap::new() };
    };
    let merged = merge(raw::read(&root, &mut problems));
    let config = validate(&merged, has_file, &mut problems);
    problems.sort();
    let config = config.filter(|_| !problems.has_errors());
    let network = merged.network;
    let extra = network.extra.into_iter().map(|(name, range)| (format!("extra.{}", name.value), range.place));
    let places = extra.chain([("nodes".to_owned(), network.nodes.place)]);
    let network_places = places.filter_map(|(key, place)| Some((key, place?))).collect();
    Reading { config, problems, network_places }
}

/// Reads the `hab.yaml` of the lab in `folder`. A file that is not there is a problem like any other.
///
/// # Errors
/// The file is there and can't be read.
pub fn load(folder: &Path) -> Result<Reading> {
    let path = folder.join(FILE);
    let name = path.strip_prefix(".").unwrap_or(&path).display().to_string();
    let refused = |why: &str, hint: Option<&str>| {
        let mut problems = Problems::new(&name, "");
        problems.error(None, why, hint.map(str::to_owned));
        Ok(Reading { config: None, problems, network_places: BTreeMap::new() })
    };
    // A pipe would be waited for, for ever.
    if fs::metadata(&path).is_ok_and(|meta| !meta.is_file()) {
        return refused("is not a file", None);
    }
    match read_capped(&path) {
        Ok(bytes) => {
            let mut reading = with_files(folder, read(&name, &bytes, &|file| in_folder(folder, file)));
            reading.refuse_ranges(|facts| facts.allowed.map(|allowed| allowed()));
            reading.config = reading.config.filter(|_| !reading.problems.has_errors());
            Ok(reading)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            refused("is not there", Some("`hab init` writes one; `-C FOLDER` names the lab's folder"))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is to be said of the files that a good hab.yaml names.
fn with_files(folder: &Path, mut reading: Reading) -> Reading {
    let Some(config) = &reading.config else { return reading };
    let naming = Naming { kubernetes: &config.kubernetes, internet: config.internet.as_ref(), addons: &config.addons };
    match UsersFiles::read(folder, naming) {
        Ok(files) => {
            files.network.warn(config, &mut reading.problems);
            files.addons.warn(config, &mut reading.problems);
        }
        Err(problems) => reading.problems.others.push(problems),
    }
    reading
}

/// The bytes of a file that hab.yaml names, and what the user knows it as.
///
/// # Errors
/// It can't be read, or is too long.
pub(super) fn users_file(path: &Path) -> Result<(String, Vec<u8>), Problems> {
    let name = path.strip_prefix(".").unwrap_or(path).display().to_string();
    let mut problems = Problems::new(&name, "");
    match read_capped(path) {
        Ok(bytes) if bytes.len() <= decode::MAX_BYTES => return Ok((name, bytes)),
        Ok(_) => problems.error(None, format!("is longer than {} bytes", decode::MAX_BYTES), None),
        Err(error) => {
            let why = if error.kind() == ErrorKind::NotFound { "is not there" } else { "can't be read" };
            problems.error(None, format!("{why}: {error}"), None);
        }
    }
    Err(problems)
}

/// Reads one byte more than is allowed, so that a file is as quickly refused however long it is.
pub(super) fn read_capped(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let most = decode::MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether `path` is a file in `folder`, also when links on the way are followed.
pub(super) fn in_folder(folder: &Path, path: &Path) -> Result<(), String> {
    let folder = folder.canonicalize().map_err(|error| error.to_string())?;
    let found = match folder.join(path).canonicalize() {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err("is not there".to_owned()),
        Err(error) => return Err(format!("can't be read: {error}")),
    };
    if !found.starts_with(&folder) {
        return Err("lies outside of the lab's folder".to_owned());
    }
    if found.is_dir() {
        Err(IS_FOLDER.to_owned())
    } else if found.is_file() {
        Ok(())
    } else {
        Err("is not a file".to_owned())
    }
}
