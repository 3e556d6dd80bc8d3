//! etcdutl: the lab's own, from `out/bin`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use super::{Tool, arg_with_path};

/// A member of a new cluster.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where the others reach it.
    pub peer: &'a str,
    /// All members, as `ETCD_INITIAL_CLUSTER` has them.
    pub cluster: &'a str,
    /// What tells this cluster from others.
    pub token: &'a str,
    /// By how much its revision is more than that of the snapshot.
    pub bump: u64,
}

/// What `snapshot status` says, as far as it is of interest.
#[derive(Deserialize)]
struct Status {
    revision: u64,
}

/// The etcdutl of a lab.
#[derive(Debug)]
pub struct Etcdutl {
    program: PathBuf,
}

impl Etcdutl {
    /// That of the lab whose `out/` folder this is.
    ///
    /// # Errors
    /// The lab is not built.
    pub fn of(out: &Path) -> Result<Self> {
        let program = out.join("bin/etcdutl");
        ensure!(program.is_file(), "{} is missing: run `hab build` first", program.display());
        Ok(Self { program })
    }

    /// The revision of a snapshot: how often something was written before it.
    ///
    /// # Errors
    /// It is damaged.
    pub fn revision(&self, snapshot: &Path) -> Result<u64> {
        let tool = Tool::at(self.program.clone())?.args(["snapshot", "status", "--write-out=json"]).arg(snapshot);
        let status: Status = serde_json::from_slice(&tool.output()?).context("reading what etcdutl says")?;
        Ok(status.revision)
    }

    /// Makes the new folder `data`, from which `member` begins with what is in `snapshot`. Whoever watches from a revision
    /// below its own is told to look anew at everything
    /// (<https://etcd.io/docs/v3.6/op-guide/recovery/>, "Restoring with revision bump").
    ///
    /// # Errors
    /// The snapshot is damaged, or the folder can't be written.
    pub fn restore(&self, snapshot: &Path, member: Member<'_>, data: &Path) -> Result<()> {
        let tool = Tool::at(self.program.clone())?.args(["snapshot", "restore"]).arg(snapshot);
        tool.args(["--name", member.name, "--initial-advertise-peer-urls", member.peer])
            .args(["--initial-cluster", member.cluster, "--initial-cluster-token", member.token])
            .args(["--bump-revision", &member.bump.to_string(), "--mark-compacted"])
            .arg(arg_with_path("--data-dir=", data))
            .run()
    }
}
