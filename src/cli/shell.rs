//! `hab shell`: root's shell on a node, or one command.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::{Code, Global, NO_SESSION, print};
use crate::exec::signal;
use crate::session::{Input, Output, Port, Request};
use crate::terminal::{self, LEAVE, Standard, Terminal, harmless};

/// Open root's shell on a node, or run a command there, over its machine's own port: no SSH, no network, no cluster
///
/// Whoever may use libvirt on this host may do this; `shell: false` in hab.yaml leaves the port out. One at a time can be on
/// a node, `hab logs` too. Ctrl-] leaves whatever runs there, which then ends. hab ends as the command did, and with 255 when
/// it could not be run or its end not be heard.
#[derive(Debug, clap::Args)]
pub struct Shell {
    /// The node
    node: String,

    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,

    /// The command and its arguments, instead of a shell
    #[arg(last = true)]
    command: Vec<String>,
}

impl Shell {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let is_terminal = std::io::stdin().is_terminal();
        ensure!(is_terminal || !self.tty, "standard input is no terminal, so --tty has none to give");
        let on_terminal = self.tty || (self.command.is_empty() && is_terminal);
        let term = on_terminal.then(|| std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned()));
        let (rows, cols) = terminal::size().filter(|_| on_terminal).unzip();
        run(global, &self.node, &Request { argv: self.command.clone(), term, rows, cols })
    }
}

/// Runs a command on a node, and ends as that did.
pub(super) fn run(global: &Global, node: &str, request: &Request) -> Result<()> {
    let plan = super::plan(global)?;
    let node = &plan.node(node)?.name;
    let port = Port::of(&plan, node)?;
    // What steers the terminal is meant to if the command has one.
    let filter = request.term.is_none();
    let (filter_out, filter_err) =
        (filter && std::io::stdout().is_terminal(), filter && std::io::stderr().is_terminal());
    let mut show = |output| match output {
        Output::Out(bytes) if filter_out => print::out(harmless(&bytes)),
        Output::Out(bytes) => print::out(bytes),
        Output::Err(bytes) if filter_err => print::err(&harmless(&bytes)),
        Output::Err(bytes) => print::err(&bytes),
    };
    let outcome = {
        let mut input = Keys::new(request.term.is_some())?;
        port.run(request, &mut input, &mut show)
    };
    match outcome {
        Ok(0) => Ok(()),
        Ok(code) => Err(Code(code).into()),
        Err(error) if signal::caught().is_some() || error.downcast_ref::<print::Stdout>().is_some() => Err(error),
        Err(error) => {
            print::stderr(&format!("hab: {node}: {error:#}"));
            Err(Code(NO_SESSION).into())
        }
    }
}

/// Standard input: a terminal's keys, or what is in a file or a pipe.
enum Keys {
    Terminal(Terminal),
    Other(Standard),
}

impl Keys {
    /// With `raw`, a terminal's keys are the node's.
    fn new(raw: bool) -> Result<Self> {
        let terminal = if raw { Terminal::raw()? } else { None };
        Ok(terminal.map_or_else(|| Self::Other(Standard::new()), Self::Terminal))
    }
}

impl Input for Keys {
    fn next(&mut self, time: Duration, most: usize) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Other(input) => input.next(time, most),
            Self::Terminal(terminal) => {
                let keys = terminal.pressed(time, most)?;
                match &keys {
                    Some(keys) if keys.contains(&LEAVE) => bail!("left by Ctrl-]; what ran there ends"),
                    Some(keys) if keys.is_empty() => bail!("the terminal is gone; what ran there ends"),
                    _ => Ok(keys),
                }
            }
        }
    }
}
