//! What the cluster runs besides: addons that hab brings, and folders of the user's.

use std::path::{Component, Path, PathBuf};

use super::super::Addon;
use super::super::addons::AddonSource;
use super::super::fields::one_of;
use super::super::load::IS_FOLDER;
use super::super::raw::Marked;
use super::super::yaml::shown;
use super::{HasFile, lab_file};
use crate::problems::Problems;

/// What hab brings under keys of its own.
const ELSEWHERE: [(&str, &str); 2] =
    [("coredns", "every lab has it: `kubernetes.dns` says how"), ("registry", "write `registry: {inLab: true}`")];

/// Checks `addons`. What is in the folders is not asked here.
pub fn check(said: &[Marked<String>], has_file: &HasFile<'_>, problems: &mut Problems) -> Option<Vec<AddonSource>> {
    let (mut all, mut whole) = (Vec::new(), true);
    for said in said {
        let Some(source) = source(said, has_file, problems) else {
            whole = false;
            continue;
        };
        if all.contains(&source) {
            problems.error(said.place, format!("`addons` names {} twice", shown(&said.value)), None);
        }
        all.push(source);
    }
    whole.then_some(all)
}

fn source(said: &Marked<String>, has_file: &HasFile<'_>, problems: &mut Problems) -> Option<AddonSource> {
    if let Some((_, addon)) = Addon::ALL.iter().find(|(name, _)| *name == said.value) {
        return Some(AddonSource::BuiltIn(*addon));
    }
    if let Some((name, hint)) = ELSEWHERE.iter().find(|(name, _)| *name == said.value) {
        problems.error(said.place, format!("`addons` can't be {name}"), Some((*hint).to_owned()));
        return None;
    }
    let is_folder = |path: &Path| match has_file(path) {
        Err(why) if why == IS_FOLDER => Ok(()),
        Ok(()) => Err("is no folder".to_owned()),
        Err(why) => Err(why),
    };
    // A word may be meant for the name of one that hab brings.
    if !said.value.contains('/') && is_folder(Path::new(&said.value)).is_err_and(|why| why == "is not there") {
        let names: Vec<&str> = Addon::ALL.iter().map(|(name, _)| *name).collect();
        let message =
            format!("`addons` names {}, which is neither an addon of hab's nor a folder here", shown(&said.value));
        problems.error(said.place, message, Some(one_of(&said.value, &names)));
        return None;
    }
    if Path::new(&said.value).components().all(|part| part == Component::CurDir) && !said.value.is_empty() {
        let hint = "name a folder in it, such as `manifests`".to_owned();
        problems.error(said.place, "`addons` names what is the lab's own folder".to_owned(), Some(hint));
        return None;
    }
    let before = problems.list.len();
    let path: PathBuf = lab_file("addons", "manifests", Some(said), &is_folder, problems)?;
    (problems.list.len() == before).then_some(AddonSource::Folder(path))
}
