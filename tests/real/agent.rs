//! What a node's agent answers the host. That it sets the clock is seen in a machine (`tests/boot/reset.sh`).

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::built::build;
use crate::terminal::terminal;

/// Asks one thing and reads one line.
fn ask(port: &mut File, question: &[u8]) -> Vec<u8> {
    port.write_all(&[question, b"\n"].concat()).unwrap();
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') {
        let mut byte = [0];
        port.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    answer
}

#[test]
fn the_agent_answers_about_the_clock_and_refuses_all_else() {
    let dir = tempfile::tempdir().unwrap();
    build(dir.path(), &["probe"]);
    let (mut port, path) = terminal();
    // As a serial port is: every byte as it is, and no echo.
    let other = File::options().read(true).write(true).open(&path).unwrap();
    let mut mode = tcgetattr(&other).unwrap();
    mode.make_raw();
    tcsetattr(&other, OptionalActions::Now, &mode).unwrap();
    let mut agent = Command::new(dir.path().join("probe/bin/hab-probe"))
        .args(["agent", "-port", &path])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let refused = |class: &str| format!("{{\"error\":{{\"class\":\"{class}\",\"desc\":").into_bytes();
    // As libvirt begins, after whatever was left unsaid.
    assert_eq!(
        ask(&mut port, b"\xff{\"execute\":\"guest-sync-delimited\", \"arguments\":{\"id\":12}}"),
        b"\xff{\"return\":12}\n"
    );
    assert_eq!(ask(&mut port, br#"{"execute":"guest-sync","arguments":{"id":7}}"#), b"{\"return\":7}\n");
    assert_eq!(ask(&mut port, br#"{"execute":"guest-ping"}"#), b"{\"return\":{}}\n");
    let exec = ask(&mut port, br#"{"execute":"guest-exec","arguments":{"path":"/bin/sh","arg":["-c","id"]}}"#);
    assert!(exec.starts_with(&refused("CommandNotFound")));
    for question in [&br#"{"execute":"guest-set-time"}"#[..], b"nonsense", &[b'x'; 5000]] {
        assert!(ask(&mut port, question).starts_with(&refused("GenericError")));
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
}
