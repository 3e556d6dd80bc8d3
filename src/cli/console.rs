//! `hab console`: what a machine says and has said on its serial port.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::Result;

use super::{Global, print};
use crate::exec::signal;
use crate::lab::recording::Recording;
use crate::terminal::{LEAVE, Terminal, harmless};

/// How often it is looked whether there is more.
const LOOK: Duration = Duration::from_millis(200);

/// More than are pressed at once.
const KEYS: usize = 64;

/// Show what a node's machine has said on its serial port, and go on as it speaks; Ctrl-] leaves
///
/// It begins with the recording of the machine's boots (`out/console/NODE.log`). It needs nothing of the node but that it
/// speaks: a boot that fails is there, too. Nobody can log in there; `hab status` says what a node last said.
#[derive(Debug, clap::Args)]
pub struct Console {
    /// The node
    node: String,

    /// Only what it has said until now
    #[arg(long)]
    past: bool,
}

impl Console {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let node = plan.node(&self.node)?;
        let mut recording = Recording::open(&global.lab, &node.name, node.hardware.console)?;
        let show = |bytes: Vec<u8>| {
            if std::io::stdout().is_terminal() { print::out(harmless(&bytes)) } else { print::out(bytes) }
        };
        let terminal = if self.past { None } else { Terminal::keys()? };
        loop {
            let bytes = recording.read_on()?;
            let more = !bytes.is_empty();
            if more {
                show(bytes)?;
            } else if self.past {
                return Ok(());
            }
            signal::check()?;
            let time = if more { Duration::ZERO } else { LOOK };
            match &terminal {
                Some(terminal) => match terminal.pressed(time, KEYS)? {
                    Some(keys) if keys.is_empty() || keys.contains(&LEAVE) => return Ok(()),
                    _ => {}
                },
                None => signal::pause(time)?,
            }
        }
    }
}
