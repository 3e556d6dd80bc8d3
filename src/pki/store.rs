//! The files of leaves: read, held against the plan, completed.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use time::OffsetDateTime;

use super::certificate::{self, Reason};
use super::files;
use super::pairs::{self, Pair, Pairs};
use super::profiles::Profile;
use super::report::Notes;
use super::roots::Trust;
use super::secret::Secret;
use crate::atomic_fs;

/// Where leaves are kept and what they are signed with.
pub(super) struct Leaves {
    pub private: PathBuf,
    pub trust: Trust,
    pub now: OffsetDateTime,
    pub notes: Mutex<Notes>,
}

/// What is known of a wanted leaf: it is there and in order, or has to be issued.
enum Found {
    Good(Pair),
    Issue(Reason),
}

impl Leaves {
    /// The file of the host's own leaves.
    pub fn host_file(&self) -> PathBuf {
        self.private.join("host.pem")
    }

    /// The file of a node's leaves.
    pub fn node_file(&self, node: &str) -> PathBuf {
        self.private.join("nodes").join(format!("{node}.pem"))
    }

    /// The wanted leaves, in their order: from the file, or issued and written to it. `owner` is for messages.
    pub fn obtain(&self, path: &Path, owner: &str, wanted: &[Profile]) -> Result<Pairs> {
        // Without a hold first: a file is only ever replaced as a whole, and nearly always all is in order.
        if let Some(good) = files::read(path)?.map(|text| self.assess(path, &text, wanted)).transpose()?
            && let Some(pairs) = all_good(&good, wanted)
        {
            return Ok(pairs);
        }
        let _held = files::hold(&self.private)?;
        let found = match files::read(path)? {
            Some(text) => {
                let found = self.assess(path, &text, wanted)?;
                self.note(owner, &found);
                found
            }
            None => wanted.iter().map(|_| Found::Issue(Reason::Missing)).collect(),
        };
        let mut pairs = Pairs::with_capacity(wanted.len());
        for (wanted, found) in wanted.iter().zip(found) {
            let pair = match found {
                Found::Good(pair) => pair,
                Found::Issue(_) => certificate::issue(wanted, self.trust.of(wanted.ca), self.now)
                    .with_context(|| format!("issuing {} for {owner}", wanted.stem))?,
            };
            pairs.push((wanted.stem.to_owned(), pair));
        }
        // Not flushed: a thousand flushes take longer than all the rest. A leaf that a power cut swallows is said to
        // be damaged, and once removed it is issued anew at no loss.
        atomic_fs::write_unflushed(path, atomic_fs::SECRET, pairs::print(&pairs).reveal().as_bytes())?;
        Ok(pairs)
    }

    fn assess(&self, path: &Path, text: &Secret, wanted: &[Profile]) -> Result<Vec<Found>> {
        let checking = || {
            let path = path.display();
            format!(
                "checking {path}: put it back from a copy, or remove it and hab issues new certificates in its place"
            )
        };
        let mut pairs = pairs::parse(text.reveal()).with_context(checking)?;
        let assess = |wanted: &Profile| {
            let Some(at) = pairs.iter().position(|(name, _)| name == wanted.stem) else {
                return Ok(Found::Issue(Reason::Missing));
            };
            let (_, pair) = pairs.swap_remove(at);
            let reason = certificate::assess(&pair, wanted, self.trust.of(wanted.ca), self.now)
                .with_context(|| format!("looking at `{}`", wanted.stem))
                .with_context(checking)?;
            Ok(reason.map_or(Found::Good(pair), Found::Issue))
        };
        wanted.iter().map(assess).collect()
    }

    fn note(&self, owner: &str, found: &[Found]) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for found in found {
            if let Found::Issue(reason) = found {
                notes.issued(*reason, owner);
            }
        }
    }
}

fn all_good(found: &[Found], wanted: &[Profile]) -> Option<Pairs> {
    let good = |(found, wanted): (&Found, &Profile)| match found {
        Found::Good(pair) => Some((wanted.stem.to_owned(), pair.clone())),
        Found::Issue(_) => None,
    };
    found.iter().zip(wanted).map(good).collect()
}
