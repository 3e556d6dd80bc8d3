//! etcdutl: the lab's own, from `out/bin`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::{Tool, arg_with_path};

/// By how much the revision goes up, so that no client meets one again that it has seen: more than a lab writes between two
/// backups (<https://etcd.io/docs/v3.6/op-guide/recovery/>, "Restoring with revision bump").
const BUMP: &str = "1000000000";

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

    /// Makes the new folder `data`, from which `member` begins with what is in `snapshot`. Whoever watched is told to look
    /// anew at everything.
    ///
    /// # Errors
    /// The snapshot is damaged, or the folder can't be written.
    pub fn restore(&self, snapshot: &Path, member: Member<'_>, data: &Path) -> Result<()> {
        let tool = Tool::at(self.program.clone())?.args(["snapshot", "restore"]).arg(snapshot);
        tool.args(["--name", member.name, "--initial-advertise-peer-urls", member.peer])
            .args(["--initial-cluster", member.cluster, "--initial-cluster-token", member.token])
            .args(["--bump-revision", BUMP, "--mark-compacted"])
            .arg(arg_with_path("--data-dir=", data))
            .run()
    }
}
