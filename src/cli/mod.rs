//! The command line: one verb, one file; a verb only parses, calls and prints.

mod backup;
mod backups;
mod build;
mod check;
mod clean;
mod completions;
mod console;
mod fetch;
mod hosts;
mod image;
mod init;
mod kubeconfig;
mod leave;
mod lock;
mod logs;
mod ls;
mod man;
mod plan;
mod print;
mod progress;
mod render;
mod reset;
mod restore;
mod roll;
mod save;
mod saves;
mod shell;
mod status;
mod support;
mod wait;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::exec::signal;
use crate::lab::{self, Opened};
use crate::labs::Labs;
use crate::problems::Problems;

/// The widest that help is wrapped to.
const HELP_WIDTH: usize = 100;

/// The exit codes, for the end of every long help.
const EXIT_CODES: &str = "\
Exit codes:
  0    fine
  1    the work failed
  2    the command line or hab.yaml is wrong
  129  ended by SIGHUP
  130  ended by SIGINT (Ctrl-C)
  143  ended by SIGTERM
  255  hab shell, hab logs: not run on the node, or its end not heard";

/// Builds golden Vagrant boxes and per-node Ignition configs for a Kubernetes lab.
///
/// A lab is a folder with a hab.yaml in it. `hab init lab` makes one; what hab makes goes to out/ and private/ beside
/// hab.yaml, and to the cache (`$XDG_CACHE_HOME/hab`, else `~/.cache/hab`).
#[derive(Debug, Parser)]
#[command(name = "hab", version, max_term_width = HELP_WIDTH, after_long_help = EXIT_CODES)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
struct Args {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes.
#[derive(Debug, clap::Args)]
pub struct Global {
    /// The lab's folder
    #[arg(
        short = 'C',
        long,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true,
        global = true,
        allow_hyphen_values = true
    )]
    lab: PathBuf,

    /// Say nothing but errors and what was asked for
    #[arg(short, long, global = true)]
    quiet: bool,
}

/// The verbs, in the order a newcomer meets them.
#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    Ls(ls::Ls),
    Check(check::Check),
    Plan(plan::Plan),
    Lock(lock::Lock),
    Fetch(fetch::Fetch),
    Render(render::Render),
    Build(build::Build),
    Wait(wait::Wait),
    Status(status::Status),
    Console(console::Console),
    Logs(logs::Logs),
    Shell(shell::Shell),
    Kubeconfig(kubeconfig::Kubeconfig),
    Hosts(hosts::Hosts),
    Image(image::Image),
    Roll(roll::Roll),
    Leave(leave::Leave),
    Save(save::Save),
    Saves(saves::Saves),
    Reset(reset::Reset),
    Backup(backup::Backup),
    Backups(backups::Backups),
    Restore(restore::Restore),
    Support(support::Support),
    Clean(clean::Clean),
    Completions(completions::Completions),
    Man(man::Man),
}

impl Verb {
    fn run(&self, global: &Global) -> Result<()> {
        match self {
            Self::Init(verb) => verb.run(global),
            Self::Ls(verb) => verb.run(global),
            Self::Check(verb) => verb.run(global),
            Self::Plan(verb) => verb.run(global),
            Self::Lock(verb) => verb.run(global),
            Self::Fetch(verb) => verb.run(global),
            Self::Render(verb) => verb.run(global),
            Self::Build(verb) => verb.run(global),
            Self::Wait(verb) => verb.run(global),
            Self::Status(verb) => verb.run(global),
            Self::Console(verb) => verb.run(global),
            Self::Logs(verb) => verb.run(global),
            Self::Shell(verb) => verb.run(global),
            Self::Kubeconfig(verb) => verb.run(global),
            Self::Hosts(verb) => verb.run(global),
            Self::Image(verb) => verb.run(global),
            Self::Roll(verb) => verb.run(global),
            Self::Leave(verb) => verb.run(global),
            Self::Save(verb) => verb.run(global),
            Self::Saves(verb) => verb.run(global),
            Self::Reset(verb) => verb.run(global),
            Self::Backup(verb) => verb.run(global),
            Self::Backups(verb) => verb.run(global),
            Self::Restore(verb) => verb.run(global),
            Self::Support(verb) => verb.run(global),
            Self::Clean(verb) => verb.run(global),
            Self::Completions(verb) => verb.run(),
            Self::Man(verb) => verb.run(global),
        }
    }
}

/// Runs one command line.
#[must_use]
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            // clap's own codes: 0 for --help and --version, 2 for a wrong command line.
            let failed = error.print().is_err_and(|error| error.kind() != ErrorKind::BrokenPipe);
            let code = if failed { 1 } else { error.exit_code() };
            return ExitCode::from(u8::try_from(code).unwrap_or(1));
        }
    };
    let outcome = signal::watch().map_err(anyhow::Error::from).and_then(|()| args.verb.run(&args.global));
    if let Some(signal) = signal::caught() {
        print::stderr(&format!("hab: {}", signal::Interrupted(signal)));
        signal::die(signal);
    }
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Reads the lab and decides everything; warnings are said at once.
fn plan(global: &Global) -> Result<crate::plan::Plan> {
    let Opened { plan, warnings } = lab::open(&global.lab)?;
    if !global.quiet && !warnings.is_empty() {
        print::stderr(warnings.to_string().trim_end());
    }
    Ok(plan)
}

/// Notes that the user has a lab in `folder`. A home that can't be written to is no reason to build nothing.
fn note_lab(folder: &Path) {
    if let Some(Err(error)) = Labs::of_user().map(|labs| labs.note(folder)) {
        print::stderr(&format!("hab: `hab ls` will not show this lab: {error:#}"));
    }
}

/// What a command on a node ended with, which is how hab ends, too; it has said itself what there is to say.
#[derive(Debug)]
struct Code(u8);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "it ended with {}", self.0)
    }
}

impl std::error::Error for Code {}

/// No command could be run on a node, or its end not be heard; ssh says so by this code, too.
const NO_SESSION: u8 = 255;

/// Says what went wrong and finds its code.
fn fail(error: &anyhow::Error) -> ExitCode {
    if let Some(Code(code)) = error.downcast_ref::<Code>() {
        return ExitCode::from(*code);
    }
    if let Some(problems) = error.downcast_ref::<Problems>() {
        print::stderr(problems.to_string().trim_end());
        return ExitCode::from(2);
    }
    let io = error.chain().find_map(|cause| cause.downcast_ref::<print::Stdout>());
    if io.is_some_and(|print::Stdout(error)| error.kind() == ErrorKind::BrokenPipe) {
        // The reader has seen enough (`hab plan | head`): nothing is wrong.
        return ExitCode::SUCCESS;
    }
    print::stderr(&format!("hab: {error:#}"));
    ExitCode::FAILURE
}

/// The whole command line, for completions and manual pages.
fn command() -> clap::Command {
    Args::command()
}
