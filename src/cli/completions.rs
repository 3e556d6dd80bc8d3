//! `hab completions`: what the shell needs to complete hab's command line.

use anyhow::Result;
use clap_complete::Shell;

use super::{command, print};

/// Print completions for a shell, such as `hab completions bash > ~/.local/share/bash-completion/completions/hab`
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the verb.
    pub fn run(&self) -> Result<()> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut command(), "hab", &mut text);
        print::out(text)
    }
}
