//! A user's own Ignition config, merged into hab's. It adds; where it would replace something of hab's, that is an
//! error which names the path.
//!
//! What Ignition would find wrong on the node is refused here, for a node whose Ignition fails powers itself off.
//! ignition-config knows types and keys, but none of Ignition's rules; those are in the modules below, each with its
//! place in Ignition 2.14's source. `tests/real/snippets.rs` holds them against Ignition itself.

mod base;
mod contents;
mod data_url;
mod item;
mod merge;
mod unit;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ignition_config::{Config, v3_3};
use serde_json::Value;

use crate::kinds;
use crate::role::Role;
use base::RootFs;
use item::Item;

pub use merge::SeenPaths;

/// The largest snippet read: a config is text, and the fw_cfg channel reads slowly (Ignition warns after 10 s).
const MAX_BYTES: u64 = 1 << 20;

/// What a snippet may have. Users, groups and disks are not in it: the base has none of the programs that Ignition would
/// run for those.
const KEYS: [(&str, &str); 5] = [
    ("ignition", "version"),
    ("storage", "directories"),
    ("storage", "files"),
    ("storage", "links"),
    ("systemd", "units"),
];

/// One snippet, checked by Ignition's own types and rules.
#[derive(Debug, Clone)]
pub struct Snippet {
    /// Whose nodes get it; `None` for all.
    pub role: Option<Role>,
    file: PathBuf,
    base: RootFs,
    items: Vec<Item>,
}

impl Snippet {
    /// Reads and checks a snippet.
    ///
    /// # Errors
    /// It can't be read, is no Ignition config of spec 3.0 to 3.3, has keys Ignition would ignore, uses parts that can't
    /// be merged, or has something that Ignition would fail at on the node.
    pub fn read(file: &Path, system: kinds::Base, role: Option<Role>) -> Result<Self> {
        let about = || format!("reading the Ignition snippet {}", file.display());
        let size = fs_err::metadata(file).with_context(about)?.len();
        ensure!(size <= MAX_BYTES, "{}: {size} bytes is too large, {MAX_BYTES} are allowed", about());
        let text = fs_err::read(file).with_context(about)?;
        Self::parse(file, system, role, &text).with_context(about)
    }

    fn parse(file: &Path, system: kinds::Base, role: Option<Role>, text: &[u8]) -> Result<Self> {
        let (config, warnings) = Config::parse_slice(text)?;
        if let Some(warning) = warnings.first() {
            bail!("Ignition does not know a part of it: {warning}");
        }
        if !matches!(config, Config::V3_0(_) | Config::V3_1(_) | Config::V3_2(_) | Config::V3_3(_)) {
            bail!("its spec version is newer than 3.3.0, which is what every base takes");
        }
        let config: Value = serde_json::from_slice(text)?;
        for (section, content) in config.as_object().into_iter().flatten() {
            ensure!(content.is_object() || content.is_null(), "`{section}` is not an object");
            for key in content.as_object().into_iter().flatten().map(|(key, _)| key) {
                ensure!(
                    KEYS.contains(&(section, key)),
                    "`{section}.{key}` can't be merged; hab merges directories, files, links and units"
                );
            }
        }
        // It becomes a part of a config of 3.3, so the rules of 3.3 count.
        let config: v3_3::Config = serde_json::from_value(config).context("reading it as spec 3.3.0")?;
        let base = RootFs::new(system)?;
        let items = item::all(&config, &base)?;
        Ok(Self { role, file: file.to_owned(), base, items })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_merged_is_refused() {
        let snippet = |text: &str| Snippet::parse(Path::new("motd.ign"), kinds::Base::Debian, None, text.as_bytes());
        for bad in [
            "{",
            r#"{"ignition":{"version":"3.5.0"}}"#,
            r#"{"ignition":{"version":"2.3.0"}}"#,
            r#"{"ignition":{"version":"3.3.0","config":{"replace":{"source":"http://x/"}}}}"#,
            r#"{"ignition":{"version":"3.3.0"},"storage":{"fiels":[]}}"#,
            r#"{"ignition":{"version":"3.3.0"},"storage":{"luks":[]}}"#,
            r#"{"ignition":{"version":"3.3.0"},"storage":[]}"#,
            r#"{"ignition":{"version":"3.3.0"},"storage":[null,null,null,null,null,null,null]}"#,
        ] {
            assert!(snippet(bad).is_err(), "{bad}");
        }
        let all = r#"{"storage":{"directories":[],"files":[],"links":[]},"systemd":{"units":[]},"ignition":{"version":"3.0.0"}}"#;
        snippet(all).unwrap();
    }
}
