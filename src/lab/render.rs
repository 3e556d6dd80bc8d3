//! Everything of a lab but its boxes: Ignition configs, kubeconfig, Vagrantfile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::Deserialize;

use super::nodes_json::{self, Data, Rendered};
use super::origin::Origins;
use super::{OUT, PRIVATE, addons, applied};
use crate::atomic_fs::{self, Batch};
use crate::clock::Clock;
use crate::config::{Naming, UsersFiles};
use crate::digest::sha256;
use crate::exec::{qemu, signal};
use crate::lock::Lock;
use crate::node::Snippet;
use crate::node::ignition::Configs;
use crate::pki::Pki;
use crate::plan::{Node, Plan};
use crate::progress::Progress;
use crate::provider::VAGRANTFILE;
use crate::role::{PerRole, Role};

/// Writes all data of the lab in `lab` and returns how many files changed.
///
/// # Errors
/// The lab's certificates are damaged, a snippet does not fit, or a file can't be written. What was rendered before then
/// stays as it was, all of it.
pub fn render(lab: &Path, plan: &Plan, progress: &dyn Progress) -> Result<usize> {
    super::create_out(lab)?;
    let pki = Pki::open(&lab.join(PRIVATE), plan, Clock::system())?;
    let outcome = write(lab, plan, &pki);
    // Also after an error: what was issued anew is there.
    for note in pki.notes() {
        progress.note(&note);
    }
    outcome
}

fn write(lab: &Path, plan: &Plan, pki: &Pki) -> Result<usize> {
    let out = lab.join(OUT);
    let folder = out.join("ignition");
    atomic_fs::create_private_dir(&folder)?;
    let naming = Naming { kubernetes: &plan.kubernetes, internet: plan.internet.as_ref(), addons: &plan.addons };
    let files = UsersFiles::read(lab, naming)?;
    let configs = Configs::new(plan, snippets(lab, plan)?, files)?;

    // What is wrong with a template or a snippet is wrong for every node of a role: found before anything is written.
    for node in Role::ALL.into_iter().filter_map(|role| plan.of(role).next()) {
        configs.node(node, pki.node(node)?)?;
    }

    let origins = Origins::read(lab, plan.provider)?;
    // Not flushed one by one: they can be rendered again at any time.
    let mut batch = Batch::default();
    let config_drive = nodes_json::maker(plan);
    let mut sums = Vec::with_capacity(plan.nodes.len());
    // One node at a time: a lab of a thousand nodes needs no more memory than one of three.
    for node in &plan.nodes {
        signal::check()?;
        let config = configs.node(node, pki.node(node)?)?;
        let sum = sha256(&config);
        applied::keep(lab, &origins, &node.name, &sum)?;
        sums.push(sum);
        batch.add(&lab.join(nodes_json::ignition_path(&node.name)), atomic_fs::SECRET, &config)?;
        if let Some(make) = config_drive {
            batch.add(&lab.join(nodes_json::config_drive_path(&node.name)), atomic_fs::SECRET, &make(&config)?)?;
        }
    }
    let masters = plan.of(Role::Master);
    let servers = masters.map(|master| (master.name.as_str(), plan.api_server(master)));
    let kubeconfig = pki.admin_kubeconfig(&servers.collect::<Vec<_>>());
    batch.add(&out.join("kubeconfig"), atomic_fs::SECRET, kubeconfig.reveal().as_bytes())?;
    registry(&out, plan, pki, &mut batch)?;
    let named = configs.addons(plan)?;
    addons::write(lab, &named, &mut batch)?;
    let (hab, versions) = (own_file()?, versions(lab)?);
    let images = images(lab, plan)?;
    let rendered = Rendered { hab: &hab, versions: &versions, ignition: &sums, images: images.as_deref() };
    let nodes = Data::new(plan, &rendered)?;
    batch.add(&out.join("nodes.json"), atomic_fs::PUBLIC, &nodes.to_json()?)?;
    batch.add(&out.join("trial.rom"), atomic_fs::PUBLIC, &qemu::trial_firmware())?;
    batch.add(&lab.join("Vagrantfile"), atomic_fs::PUBLIC, VAGRANTFILE.concat().as_bytes())?;
    let changed = batch.commit()?;
    addons::remove(lab, &named)?;
    let endings: &[&str] = if config_drive.is_some() { &["ign", "iso"] } else { &["ign"] };
    let names = |node: &Node| endings.iter().map(|ending| format!("{}.{ending}", node.name)).collect::<Vec<_>>();
    let names: BTreeSet<String> = plan.nodes.iter().flat_map(names).collect();
    atomic_fs::remove_stale(&folder, |name| names.contains(name))?;
    Ok(changed)
}

/// By what skopeo, podman and docker know the lab's own registry, and it knows them, in the folder and under the names that
/// they look for (containers-certs.d(5)).
fn registry(out: &Path, plan: &Plan, pki: &Pki, batch: &mut Batch) -> Result<()> {
    let folder = out.join("registry");
    if !plan.registries.in_lab {
        return if folder.is_dir() { atomic_fs::remove_stale(&folder, |_| false) } else { Ok(()) };
    }
    atomic_fs::create_private_dir(&folder)?;
    let client = pki.client();
    batch.add(&folder.join("ca.crt"), atomic_fs::SECRET, &client.kubernetes_ca)?;
    batch.add(&folder.join("client.cert"), atomic_fs::SECRET, client.admin.certificate.as_bytes())?;
    batch.add(&folder.join("client.key"), atomic_fs::SECRET, client.admin.key.reveal().as_bytes())
}

/// The file that hab was started from, for `vagrant up`.
fn own_file() -> Result<PathBuf> {
    Ok(replaced(std::env::current_exe().context("finding hab's own file")?))
}

/// The file of a program that runs. When it was replaced meanwhile, as `cargo build` does, the system says
/// `/path/hab (deleted)` (proc(5)); the new one is at the same place.
fn replaced(path: PathBuf) -> PathBuf {
    let place = path.to_str().and_then(|text| text.strip_suffix(" (deleted)")).map(PathBuf::from);
    place.filter(|_| !path.exists()).unwrap_or(path)
}

/// The digest of the disk of container images, if it is built.
fn images(lab: &Path, plan: &Plan) -> Result<Option<String>> {
    if plan.images.is_empty() {
        return Ok(None);
    }
    let pinned = Lock::read(lab)?.filter(|lock| lock.has_images(&plan.images)).and_then(|lock| lock.images?.disk);
    Ok(pinned.filter(|sha256| lab.join(nodes_json::images_path(sha256)).is_file()))
}

fn snippets(lab: &Path, plan: &Plan) -> Result<Vec<Snippet>> {
    let common = plan.snippets.common.iter().map(|file| (None, file));
    let roles = plan.snippets.roles.iter().filter_map(|(role, file)| Some((Some(role), file.as_ref()?)));
    common.chain(roles).map(|(role, file)| Snippet::read(&lab.join(file), plan.base, role)).collect()
}

/// The versions of the boxes that were built, as `out/boxes/<role>.json` has them.
///
/// # Errors
/// A file is damaged.
pub fn versions(lab: &Path) -> Result<PerRole<Option<String>>> {
    #[derive(Deserialize)]
    struct Metadata {
        versions: Vec<Version>,
    }
    #[derive(Deserialize)]
    struct Version {
        version: String,
    }
    PerRole::try_from_fn(|role| {
        let path = lab.join(nodes_json::box_metadata_path(role));
        if !path.is_file() {
            return Ok(None);
        }
        let metadata: Metadata =
            serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))?;
        Ok(metadata.versions.into_iter().next().map(|version| version.version))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hab_that_was_replaced_while_it_ran_is_at_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (place, odd) = (dir.path().join("hab"), dir.path().join("hab (deleted)"));
        assert_eq!(replaced(place.clone()), place);
        assert_eq!(replaced(odd.clone()), place);
        // A file may be called so.
        fs::write(&odd, "").unwrap();
        assert_eq!(replaced(odd.clone()), odd);
    }
}
