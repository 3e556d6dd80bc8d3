//! hab from outside: `Test::new().file(..).run([..]).code(2).complains(..)` reads as a sentence.

#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A folder to work in and the surroundings of the next command.
pub struct Test {
    dir: TempDir,
    /// A home of its own: no test knows of the user's labs or kubeconfig.
    home: TempDir,
    wrapper: Vec<String>,
    stdout: Option<Stdio>,
}

/// A command that has ended, and its folder.
pub struct Ran {
    test: Test,
    line: String,
    output: Output,
}

impl Test {
    /// An empty folder.
    pub fn new() -> Self {
        let (dir, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Self { dir, home, wrapper: Vec::new(), stdout: None }
    }

    /// A folder with a good, small lab in it.
    pub fn lab() -> Self {
        Self::new().file("hab.yaml", "lab: demo\n")
    }

    /// Puts a file into the folder.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Puts a symbolic link into the folder.
    pub fn link(self, path: &str, target: &str) -> Self {
        let path = self.dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// Runs the next command through a shell that first does `script`, such as `umask 000`; that must succeed.
    pub fn after(self, script: &str) -> Self {
        let script = format!("set -e; {script}; exec \"$@\"");
        self.through(["sh", "-c", &script, "sh"].map(str::to_owned).to_vec())
    }

    /// Runs the next command through another, to which it is handed as arguments.
    pub fn through(mut self, wrapper: Vec<String>) -> Self {
        self.wrapper = wrapper;
        self
    }

    /// Sends the next command's standard output elsewhere.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The user's home.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Runs hab in the folder, with the cache beside the lab's files in `.cache`.
    pub fn run<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Ran {
        let mut command = match self.wrapper.split_first() {
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(env!("CARGO_BIN_EXE_hab"));
                command
            }
            None => Command::new(env!("CARGO_BIN_EXE_hab")),
        };
        command.args(args).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env("XDG_CACHE_HOME", self.dir.path().join(".cache")).env("COLUMNS", "100").env("NO_COLOR", "1");
        command.env("HOME", self.home.path()).env_remove("XDG_STATE_HOME").env_remove("KUBECONFIG");
        if let Some(stdout) = self.stdout.take() {
            command.stdout(stdout).stderr(Stdio::piped());
            let output = command.spawn().unwrap().wait_with_output().unwrap();
            return Ran { line: format!("{command:?}"), output, test: self };
        }
        let output = command.output().unwrap();
        self.wrapper.clear();
        Ran { line: format!("{command:?}"), output, test: self }
    }
}

impl Ran {
    /// It ended with this code.
    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(self.output.status.code(), Some(code), "{}", self.all());
        assert!(!self.stderr().contains("panicked"), "{}", self.all());
        self
    }

    /// It wrote this among other things to standard output.
    #[track_caller]
    pub fn prints(self, text: &str) -> Self {
        assert!(self.stdout().contains(text), "no {text:?}: {}", self.all());
        self
    }

    /// It wrote exactly this to standard output.
    #[track_caller]
    pub fn prints_only(self, text: &str) -> Self {
        assert_eq!(self.stdout(), text, "{}", self.all());
        self
    }

    /// It wrote this among other things to standard error.
    #[track_caller]
    pub fn complains(self, text: &str) -> Self {
        assert!(self.stderr().contains(text), "no {text:?}: {}", self.all());
        self
    }

    /// It wrote nothing to standard error, but that this very machine has the lab's network already.
    #[track_caller]
    pub fn quietly(self) -> Self {
        let stderr = self.stderr();
        let count = |text: &str| stderr.matches(text).count();
        let routes = count(", which the host reaches by ");
        let only_routes = routes > 0 && count("warning: ") == routes && count("error: ") == 0;
        assert!(stderr.is_empty() || only_routes, "{}", self.all());
        self
    }

    /// These files, folders and links are in the folder, and nothing else.
    #[track_caller]
    pub fn leaves(self, paths: &[&str]) -> Self {
        assert_eq!(files(self.test.path()), paths, "{}", self.all());
        self
    }

    /// The file has this content.
    #[track_caller]
    pub fn file_is(self, path: &str, content: &str) -> Self {
        assert_eq!(std::fs::read_to_string(self.test.path().join(path)).unwrap(), content, "{path}");
        self
    }

    /// The file or folder has these permission bits.
    #[track_caller]
    pub fn mode_is(self, path: &str, mode: u32) -> Self {
        let found = std::fs::symlink_metadata(self.test.path().join(path)).unwrap().mode() & 0o7777;
        assert_eq!(found, mode, "{path} is {found:o}");
        self
    }

    /// The folder as it is now, for the next command.
    pub fn then(self) -> Test {
        self.test
    }

    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    fn all(&self) -> String {
        format!("{}: {}\n{}{}", self.line, self.output.status, self.stdout(), self.stderr())
    }
}

/// The verbs that hab's own help lists.
pub fn verbs() -> Vec<String> {
    // A verb with verbs of its own, such as `image load`, stands before them.
    let with_own = |verb: String| {
        let own = listed(&[&verb]);
        let own: Vec<String> = own.into_iter().map(|own| format!("{verb} {own}")).collect();
        std::iter::once(verb).chain(own)
    };
    listed(&[]).into_iter().flat_map(with_own).collect()
}

/// The verbs in the help of these words.
fn listed(words: &[&str]) -> Vec<String> {
    let text = Test::new().run(words.iter().chain(&["--help"])).code(0).stdout();
    let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A verb begins in column 3; what is further right goes on with its description.
    let named = commands.filter(|line| line.starts_with("  ") && !line[2..].starts_with(' '));
    named.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Every path below `dir`, sorted; folders end in `/`.
pub fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let mut name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !path.is_symlink() {
                name.push('/');
                open.push(path);
            }
            found.push(name);
        }
    }
    found.sort();
    found
}
