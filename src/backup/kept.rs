//! Backups that an etcd node has made by itself: they are on its data disk, which is read here while the machine is off.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use time::OffsetDateTime;

use super::{Backup, END, scratch, writable, write};
use crate::exec::virsh::{self, DomainState, Virsh};
use crate::exec::{debugfs, plain_path, qemu_img};
use crate::lab::nodes_json;
use crate::plan::{Node, Plan};
use crate::provider::{by_virsh, facts};

/// Where they are on the disk, as `hab-backup.service` puts them there.
const FOLDER: &str = "/var/lib/hab/backups";

/// Takes the newest backup that `node` has made by itself from its data disk into the lab's own.
///
/// # Errors
/// The machine runs, it has no data, or there is no backup among them.
pub fn copy_from(lab: &Path, plan: &Plan, node: &Node, now: OffsetDateTime) -> Result<Backup> {
    let (name, domain) = (&node.name, nodes_json::domain(plan, &node.name));
    by_virsh(plan.provider, "reading what an etcd node has backed up by itself")?;
    let state = (facts(plan.provider).domains)()?.get(&domain).copied();
    if matches!(state, Some(DomainState::Running | DomainState::Paused)) {
        bail!("{name} runs: `vagrant halt {name}` first, or leave out --from, which asks etcd itself");
    }
    let virsh = Virsh::new(virsh::default_uri())?;
    let volume = nodes_json::data_volume(plan, name);
    let pool = virsh.pool_with(&volume)?.with_context(|| format!("there are no data of {name}"))?;
    let builds_on = virsh.volume(&pool, &volume)?.backing;
    ensure!(builds_on.is_none(), "the data of {name} build on those of a save: start it, and leave out --from");

    let backups = writable(lab)?;
    let work = scratch(&backups)?;
    let at = |name: &str| work.path().join(name);
    virsh.download(&pool, &volume, plain_path(&at("data.qcow2"), &[])?)?;
    qemu_img::to_raw(&at("data.qcow2"), &at("data"))?;
    let mut all = debugfs::list(&at("data"), FOLDER)?;
    all.retain(|name| name.ends_with(END) && !name.starts_with('.'));
    all.sort();
    let newest = all.last().with_context(|| format!("{name} has made no backup yet"))?;
    debugfs::dump(&at("data"), &format!("{FOLDER}/{newest}"), &at("backup"))?;
    write(&backups, now, |file| {
        std::io::copy(&mut fs_err::File::open(at("backup"))?, file)?;
        Ok(())
    })
}
