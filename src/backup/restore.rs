//! `hab restore`: the cluster goes back to a backup.
//!
//! All etcd members begin anew, each with a data disk that was made here from the same backup. No other machine is made
//! anew: etcd's revision jumps, and whoever watched is told to look at everything again.

use std::path::Path;

use anyhow::{Context as _, Result};
use time::OffsetDateTime;

use super::{check, scratch, writable};
use crate::atomic_fs;
use crate::cluster::{Cluster, Limits};
use crate::exec::etcdutl::{Etcdutl, Member};
use crate::exec::virsh::{self, Virsh};
use crate::exec::{debugfs, mke2fs, qemu_img, vagrant};
use crate::lab::{OUT, nodes_json};
use crate::node::DATA_LABEL;
use crate::parallel::side_by_side;
use crate::plan::{Node, Plan, port};
use crate::progress::Progress;
use crate::provider::{by_virsh, facts};
use crate::role::Role;

/// Where etcd's data are on a data disk: in systemd's folder of the states of units with `DynamicUser=`, which must be root's;
/// systemd gives the data to the unit's user (systemd.exec(5), `StateDirectory=`).
const DATA: &str = "var/lib/private/etcd";
const ABOVE: [&str; 3] = ["/var", "/var/lib", "/var/lib/private"];

/// What the cluster goes back to, and when.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The backup's file.
    pub path: &'a Path,
    /// The time by this machine's clock: etcd's revision goes up to it, in milliseconds since 1970.
    pub now: OffsetDateTime,
}

/// Takes all etcd machines away, with all that they know, and makes them anew from the backup; ends when the whole
/// lab is Ready.
///
/// # Errors
/// The backup is damaged, which is said before anything is taken away; or machines do not become Ready. It can be run again.
pub fn restore(
    lab: &Path,
    plan: &Plan,
    cluster: &Cluster<'_>,
    target: Target<'_>,
    progress: &dyn Progress,
) -> Result<()> {
    by_virsh(plan.provider, "`hab restore`")?;
    let Target { path, now } = target;
    check(path)?;
    let etcdutl = Etcdutl::of(&lab.join(OUT))?;
    let work = scratch(&writable(lab)?)?;
    let members: Vec<&Node> = plan.of(Role::Etcd).collect();
    let names: Vec<&str> = members.iter().map(|node| node.name.as_str()).collect();

    let step = progress.step(&names.join(", "), None);
    step.status("data are made of the backup");
    let bump = bump(etcdutl.revision(path)?, now)?;
    let source = Source { etcdutl: &etcdutl, path, bump };
    let outcomes = side_by_side(&members, |node| data_disk(plan, node, source, work.path()));
    outcomes.into_iter().collect::<Result<()>>()?;
    vagrant::destroy_but_data(lab, &names, |line| step.status(line))?;
    remove_data_disks(plan, &members)?;
    vagrant::up_with_data(lab, work.path(), facts(plan.provider).name, |line| step.status(line))?;
    step.done("anew");
    let unknown = cluster.wait_for_known(progress, Limits::default())?;
    restart(lab, &unknown.iter().map(String::as_str).collect::<Vec<_>>(), progress)?;
    cluster.wait(progress, Limits::default()).map(drop)
}

/// Removes the data disks of `members`, whose machines are gone; further disks stay.
fn remove_data_disks(plan: &Plan, members: &[&Node]) -> Result<()> {
    let virsh = Virsh::new(virsh::default_uri())?;
    for node in members {
        let volume = nodes_json::data_volume(plan, &node.name);
        if let Some(pool) = virsh.pool_with(&volume)? {
            virsh.remove_volume(&pool, &volume)?;
        }
    }
    Ok(())
}

/// Starts machines anew that have joined since the backup: a kubelet registers its node only once, when it starts.
fn restart(lab: &Path, names: &[&str], progress: &dyn Progress) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let step = progress.step(&names.join(", "), None);
    vagrant::reload(lab, names, |line| step.status(line))?;
    step.done("started anew, for the backup does not know them");
    Ok(())
}

/// By how much the revision goes up, to the milliseconds since 1970. A client that has seen a higher one than the cluster has
/// would wait for it and hear nothing; no lab writes a thousand times a second all the time, so this is higher than any that
/// there was, also after other restores.
fn bump(revision: u64, now: OffsetDateTime) -> Result<u64> {
    let now = u64::try_from(now.unix_timestamp_nanos() / 1_000_000)?;
    now.checked_sub(revision).with_context(|| {
        format!("the backup is of revision {revision}, later than this machine's clock, {now} ms since 1970")
    })
}

/// What data are made of.
#[derive(Clone, Copy)]
struct Source<'a> {
    etcdutl: &'a Etcdutl,
    path: &'a Path,
    bump: u64,
}

/// A data disk for `node`, in the folder `work`, on which etcd finds what is in the backup.
fn data_disk(plan: &Plan, node: &Node, source: Source<'_>, work: &Path) -> Result<()> {
    let about = || format!("making the data of {}", node.name);
    let peer = |node: &Node| format!("https://{}:{}", node.address, port::ETCD_PEER);
    let cluster: Vec<String> = plan.of(Role::Etcd).map(|node| format!("{}={}", node.name, peer(node))).collect();
    let member = Member {
        name: &node.name,
        peer: &peer(node),
        cluster: &cluster.join(","),
        // As in etcd.env.
        token: &format!("hab-{}", plan.lab),
        bump: source.bump,
    };
    let content = tempfile::tempdir_in(work)?;
    let data = content.path().join(DATA);
    atomic_fs::create_private_dir(data.parent().with_context(about)?)?;
    source.etcdutl.restore(source.path, member, &data).with_context(about)?;
    let raw = work.join(format!("{}.raw", node.name));
    mke2fs::of_folder(content.path(), DATA_LABEL, u64::from(node.disk) << 30, &raw).with_context(about)?;
    debugfs::give_to_root(&raw, &ABOVE).with_context(about)?;
    qemu_img::plain_qcow2(&raw, &work.join(nodes_json::data_volume(plan, &node.name))).with_context(about)?;
    atomic_fs::remove_file(&raw).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_restore_goes_to_a_revision_that_nobody_has_seen() {
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        let first = 5000 + bump(5000, at(1_796_000_000)).unwrap();
        // A minute later, with much written meanwhile, the same backup again; then one of that time.
        let second = 5000 + bump(5000, at(1_796_000_060)).unwrap();
        assert!(second > first + 50_000);
        assert_eq!(second + bump(second, at(1_796_000_120)).unwrap(), 1_796_000_120_000);
        assert!(bump(second, at(0)).unwrap_err().to_string().contains("this machine's clock"));
    }
}
