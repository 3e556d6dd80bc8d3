//! Namespaces of the kernel for tests: a mount or a network that is theirs alone. A machine that does not allow them
//! fails the test, for what was not tried was not shown.

#![allow(dead_code, reason = "each test program uses its own part of it")]

use std::process::Command;

/// `unshare` with what it needs to run a command in a new namespace of this kind, `--net` or `--mount`: as root just
/// that, for others a user namespace around it.
#[track_caller]
pub fn unshare(kind: &str) -> Vec<String> {
    let mut line = vec!["unshare".to_owned(), kind.to_owned()];
    if !rustix::process::geteuid().is_root() {
        line.push("--map-root-user".to_owned());
    }
    let output = Command::new(&line[0]).args(&line[1..]).arg("true").output().expect("util-linux has unshare");
    assert!(
        output.status.success(),
        "this test needs a namespace, and the machine allows none ({}); run it as root: {}",
        line.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    line
}

/// A network that is a test's own: there is only loopback, every port is free, and nothing leads out. Outside of it this
/// runs the test of this name once more, inside; it returns false when that has passed.
#[track_caller]
pub fn inside_own_network(name: &str) -> bool {
    const INSIDE: &str = "HAB_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let line = unshare("--net");
    let script = "ip link set lo up && exec \"$@\"";
    let output = Command::new(&line[0])
        .args(&line[1..])
        .args(["sh", "-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "in its own network: {said}");
    false
}
