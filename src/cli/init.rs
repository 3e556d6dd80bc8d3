//! `hab init`: a new lab.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fs_err as fs;

use super::{Global, print};
use crate::atomic_fs;
use crate::config::{FILE, Label, template};
use crate::lab;
use crate::labs::Labs;

/// What a lab keeps out of git: keys, what can be built again, and Vagrant's own notes.
const GITIGNORE: &str = "private/\nout/\n.vagrant/\n";

/// Make a folder for a new lab, with a commented hab.yaml that shows every default
///
/// The network of its machines is one that neither this host nor another lab of yours has; nor has another lab its name.
#[derive(Debug, clap::Args)]
pub struct Init {
    /// The folder; made when it is not there
    #[arg(default_value = ".", hide_default_value = true)]
    dir: PathBuf,

    /// The lab's name [default: the folder's name, with a number if another lab has it]
    #[arg(long, value_parser = label)]
    name: Option<Label>,
}

/// A label from the command line, with its own words for what is wrong.
fn label(text: &str) -> Result<Label, String> {
    Label::new(text).map_err(|why| format!("the name {why}"))
}

impl Init {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let folder = lab::tidy(&global.lab.join(&self.dir));
        let config = folder.join(FILE);
        if fs::symlink_metadata(&config).is_ok() {
            bail!("{} is there already; hab init never overwrites one", lab::shown(&config));
        }
        // Two runs at once do not choose the same.
        let labs = Labs::of_user();
        let _held = labs.as_ref().map(Labs::hold);
        let taken = labs.as_ref().and_then(|labs| labs.taken(&folder).ok()).unwrap_or_default().and_the_hosts();
        let name = match &self.name {
            Some(name) => name.clone(),
            None => taken.free_name(name_of(&folder)?),
        };
        let network = taken.free_network();
        let text = template::render(&name, network);
        let files = [(".gitignore", GITIGNORE.as_bytes()), (FILE, text.as_bytes())];
        atomic_fs::create_all_or_nothing(&folder, &files)?;
        super::note_lab(&folder);
        if network.is_none() {
            print::stderr("hab: no network is free for its machines: look at `network.nodes` in hab.yaml");
        }
        if !global.quiet {
            let text = format!("wrote {}: look through it, then run `hab build` beside it\n", lab::shown(&config));
            print::out(text)?;
        }
        Ok(())
    }
}

/// The folder's own name, made into a label. It need not be there yet.
fn name_of(folder: &Path) -> Result<Label> {
    // `lab/..` and links are followed where they lead, if they lead anywhere.
    let path = match folder.canonicalize() {
        Ok(path) => path,
        Err(_) => lab::absolute(folder)?,
    };
    Ok(Label::from_any(&path.file_name().unwrap_or_default().to_string_lossy()))
}
