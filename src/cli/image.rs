//! `hab image`: the container images of a running lab.

use anyhow::{Context as _, Result, bail};

use super::{Global, plan, print, progress};
use crate::cache::Cache;
use crate::container_images::Fetcher;
use crate::lab;
use crate::lock::{FILE, Lock};
use crate::registry::{Changed, Listed, Registry, named, packages, parse};

/// Bring container images into a running lab, list them, take them away
///
/// They go to the lab's own registry (`registry.inLab` in hab.yaml), which every node asks.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Image {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Load(Load),
    Ls(Ls),
    Rm(Rm),
}

/// Bring images: every node can run them at once, also one that joins later
#[derive(Debug, clap::Args)]
struct Load {
    /// Names such as nginx:1.29, archives of `docker save` or `podman save`, or folders with an OCI layout
    #[arg(required = true, value_name = "REF|ARCHIVE")]
    images: Vec<String>,

    /// What the image in a file is called, if the file says none or another
    #[arg(long)]
    name: Option<String>,

    /// Print what was brought as JSON
    #[arg(long)]
    json: bool,
}

/// List the images that nodes can run
#[derive(Debug, clap::Args)]
struct Ls {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

/// Take names away; the layers of an image that has none left go some minutes later
#[derive(Debug, clap::Args)]
struct Rm {
    /// Names, as `hab image ls` has them
    #[arg(required = true, value_name = "REF")]
    images: Vec<String>,

    /// Print what was taken away as JSON
    #[arg(long)]
    json: bool,
}

impl Image {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        match &self.verb {
            Verb::Load(verb) => verb.run(global),
            Verb::Ls(verb) => verb.run(global),
            Verb::Rm(verb) => verb.run(global),
        }
    }
}

impl Load {
    fn run(&self, global: &Global) -> Result<()> {
        if self.name.is_some() && self.images.len() > 1 {
            bail!("--name is for one image, and {} are named", self.images.len());
        }
        // What is wrong with a later one is said before an earlier one is brought.
        let wanted = self.images.iter().map(|said| named(said, self.name.as_deref())).collect::<Result<Vec<_>>>()?;
        let plan = plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let registry = Registry::new(&plan, &pki.client())?;
        let progress = progress::printer(global);
        let cache = Cache::from_env()?;
        cache.hold()?;
        // Only read: what hab.yaml has new is the next build's, and nothing of it is needed here.
        let lock = Lock::read(&global.lab)?.with_context(|| format!("there is no {FILE} yet: `hab build` makes it"))?;
        let mut loaded = Vec::new();
        for (said, wanted) in self.images.iter().zip(&wanted) {
            let fetcher = Fetcher::new(&cache, &wanted.folder, &plan.registries, packages(&lock)?);
            let step = progress.step(&format!("load {said}"), None);
            let changed = registry.load(&fetcher, &wanted.source, &step)?;
            step.done(&changed.names.join(", "));
            loaded.push(changed);
        }
        drop(progress);
        say(global, self.json, &loaded, "every node can run")
    }
}

impl Ls {
    fn run(&self, global: &Global) -> Result<()> {
        let plan = plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let list = Registry::new(&plan, &pki.client())?.list(Lock::read(&global.lab)?.as_ref())?;
        if self.json {
            return print::json(&list);
        }
        if list.is_empty() {
            return print::out("no images yet: `hab image load` brings some\n");
        }
        let head = ["IMAGE", "DIGEST", "DISK", "REGISTRY"].map(str::to_owned);
        print::out(print::table(&std::iter::once(head).chain(list.iter().map(row)).collect::<Vec<_>>()))
    }
}

impl Rm {
    fn run(&self, global: &Global) -> Result<()> {
        let names = self.images.iter().map(|said| parse(said, said)).collect::<Result<Vec<_>>>()?;
        let plan = plan(global)?;
        let pki = lab::pki(&global.lab, &plan)?;
        let registry = Registry::new(&plan, &pki.client())?;
        let progress = progress::printer(global);
        let mut removed = Vec::new();
        for name in &names {
            let step = progress.step(&format!("remove {name}"), None);
            removed.push(registry.remove(name, &step)?);
            step.done("gone");
        }
        drop(progress);
        say(global, self.json, &removed, "gone from the registry:")
    }
}

/// A line of the list.
fn row(image: &Listed) -> [String; 4] {
    let mark = |there: bool| if there { "yes" } else { "-" }.to_owned();
    let masters = if image.masters.is_empty() { mark(false) } else { image.masters.join(", ") };
    [image.name.clone(), image.digest.clone(), mark(image.disk), masters]
}

/// Says what came of it.
fn say(global: &Global, json: bool, all: &[Changed], what: &str) -> Result<()> {
    let (late, done): (Vec<_>, Vec<_>) = all.iter().partition(|changed| !changed.behind.is_empty());
    if json {
        print::json(&all)?;
    } else if !global.quiet {
        for changed in all.iter().filter(|changed| !changed.away.is_empty()) {
            print::stderr(&format!(
                "hab: {} does not know yet of {}: it asks the other masters when it is there",
                changed.away.join(", "),
                changed.names.join(", ")
            ));
        }
        let lines: Vec<String> =
            done.iter().flat_map(|changed| &changed.names).map(|name| format!("{what} {name}\n")).collect();
        print::out(lines.concat())?;
    }
    let late: Vec<String> = late.iter().map(|changed| behind(changed)).collect();
    if late.is_empty() { Ok(()) } else { bail!("{}", late.join("\n")) }
}

/// What it means that a master is behind.
fn behind(changed: &Changed) -> String {
    let (masters, names) = (changed.behind.join(", "), changed.names.join(", "));
    let first = changed.behind.first().map_or("", String::as_str);
    format!(
        "{masters} answers and does not know of {names}, so nodes that ask there go on as before: \
         `hab logs {first} hab-registry` says why"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_that_answers_and_has_it_not_is_an_error() {
        let global = Global { lab: ".".into(), quiet: true };
        let changed = |away: &[&str], behind: &[&str]| Changed {
            names: vec!["docker.io/library/app:1".to_owned()],
            digest: None,
            masters: vec!["kube-master-01".to_owned()],
            away: away.iter().map(|&name| name.to_owned()).collect(),
            behind: behind.iter().map(|&name| name.to_owned()).collect(),
        };
        say(&global, false, &[changed(&["kube-master-02"], &[])], "").unwrap();
        let why = say(&global, false, &[changed(&[], &["kube-master-02"])], "").unwrap_err().to_string();
        assert!(why.starts_with("kube-master-02 answers and does not know of docker.io/library/app:1"), "{why}");
        assert!(why.ends_with("`hab logs kube-master-02 hab-registry` says why"), "{why}");
    }
}
