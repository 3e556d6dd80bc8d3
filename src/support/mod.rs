//! One archive with all that somebody needs who is to help, and no secret.
//!
//! Whatever can't be had is no error: the archive then says why, for that may be the trouble.

mod hide;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use serde::Serialize;

use crate::atomic_fs;
use crate::cluster::Cluster;
use crate::config::{FILE, OUT, PRIVATE};
use crate::exec::{kubectl::Kubectl, vagrant};
use crate::lab::{self, machines};
use crate::parallel::side_by_side;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::provider::facts;
use crate::role::Role;
use crate::session::{Input, Output, Port, Request};
use hide::Secrets;

/// What of a node is asked of itself: the file, and the command.
const ASKED: [(&str, &[&str]); 7] = [
    ("journal.txt", &["journalctl", "--no-pager", "--output=short-iso-precise", "--boot=0", "--lines=20000"]),
    ("journal-before.txt", &["journalctl", "--no-pager", "--output=short-iso-precise", "--boot=-1", "--lines=5000"]),
    ("units.txt", &["systemctl", "--no-pager", "--all", "list-units"]),
    ("kernel.txt", &["dmesg"]),
    ("addresses.txt", &["ip", "address"]),
    ("routes.txt", &["ip", "route"]),
    ("state.txt", &["cat", "/proc/version", "/etc/os-release", "/proc/meminfo", "/proc/mounts"]),
];

/// The most of one file that is kept, in bytes: its end, where the trouble is.
const MOST: usize = 8 << 20;

/// What an archive has in it: texts by their paths.
#[derive(Debug, Default)]
struct Archive {
    files: BTreeMap<String, String>,
    secrets: Secrets,
}

/// Writes the archive at `path`, for its owner alone, and returns how many files are in it.
///
/// # Errors
/// The lab's private folder can't be read, so that nobody knows what to hide, or `path` can't be written.
pub fn write(folder: &Path, plan: &Plan, path: &Path, progress: &dyn Progress) -> Result<usize> {
    let mut archive = Archive { secrets: Secrets::of(&folder.join(PRIVATE))?, ..Archive::default() };
    archive.take_files(folder);
    let step = progress.step("versions", None);
    archive.put("versions.txt", &versions(plan));
    step.done("known");
    let step = progress.step("status", None);
    archive.put("plan.json", &json(plan));
    let machines = machines::all(folder, plan);
    archive.put("machines.json", &machines.map_or_else(|error| missing(&error), |machines| json(&machines)));
    archive.put("status.json", &status(folder, plan).unwrap_or_else(|error| missing(&error)));
    archive.put("cluster.txt", &cluster(folder, plan).unwrap_or_else(|error| missing(&error)));
    step.done("known");
    let step = progress.step(&format!("{} nodes", plan.nodes.len()), None);
    for (name, text) in nodes(plan) {
        archive.put(&name, &text);
    }
    step.done("asked");
    let count = archive.files.len();
    atomic_fs::write_from(path, atomic_fs::SECRET, |file| archive.pack(file, plan.lab.as_str()))?;
    Ok(count)
}

impl Archive {
    /// Adds a text, without secrets, and without its beginning if it is too long.
    fn put(&mut self, name: &str, text: &str) {
        let mut text = self.secrets.hide(text);
        if text.len() > MOST {
            let from = (text.len() - MOST..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.replace_range(..from, "[the beginning is left out]\n");
        }
        self.files.insert(name.to_owned(), text);
    }

    /// Adds the lab's own files. Not the user's Ignition snippets, which may have anything in them.
    fn take_files(&mut self, folder: &Path) {
        for name in [FILE, "hab.lock", "out/nodes.json", "out/catalog.json"] {
            self.take(folder, name);
        }
        for below in ["out/report", "out/console"] {
            let Ok(entries) = fs::read_dir(folder.join(below)) else { continue };
            for entry in entries.flatten() {
                if let Some(file) = entry.file_name().to_str() {
                    self.take(folder, &format!("{below}/{file}"));
                }
            }
        }
    }

    fn take(&mut self, folder: &Path, name: &str) {
        let path = folder.join(name);
        if path.is_file() {
            let text = fs::read(&path).map_or_else(|error| missing(&error.into()), lossy);
            self.put(name, &text);
        }
    }

    /// Packs all of it, below a folder of the lab's name.
    fn pack(&self, file: &mut std::fs::File, lab: &str) -> Result<()> {
        let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        for (name, text) in &self.files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(atomic_fs::SECRET);
            let path = format!("hab-support-{lab}/{name}");
            archive.append_data(&mut header, &path, text.as_bytes()).with_context(|| format!("packing {name}"))?;
        }
        archive.into_inner().and_then(GzEncoder::finish).and_then(std::io::Write::flush).context("packing the archive")
    }
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// What stands in the place of what could not be had.
fn missing(error: &anyhow::Error) -> String {
    format!("not to be had: {error:#}\n")
}

fn json(data: &impl Serialize) -> String {
    serde_json::to_string_pretty(data).unwrap_or_else(|error| missing(&error.into()))
}

/// hab, its host, and what runs the machines.
fn versions(plan: &Plan) -> String {
    let file = |path: &str| fs::read_to_string(path).unwrap_or_else(|error| missing(&error.into()));
    let said = |outcome: Result<String>| outcome.unwrap_or_else(|error| missing(&error));
    let hypervisor = said((facts(plan.provider).hypervisor)());
    format!(
        "hab {}\nKubernetes {}\nhypervisor: {hypervisor}\nVagrant: {}\nkernel: {}\n{}",
        env!("CARGO_PKG_VERSION"),
        plan.kubernetes.version,
        said(vagrant::version()),
        file("/proc/version"),
        file("/etc/os-release"),
    )
}

fn status(folder: &Path, plan: &Plan) -> Result<String> {
    let pki = lab::pki(folder, plan)?;
    Ok(json(&Cluster::new(plan, &pki.client(), folder)?.probe()))
}

/// What Kubernetes says of nodes, pods and what happened: no object's content.
fn cluster(folder: &Path, plan: &Plan) -> Result<String> {
    let master = plan.of(Role::Master).next().context("the lab has no master")?;
    let kubectl = Kubectl::of(&lab::absolute(&folder.join(OUT))?, plan.api_server(master))?;
    let parts = ["nodes", "pods", "events"].map(|kind| {
        let text = kubectl.list(kind).unwrap_or_else(|error| missing(&error));
        format!("== {kind}\n{text}")
    });
    Ok(parts.concat())
}

/// What each node says of itself, by its file's name.
fn nodes(plan: &Plan) -> Vec<(String, String)> {
    let of_node = |node: &crate::plan::Node| -> Vec<(String, String)> {
        let mut files = Vec::new();
        for (file, argv) in ASKED {
            let (text, answered) = match ask(plan, &node.name, argv) {
                Ok(text) => (text, true),
                Err(error) => (missing(&error), false),
            };
            files.push((format!("nodes/{}/{file}", node.name), text));
            // Who does not answer once is not waited for again.
            if !answered {
                break;
            }
        }
        files
    };
    side_by_side(&plan.nodes, of_node).into_iter().flatten().collect()
}

/// The output of a command on a node.
fn ask(plan: &Plan, node: &str, argv: &[&str]) -> Result<String> {
    let request = Request { argv: argv.iter().map(|&word| word.to_owned()).collect(), ..Request::default() };
    let mut text = Vec::new();
    Port::of(plan, node)?.run(&request, &mut Nothing, &mut |output| {
        let (Output::Out(bytes) | Output::Err(bytes)) = output;
        text.extend(bytes);
        Ok(())
    })?;
    Ok(lossy(text))
}

/// No input at all.
struct Nothing;

impl Input for Nothing {
    fn next(&mut self, _: Duration, _: usize) -> Result<Option<Vec<u8>>> {
        Ok(Some(Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_end() {
        let mut archive = Archive::default();
        archive.put("a", &("ä".repeat(MOST) + "end"));
        let kept = &archive.files["a"];
        assert!(
            kept.starts_with("[the beginning is left out]\n") && kept.ends_with("ääend") && kept.len() <= MOST + 40
        );
    }
}
