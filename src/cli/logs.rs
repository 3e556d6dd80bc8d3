//! `hab logs`: a node's journal.

use anyhow::{Result, anyhow};

use super::Global;
use crate::session::Request;

/// Print a node's journal, of this boot or an earlier one; etcd nodes' too, and without the cluster
///
/// It comes over the machine's own port, as `hab shell` does. The journal is on the node's data disk, so it has what was
/// before a crash, a halt or a machine made anew. What containers say is `kubectl logs`' to print.
#[derive(Debug, clap::Args)]
pub struct Logs {
    /// The node
    node: String,

    /// Only this unit's, such as etcd, kubelet or hab-node
    unit: Option<String>,

    /// Go on as more comes; Ctrl-C ends
    #[arg(short, long)]
    follow: bool,

    /// From this time on, as journalctl takes it: "10 min ago", "2026-11-30 12:00"
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Which boot: 0 is this one, -1 the one before, and so on; or all
    #[arg(long, value_name = "BOOT", default_value = "0", allow_hyphen_values = true, value_parser = boot)]
    boot: String,

    /// Only the last so many lines
    #[arg(short = 'n', long, value_name = "COUNT")]
    lines: Option<u32>,
}

/// A boot as journalctl takes it.
fn boot(text: &str) -> Result<String> {
    if text == "all" || text.parse::<i32>().is_ok() {
        return Ok(text.to_owned());
    }
    Err(anyhow!("it is a number, such as -1, or `all`"))
}

impl Logs {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        super::shell::run(global, &self.node, &Request { argv: self.argv(), ..Request::default() })
    }

    fn argv(&self) -> Vec<String> {
        let mut argv = vec!["journalctl".to_owned(), "--no-pager".to_owned(), "--output=short-iso".to_owned()];
        argv.push(format!("--boot={}", self.boot));
        argv.extend(self.unit.as_ref().map(|unit| format!("--unit={unit}")));
        argv.extend(self.since.as_ref().map(|since| format!("--since={since}")));
        argv.extend(self.lines.map(|lines| format!("--lines={lines}")));
        // With --follow journalctl would begin with the last ten lines.
        argv.extend(self.follow.then(|| "--follow".to_owned()));
        argv.extend((self.follow && self.lines.is_none()).then(|| "--no-tail".to_owned()));
        argv
    }
}
