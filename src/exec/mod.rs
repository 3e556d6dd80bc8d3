//! Runs other programs: finds them by name, passes arguments as a list (never through a shell), and reports a failure
//! with the command line and the end of the output.
//!
//! Each program has a small file of its own here, which knows its options; the rest of hab calls that.

pub mod apt;
pub mod child;
pub mod cosign;
pub mod depmod;
pub mod debugfs;
pub mod dpkg_deb;
pub mod etcdutl;
pub mod fat;
pub mod go;
pub mod gpgv;
pub mod kubectl;
pub mod mke2fs;
pub mod mkfs_erofs;
pub mod mksquashfs;
pub mod packer;
pub mod pinned_tools;
pub mod qemu;
pub mod qemu_img;
pub mod signal;
pub mod skopeo;
pub mod vagrant;
pub mod vboxmanage;
pub mod virsh;
pub mod xz;
pub mod zstd;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

/// How many lines of a failed program's output an error carries.
const TAIL_LINES: usize = 20;

/// How often a program that may be stopped is looked after.
const STOP: Duration = Duration::from_millis(200);

/// A program, its arguments and its environment.
#[derive(Debug)]
pub struct Tool {
    program: PathBuf,
    command: Command,
    /// It runs also when hab was told to end.
    last: bool,
}

impl Tool {
    /// Looks for `name` in `PATH` and in the folders where Debian keeps administrators' programs
    /// (an ordinary user's `PATH` lacks `/usr/sbin`). `package` is the Debian package that has it, for the error.
    ///
    /// # Errors
    /// The program is not there; the message says how to get it.
    pub fn find(name: &str, package: &str) -> Result<Self> {
        Self::at(locate(name, package)?)
    }

    /// The program at `program`, wherever it is.
    ///
    /// # Errors
    /// The programs that end it together with hab are not installed.
    pub fn at(program: PathBuf) -> Result<Self> {
        let mut command = child::guarded(&program)?;
        command.stdin(Stdio::null());
        Ok(Self { program, command, last: false })
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Starts with an empty environment instead of the caller's.
    #[must_use]
    pub fn bare(mut self) -> Self {
        self.command.env_clear();
        self
    }

    /// Sets the working folder.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Feeds the program from an open file or pipe.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Runs it also when hab was told to end, and to its own end: for what puts something right again.
    #[must_use]
    pub fn last(mut self) -> Self {
        self.last = true;
        self
    }

    /// The command line as a person would type it, for messages.
    #[must_use]
    pub fn line(&self) -> String {
        let words = std::iter::once(self.program.as_os_str()).chain(self.command.get_args().skip(child::GUARD_ARGS));
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    }

    /// Runs to the end and returns what it wrote to standard output.
    ///
    /// # Errors
    /// It can't be started or exits with other than 0.
    pub fn output(mut self) -> Result<Vec<u8>> {
        let line = self.line();
        let output = child::output(&mut self.command, self.last).with_context(|| format!("starting `{line}`"))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = [output.stdout, output.stderr].concat();
        Err(failure(&line, output.status, &String::from_utf8_lossy(&said)))
    }

    /// Runs to the end and returns the exit code, whatever it is; `None` when a signal ended it.
    ///
    /// # Errors
    /// It can't be started.
    pub fn code(mut self) -> Result<Option<i32>> {
        let line = self.line();
        let output = child::output(&mut self.command, self.last).with_context(|| format!("starting `{line}`"))?;
        Ok(output.status.code())
    }

    /// Runs to the end and returns what it wrote to standard output, whatever its exit code.
    ///
    /// # Errors
    /// It can't be started.
    pub fn said(mut self) -> Result<Vec<u8>> {
        let line = self.line();
        let output = child::output(&mut self.command, self.last).with_context(|| format!("starting `{line}`"))?;
        Ok(output.stdout)
    }

    /// Runs to the end, and looks several times a second how it goes: an error from `look` ends it.
    ///
    /// # Errors
    /// As [`Tool::output`]; also when `look` says so.
    pub fn watch(mut self, mut look: impl FnMut() -> Result<()>) -> Result<()> {
        /// Often enough to see a download that goes too far, and no work for anybody.
        const LOOK: Duration = Duration::from_millis(200);
        let line = self.line();
        let mut said = tempfile::tempfile().context("making a temporary file")?;
        let handle = || said.try_clone().context("making a temporary file");
        self.command.stdout(handle()?).stderr(handle()?);
        let mut child = child::spawn(&mut self.command).with_context(|| format!("starting `{line}`"))?;
        // Less at first: what is small is soon there.
        let mut pause = LOOK / 16;
        while !child.has_ended().with_context(|| format!("waiting for `{line}`"))? {
            if let Err(error) = look() {
                child.end();
                return Err(error);
            }
            std::thread::sleep(pause);
            pause = LOOK.min(pause * 2);
        }
        let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
        if status.success() {
            return Ok(());
        }
        let mut text = Vec::new();
        said.rewind().and_then(|()| said.read_to_end(&mut text)).context("reading what it said")?;
        Err(failure(&line, status, &String::from_utf8_lossy(&text)))
    }

    /// Runs to the end and returns standard output as text.
    ///
    /// # Errors
    /// As [`Tool::output`]; also when the output is not UTF-8.
    pub fn text(self) -> Result<String> {
        let line = self.line();
        String::from_utf8(self.output()?).with_context(|| format!("reading the output of `{line}`"))
    }

    /// Runs to the end; only the outcome counts.
    ///
    /// # Errors
    /// As [`Tool::output`].
    pub fn run(self) -> Result<()> {
        self.output().map(drop)
    }

    /// Runs to the end while `read` takes in its standard output, however long that is.
    ///
    /// # Errors
    /// As [`Tool::output`]; also when `read` says so.
    pub fn pipe<T>(mut self, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
        let line = self.line();
        // A file, not a pipe: no one reads it while `read` is busy.
        let mut errors = tempfile::tempfile().context("making a temporary file")?;
        self.command.stdout(Stdio::piped()).stderr(errors.try_clone().context("making a temporary file")?);
        let mut child = child::spawn(&mut self.command).with_context(|| format!("starting `{line}`"))?;
        let mut stdout = child.stdout().with_context(|| format!("reading the output of `{line}`"))?;
        let taken = read(&mut stdout);
        // The rest, so that the program does not die of a closed pipe.
        let drained = std::io::copy(&mut stdout, &mut std::io::sink());
        let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
        if !status.success() {
            let mut said = String::new();
            errors.rewind().and_then(|()| errors.read_to_string(&mut said)).context("reading what it said")?;
            return Err(failure(&line, status, &said));
        }
        drained.with_context(|| format!("reading the output of `{line}`"))?;
        taken
    }

    /// Runs to the end, passing each line of standard output and standard error to `each` as it comes.
    ///
    /// # Errors
    /// As [`Tool::output`].
    pub fn stream(self, each: impl FnMut(&str)) -> Result<()> {
        self.stream_until(&AtomicBool::new(false), each)
    }

    /// The same, but it is killed once `stop` is set, which is an error as any other end but a good one.
    ///
    /// # Errors
    /// As [`Tool::output`].
    pub fn stream_until(mut self, stop: &AtomicBool, mut each: impl FnMut(&str)) -> Result<()> {
        let line = self.line();
        let (reader, writer) = std::io::pipe().context("making a pipe")?;
        let errors = writer.try_clone().context("making a pipe")?;
        self.command.stdout(writer).stderr(errors);
        let mut child = child::spawn(&mut self.command).with_context(|| format!("starting `{line}`"))?;
        // The command holds the write ends of the pipe; without this the loop below would never see its end.
        drop(self.command);
        let mut tail = Vec::new();
        let (ender, ended) = (child.ender(), AtomicBool::new(false));
        let status = std::thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !ended.load(Ordering::Acquire) {
                    if stop.load(Ordering::Acquire) {
                        return ender.end();
                    }
                    std::thread::park_timeout(STOP);
                }
            });
            // However this ends, also by a panic of `each`: else the scope would wait for the watcher for ever.
            let _ended = Ended(&ended, watcher.thread().clone());
            let read = read_lines(reader, |text| {
                each(text);
                tail.push(text.to_owned());
                if tail.len() > TAIL_LINES {
                    tail.remove(0);
                }
            });
            let status = child.wait();
            read.with_context(|| format!("reading the output of `{line}`"))?;
            status.with_context(|| format!("waiting for `{line}`"))
        })?;
        if status.success() { Ok(()) } else { Err(failure(&line, status, &tail.join("\n"))) }
    }
}

/// Tells a watcher when there is nothing left to be watched.
struct Ended<'a>(&'a AtomicBool, std::thread::Thread);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
        self.1.unpark();
    }
}

/// The path of the program `name`; see [`Tool::find`].
fn locate(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    let folders = std::env::join_paths(folders).context("reading PATH")?;
    which::which_in(name, Some(folders), Path::new("/"))
        .map_err(|_| anyhow!("`{name}` is not installed; on Debian: sudo apt-get install {package}"))
}

/// Calls `each` with every line, without its end; bytes that are no UTF-8 are replaced.
fn read_lines(reader: impl Read, mut each: impl FnMut(&str)) -> std::io::Result<()> {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        each(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    Ok(())
}

fn failure(line: &str, status: ExitStatus, said: &str) -> anyhow::Error {
    let lines: Vec<&str> = said.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n  ");
    anyhow!("`{line}` ended with {status}\n  {tail}")
}

/// Joins words that must stay one argument, such as `key=` and a path.
#[must_use]
pub fn arg_with_path(prefix: &str, value: &Path) -> OsString {
    let mut joined = OsString::from(prefix);
    joined.push(value);
    joined
}

/// Refuses a path that a program's own option syntax would split.
///
/// # Errors
/// The path has one of `forbidden` in it.
pub fn plain_path<'a>(path: &'a Path, forbidden: &[char]) -> Result<&'a str> {
    let text = path.to_str().with_context(|| format!("the path {} is not text", path.display()))?;
    if let Some(bad) = text.chars().find(|c| forbidden.contains(c)) {
        bail!("the path {text} has {bad:?} in it, which the tools hab runs can't take");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_names_its_package() {
        let error = Tool::find("hab-no-such-program", "some-package").unwrap_err();
        assert!(error.to_string().contains("apt-get install some-package"), "{error}");
    }

    #[test]
    fn a_command_line_is_shown_without_what_guards_it() {
        assert_eq!(Tool::at("/x/y".into()).unwrap().args(["z", "--"]).line(), "/x/y z --");
    }

    #[test]
    fn a_failure_carries_command_line_status_and_output() {
        let error = Tool::find("sh", "dash").unwrap().args(["-c", "echo why >&2; exit 3"]).run().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("why"), "{text}");
    }

    #[test]
    fn output_is_streamed_line_by_line() {
        let mut lines = Vec::new();
        let tool = Tool::find("sh", "dash").unwrap().args(["-c", "echo one; echo two >&2"]);
        tool.stream(|l| lines.push(l.to_owned())).unwrap();
        assert_eq!(lines, ["one", "two"]);
    }

    #[test]
    fn long_output_is_read_as_it_comes_and_a_failure_wins() {
        let sh = |script| Tool::find("sh", "dash").unwrap().args(["-c", script]);
        let count = |read: &mut dyn Read| Ok(std::io::copy(read, &mut std::io::sink())?);
        assert_eq!(sh("head -c 300000 /dev/zero").pipe(count).unwrap(), 300_000);
        let error = sh("head -c 300000 /dev/zero; echo why >&2; exit 3").pipe(|_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("why"), "{error}");
    }

    #[test]
    fn arguments_never_meet_a_shell() {
        let text = Tool::find("printf", "coreutils").unwrap().args(["%s", "$(id) `id`"]).text().unwrap();
        assert_eq!(text, "$(id) `id`");
    }
}
