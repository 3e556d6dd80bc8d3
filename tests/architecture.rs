//! The rules of the house, as tests. A rule that stands in the way is changed here, in the open.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic; clippy knows only test functions")]

use std::path::Path;
use std::process::Command;

/// The longest a source file may be, in lines; half of it is the aim.
const MAX_LINES: usize = 400;

/// The data folders; each is read by the room of its name and by no other.
const DATA: [&str; 4] = ["images", "ignition", "templates", "vagrant"];

/// The rooms that write files: `yard` to the lab's folder, `pki` whole folders of keys to its private part, the others to
/// folders below the cache or to temporary ones.
const WRITERS: [&str; 9] = ["atomic_fs", "pki", "cache", "disk", "debian", "base", "artifacts", "payload", "exec"];

/// A tracked file.
struct File {
    path: String,
    text: String,
}

impl File {
    /// The room it belongs to; `None` for `main.rs` and `lib.rs`, and for what is not in `src`.
    fn room(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        let room = inside.split(['/', '.']).next()?;
        (Path::new(inside).extension()? == "rs" && room != "main" && room != "lib").then_some(room)
    }

    /// Its lines without tests and comments, with their numbers.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        let all_tests = self.path.ends_with("/tests.rs");
        let lines = self.text[..tests].lines().enumerate().filter(move |_| !all_tests);
        lines.map(|(number, line)| (number + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn find(&self, number: usize, what: &str) -> String {
        format!("{}:{number}: {what}", self.path)
    }
}

/// Everything git tracks that is text.
fn files() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(list).current_dir(root).output().unwrap();
    assert!(output.status.success(), "git ls-files: {}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).expect("every name in the repository is UTF-8");
    let named = names.split('\0').filter(|name| !name.is_empty());
    let read = named.filter_map(|name| Some((name, std::fs::read(root.join(name)).ok()?)));
    let texts =
        read.filter_map(|(name, bytes)| Some(File { path: name.to_owned(), text: String::from_utf8(bytes).ok()? }));
    let files: Vec<File> = texts.collect();
    assert!(files.iter().any(|file| file.path == "src/lib.rs"));
    files
}

fn source() -> Vec<File> {
    files().into_iter().filter(|file| file.room().is_some()).collect()
}

/// The rooms in the order in which `src/lib.rs` names them.
fn rooms() -> Vec<String> {
    let lib = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let names = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    names.map(str::to_owned).collect()
}

#[track_caller]
fn none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}\n{}", found.join("\n"));
}

#[test]
fn a_room_uses_only_rooms_above_it() {
    let rooms = rooms();
    let place = |name: &str| rooms.iter().position(|room| room == name);
    let mut found = Vec::new();
    for file in source() {
        let own = file.room().unwrap_or_default().to_owned();
        assert!(place(&own).is_some(), "the room {own} is not in src/lib.rs");
        for (number, line) in file.code() {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if place(&used).is_none_or(|used| Some(used) > place(&own)) {
                    found.push(file.find(number, &format!("{own} uses {used}")));
                }
            }
        }
    }
    none("A room may use only what stands above it in src/lib.rs:", &found);
}

#[test]
fn files_are_small() {
    let long =
        source().into_iter().map(|file| (file.text.lines().count(), file)).filter(|(lines, _)| *lines > MAX_LINES);
    let found: Vec<String> = long.map(|(lines, file)| format!("{}: {lines} lines", file.path)).collect();
    none(&format!("A source file has at most {MAX_LINES} lines; split these:"), &found);
}

/// Finds code lines with one of `words` in files that `rule` is for.
fn forbid(words: &[&str], rule: impl Fn(&File) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in source().into_iter().filter(rule) {
        for (number, line) in file.code() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                found.push(file.find(number, word));
            }
        }
    }
    found
}

#[test]
fn nothing_panics_on_purpose() {
    // Clippy forbids `unwrap`, `expect`, `panic!` and `todo!`; this forbids to switch that off.
    let words =
        ["clippy::unwrap_used", "clippy::expect_used", "clippy::panic", "unreachable!(", "todo!(", "unimplemented!("];
    none("Outside of tests an error is returned:", &forbid(&words, |_| true));
}

#[test]
fn only_some_rooms_write() {
    let words = [
        "fs::write",
        "fs::File::create",
        "File::create",
        "OpenOptions",
        "fs::create_dir",
        "fs::rename",
        "fs::remove_",
        "fs::copy",
        "set_permissions",
        "symlink(",
        "DirBuilder",
    ];
    let found = forbid(&words, |file| file.room().is_some_and(|room| !WRITERS.contains(&room)));
    none("Files are written by the yard, atomically and with their mode; these do it themselves:", &found);
}

#[test]
fn other_programs_are_run_by_their_own_file_in_the_tool_room() {
    let found = forbid(&["Command::new", "process::Command"], |file| file.room() != Some("tool"));
    none("Programs are run through src/tool:", &found);
    let found =
        forbid(&["command.spawn()", "command.output()", "command.status()"], |file| file.path != "src/tool/child.rs");
    none("A child is started where signals find it, in src/tool/child.rs:", &found);
    let found = forbid(&["\"sh\"", "\"bash\"", "\"-c\""], |_| true);
    let found: Vec<String> = found.into_iter().filter(|place| place.contains("sh\"")).collect();
    none("No argument meets a shell:", &found);
}

#[test]
fn standard_output_and_error_are_written_in_one_place() {
    let words = ["println!", "print!(", "dbg!"];
    none("Write through src/cli/print.rs, which knows full disks and closed pipes:", &forbid(&words, |_| true));
}

#[test]
fn every_data_folder_has_one_reader() {
    for folder in DATA {
        let mut found = Vec::new();
        for file in source().iter().filter(|file| file.room() != Some(folder)) {
            for (number, line) in file.code().filter(|(_, line)| line.contains("include")) {
                if line.contains(&format!("MANIFEST_DIR/{folder}")) || line.contains(&format!("../{folder}/")) {
                    found.push(file.find(number, line.trim()));
                }
            }
        }
        none(&format!("{folder}/ is read by src/{folder} alone:"), &found);
    }
}

#[test]
fn nothing_names_this_machine_or_a_registry() {
    // Written in pieces, so that this file is not found itself.
    let words = [
        concat!("crates", ".io"),
        concat!("proxy.golang", ".org"),
        concat!("sum.golang", ".org"),
        concat!("deb.debian", ".org"),
        concat!("pypi", ".org"),
        concat!("registry.npmjs", ".org"),
        concat!("/work", "/"),
        concat!("/root", "/"),
        concat!("/home", "/"),
    ];
    let mut found = Vec::new();
    // cargo itself writes the registry's name into its lock.
    for file in files().iter().filter(|file| file.path != "Cargo.lock") {
        for (number, line) in file.text.lines().enumerate() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                found.push(file.find(number + 1, word));
            }
        }
    }
    none("Where things come from is the machine's own setting, and paths are relative:", &found);
}

#[test]
fn every_room_says_what_it_is_for() {
    let silent =
        source().into_iter().filter(|file| !file.text.starts_with("//! ") && !file.path.ends_with("/tests.rs"));
    let found: Vec<String> = silent.map(|file| file.path).collect();
    none("A file begins with a line that says what it is for:", &found);
}
