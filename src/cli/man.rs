//! `hab man`: the manual, made from the command line's own help.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::{Global, command, print};
use crate::atomic_fs;

/// Print hab's manual page, or write those of all verbs into a folder
#[derive(Debug, clap::Args)]
pub struct Man {
    /// The folder, such as ~/.local/share/man/man1; made when it is not there
    dir: Option<PathBuf>,
}

impl Man {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let mut hab = command();
        hab.build();
        let Some(dir) = &self.dir else {
            return print::out(page(hab)?);
        };
        atomic_fs::create_dir_if_missing(dir)?;
        let pages: Vec<clap::Command> = std::iter::once(&hab).chain(hab.get_subcommands()).cloned().collect();
        let count = pages.len();
        for page_of in pages {
            // Once built, a verb knows the name it goes by from outside: `hab-init`.
            let name = page_of.get_display_name().unwrap_or("hab").to_owned();
            atomic_fs::write(&dir.join(format!("{name}.1")), atomic_fs::PUBLIC, &page(page_of)?)?;
        }
        if global.quiet { Ok(()) } else { print::out(format!("wrote {count} pages into {}\n", dir.display())) }
    }
}

fn page(command: clap::Command) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text).context("writing a manual page")?;
    Ok(text)
}
