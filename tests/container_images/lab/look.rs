//! How a test looks at a registry: by curl, into its folder, and again and again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// curl with a certificate; the status is the last line of what it writes.
pub fn curl(authority: &Path, certificate: &Path, key: &Path) -> Command {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--http1.1",
        "--noproxy",
        "*",
        "--write-out",
        "\n%{http_code}",
        "--header",
    ]);
    command.arg("Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json");
    command.arg("--cacert").arg(authority).arg("--cert").arg(certificate).arg("--key").arg(key);
    command
}

/// Waits for something that comes soon.
#[track_caller]
pub fn soon(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The files below a folder whose path has this in it, and that are so large.
pub fn found(folder: &Path, part: &str, size: &str) -> usize {
    let pattern = format!("*{part}*");
    let output =
        Command::new("find").arg(folder).args(["-type", "f", "-path", &pattern, "-size", size]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().count()
}

/// How many files there are of layers that were begun.
pub fn begun(store: &Path) -> usize {
    found(store, "/_uploads/", "-9999k")
}
