//! The user's own kubeconfig, with a lab's entries in it and without: text in, text out. Every line that is not the lab's
//! stays as it is, comments too.
//!
//! An entry of hab's carries the extension `hab` with the lab's name
//! (<https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/>, `extensions`), which kubectl keeps. So what another
//! program wrote under the same name is never replaced, and what hab wrote is found again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;
use serde_json::{Map, Value, json};

use crate::atomic_fs;

/// The lists of a kubeconfig, and what an entry of each has beside its name.
const LISTS: [(&str, &str); 3] = [("clusters", "cluster"), ("users", "user"), ("contexts", "context")];

const CURRENT: &str = "current-context";

/// A kubeconfig without anything in it.
const EMPTY: &str = "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\ncontexts: []\ncurrent-context: \"\"\n";

/// The extension's name.
const EXTENSION: &str = "hab";

/// The file that kubectl would write to, of those in `KUBECONFIG` but `own`, or in the home: the first that is there, else
/// the last (client-go `tools/clientcmd/config.go`, `GetDefaultFilename`). A link is followed.
///
/// # Errors
/// There is no home.
pub fn of_user(own: &Path) -> Result<PathBuf> {
    let own = own.canonicalize().ok();
    let named = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let named = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty());
    let named: Vec<PathBuf> = named.filter(|path| own.is_none() || path.canonicalize().ok() != own).collect();
    let found = if let Some(path) = named.iter().find(|path| path.exists()).or(named.last()) {
        std::path::absolute(path)?
    } else {
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
        PathBuf::from(home.context("neither KUBECONFIG nor HOME is set")?).join(".kube/config")
    };
    Ok(found.canonicalize().unwrap_or(found))
}

/// Writes the user's kubeconfig at `path` anew: what `change` makes of its text, which is empty when there is none.
///
/// # Errors
/// It can't be read, understood or written; then it is as it was.
pub fn rewrite(path: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let text = if path.exists() { fs::read_to_string(path)? } else { String::new() };
    let text = change(&text).with_context(|| format!("{} stays as it is", path.display()))?;
    if let Some(folder) = path.parent() {
        atomic_fs::create_dir(folder, 0o700)?;
    }
    atomic_fs::write(path, atomic_fs::SECRET, text.as_bytes())?;
    Ok(())
}

/// `text` with the entries of `lab`'s own kubeconfig. The current context is only set where there is none.
///
/// # Errors
/// An entry of such a name is not of hab's making, or `text` is nothing that can be extended line by line.
pub fn merged(text: &str, own: &str, lab: &str) -> Result<String> {
    let own = parse(own)?;
    let before = parse(text)?;
    let mut result = if text.trim().is_empty() { EMPTY.to_owned() } else { without_entries(text, lab)? };
    let others = parse(&result)?;
    for (list, part) in LISTS {
        let names: Vec<&Value> = entries(&others, list).iter().map(|entry| &entry["name"]).collect();
        let mut new = String::new();
        for entry in entries(&own, list) {
            ensure!(
                !names.contains(&&entry["name"]),
                "it has one of `{list}` named {} that is not hab's: `kubectl config` renames or deletes it",
                entry["name"]
            );
            new += &item(entry, part, lab);
        }
        result = insert(&result, list, &new)?;
    }
    if before[CURRENT].as_str().unwrap_or_default().is_empty() {
        result = set_current(&result, own[CURRENT].as_str().unwrap_or_default());
    }
    check(&before, &result, lab)?;
    Ok(result)
}

/// `text` without the entries of `lab`.
///
/// # Errors
/// As [`merged`].
pub fn without(text: &str, lab: &str) -> Result<String> {
    let before = parse(text)?;
    let mut result = without_entries(text, lab)?;
    let left = parse(&result)?;
    let current = &before[CURRENT];
    let known = |list: &Value| entries(list, "contexts").iter().any(|entry| entry["name"] == *current);
    if known(&before) && !known(&left) {
        result = set_current(&result, "");
    }
    check(&before, &result, lab)?;
    Ok(result)
}

/// Whether there is an entry of `lab` in `text`.
///
/// # Errors
/// It is no kubeconfig.
pub fn has(text: &str, lab: &str) -> Result<bool> {
    let parsed = parse(text)?;
    Ok(LISTS.iter().any(|(list, part)| entries(&parsed, list).iter().any(|entry| is_of(entry, part, lab))))
}

fn parse(text: &str) -> Result<Value> {
    let value: Value = serde_yaml::from_str(text).context("it is no kubeconfig")?;
    ensure!(value.is_object() || value.is_null(), "it is no kubeconfig");
    Ok(value)
}

fn entries<'v>(config: &'v Value, list: &str) -> &'v [Value] {
    config[list].as_array().map_or(&[][..], Vec::as_slice)
}

/// Whether hab wrote this entry for this lab.
fn is_of(entry: &Value, part: &str, lab: &str) -> bool {
    let extensions = entry[part]["extensions"].as_array().into_iter().flatten();
    extensions.into_iter().any(|it| it["name"] == EXTENSION && it["extension"]["lab"] == lab)
}

/// The entries of a list that are not the lab's.
fn theirs<'v>(config: &'v Value, list: &str, part: &str, lab: &str) -> Vec<&'v Value> {
    entries(config, list).iter().filter(|entry| !is_of(entry, part, lab)).collect()
}

/// All that is not the lab's is as it was.
fn check(before: &Value, result: &str, lab: &str) -> Result<()> {
    let after = parse(result)?;
    let parts: BTreeMap<&str, &str> = LISTS.into_iter().collect();
    let keys = before.as_object().into_iter().flat_map(Map::keys).filter(|key| *key != CURRENT);
    for key in keys {
        let same = match parts.get(key.as_str()) {
            Some(part) => theirs(before, key, part, lab) == theirs(&after, key, part, lab),
            None => before[key] == after[key],
        };
        ensure!(
            same,
            "its layout is none that can be changed line by line; `kubectl config view --raw` writes it anew"
        );
    }
    Ok(())
}

/// An entry as an item of a list, marked as the lab's. Every value is in quotes.
fn item(entry: &Value, part: &str, lab: &str) -> String {
    let mut inner = entry[part].as_object().cloned().unwrap_or_default();
    inner.insert("extensions".to_owned(), json!([{"name": EXTENSION, "extension": {"lab": lab}}]));
    let mut text = format!("- name: {}\n  {part}:\n", entry["name"]);
    for (key, value) in inner {
        // JSON is YAML, too; a text of JSON's is one of YAML's in double quotes.
        let _ = writeln!(text, "    {key}: {value}");
    }
    text
}

/// The lines of the list `list`, if `text` has it: that of its key, and the first behind it that is not its own.
fn region(lines: &[&str], list: &str) -> Option<Range<usize>> {
    let is_key = |line: &&str| line.strip_prefix(list).is_some_and(|rest| rest.starts_with(':'));
    let start = lines.iter().position(is_key)?;
    let own =
        |line: &&str| line.trim_end().is_empty() || line.starts_with([' ', '\t', '-', '#']) && !line.starts_with("---");
    let length = lines[start + 1..].iter().take_while(|line| own(line)).count();
    Some(start..start + 1 + length)
}

/// The items of a list.
#[derive(Debug, Default)]
struct Items {
    /// The lines of each.
    lines: Vec<Range<usize>>,
    /// How many blanks are before each.
    indent: usize,
}

/// The items of the list whose lines are these, that of its key first.
fn items(lines: &[&str], list: &Range<usize>) -> Items {
    let (from, to) = (list.start + 1, list.end);
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let is_item = |line: &str| line.trim_start_matches(' ').starts_with("- ") || line.trim() == "-";
    let Some(column) = lines[from..to].iter().find(|line| is_item(line)).map(|line| indent(line)) else {
        return Items::default();
    };
    let starts: Vec<usize> = (from..to).filter(|at| is_item(lines[*at]) && indent(lines[*at]) == column).collect();
    let end = |index: usize| {
        let next = starts.get(index + 1).copied().unwrap_or(to);
        let blank = |line: &&&str| line.trim().is_empty() || line.trim_start().starts_with('#');
        // A comment before the next item is that one's.
        next - lines[starts[index]..next].iter().rev().take_while(blank).count()
    };
    let found = starts.iter().enumerate().map(|(index, start)| *start..end(index)).collect();
    Items { lines: found, indent: column }
}

/// `text` without the items that are the lab's.
fn without_entries(text: &str, lab: &str) -> Result<String> {
    let parsed = parse(text)?;
    let mut text = text.to_owned();
    for (list, part) in LISTS {
        let all = entries(&parsed, list);
        if !all.iter().any(|entry| is_of(entry, part, lab)) {
            continue;
        }
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let Some(region) = region(&lines, list) else { bail!("`{list}` is not at the beginning of a line") };
        let items = items(&lines, &region).lines;
        ensure!(items.len() == all.len(), "`{list}` is not written with one entry below the other");
        let gone: Vec<&Range<usize>> =
            items.iter().zip(all).filter(|(_, entry)| is_of(entry, part, lab)).map(|(lines, _)| lines).collect();
        let stays = |at: usize| !gone.iter().any(|lines| lines.contains(&at));
        let none_left = gone.len() == all.len();
        let kept = lines.iter().enumerate().filter(|(at, _)| stays(*at));
        text = kept
            .map(
                |(at, line)| if none_left && at == region.start { format!("{list}: []\n") } else { (*line).to_owned() },
            )
            .collect();
    }
    Ok(text)
}

/// `text` with `new` items at the end of `list`.
fn insert(text: &str, list: &str, new: &str) -> Result<String> {
    let mut text = text.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(region) = region(&lines, list) else { return Ok(format!("{text}{list}:\n{new}")) };
    let Items { lines: items, indent } = items(&lines, &region);
    let Some(last) = items.last() else {
        let key = region.start;
        let said = lines[key][list.len() + 1..].split(" #").next().unwrap_or_default().trim();
        ensure!(["", "[]", "null", "~"].contains(&said), "`{list}` is not written with one entry below the other");
        let (before, after) = (lines[..key].concat(), lines[key + 1..].concat());
        return Ok(format!("{before}{list}:\n{new}{after}"));
    };
    let indent = " ".repeat(indent);
    let new = new.lines().fold(String::new(), |text, line| text + &indent + line + "\n");
    Ok(format!("{}{new}{}", lines[..last.end].concat(), lines[last.end..].concat()))
}

/// `text` with another current context.
fn set_current(text: &str, context: &str) -> String {
    let line = format!("{CURRENT}: {}\n", Value::from(context));
    let is_current = |line: &&str| line.strip_prefix(CURRENT).is_some_and(|rest| rest.starts_with(':'));
    if !text.lines().any(|line| is_current(&line)) {
        return format!("{text}{line}");
    }
    text.split_inclusive('\n').map(|old| if is_current(&old) { line.as_str() } else { old }).collect()
}

#[cfg(test)]
mod tests;
