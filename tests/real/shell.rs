//! A session between hab and what answers it on a node, over a terminal in the place of a machine's port. That libvirt
//! carries it is seen in machines (`tests/boot/look.sh`).

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hab::session::{Input, Output, Request, run};
use tempfile::TempDir;

use crate::built::build;
use crate::terminal::terminal;

/// What answers, and our end of the port.
struct Node {
    _dir: TempDir,
    probe: Child,
    port: File,
}

impl Node {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        build(dir.path(), &["probe"]);
        let (port, path) = terminal();
        let program = dir.path().join("probe/bin/hab-probe");
        let mut command = Command::new(program);
        command.args(["shell", "-port", &path]).stdin(Stdio::null()).stdout(Stdio::null());
        Self { _dir: dir, probe: command.spawn().unwrap(), port }
    }

    /// Runs it with this input: its exit code, and what it wrote.
    fn run(&self, request: &Request, input: &[u8]) -> (u8, Vec<u8>, String) {
        let (mut to, mut from) = (self.port.try_clone().unwrap(), self.port.try_clone().unwrap());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut show = |output| {
            match output {
                Output::Out(bytes) => out.extend(bytes),
                Output::Err(bytes) => err.extend(bytes),
            }
            Ok(())
        };
        let code = run(&mut to, &mut from, request, &mut Bytes(input.to_vec()), &mut show).unwrap();
        (code, out, String::from_utf8(err).unwrap())
    }

    fn shell(&self, script: &str) -> (u8, Vec<u8>, String) {
        self.run(&request(&["sh", "-c", script]), b"")
    }

    /// Begins a session as a client that then says no more, and returns the number of the process that it started.
    fn forsaken(&mut self) -> i32 {
        self.port
            .write_all(b"\n{\"id\":\"old\",\"open\":{\"argv\":[\"sh\",\"-c\",\"echo $$; exec sleep 1000\"]}}\n")
            .unwrap();
        let mut lines = BufReader::new(self.port.try_clone().unwrap()).lines();
        let line = lines.find(|line| line.as_ref().unwrap().contains("\"out\"")).unwrap().unwrap();
        let frame: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, frame["out"].as_str().unwrap());
        let pid = String::from_utf8(text.unwrap()).unwrap().trim().parse().unwrap();
        assert!(lives(pid));
        pid
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.probe.kill();
        let _ = self.probe.wait();
    }
}

struct Bytes(Vec<u8>);

impl Input for Bytes {
    fn next(&mut self, _: Duration, most: usize) -> anyhow::Result<Option<Vec<u8>>> {
        let rest = self.0.split_off(most.min(self.0.len()));
        Ok(Some(std::mem::replace(&mut self.0, rest)))
    }
}

fn request(argv: &[&str]) -> Request {
    Request { argv: argv.iter().map(|&word| word.to_owned()).collect(), ..Request::default() }
}

/// A process that is there, and no zombie.
fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
}

#[track_caller]
fn dies(pid: i32, within: Duration) {
    let start = Instant::now();
    while lives(pid) {
        assert!(start.elapsed() < within, "it lives on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_command_ends_as_it_does_and_every_byte_passes() {
    let node = Node::new();
    assert_eq!(node.shell("echo out; echo err >&2; exit 3"), (3, b"out\n".to_vec(), "err\n".to_owned()));
    assert_eq!(node.shell("kill -9 $$").0, 137);
    let (code, _, said) = node.run(&request(&["/no/such/program"]), b"");
    assert!(code == 127 && said.contains("/no/such/program"), "{said}");
    // More than there is room for on the way, in both directions at once.
    let all: Vec<u8> = (0..400_000_u32).flat_map(u32::to_be_bytes).collect();
    let (code, out, _) = node.run(&request(&["cat"]), &all[..300_001]);
    assert_eq!(code, 0);
    assert!(out == all[..300_001], "{} bytes came back", out.len());
    // Who reads nothing is no reason to stand still.
    assert_eq!(node.run(&request(&["sh", "-c", "sleep 0.2; echo done"]), &all[..100_000]).1, b"done\n");
    // Nothing of the unit's own is in it, and the lab's programs are at hand.
    let said = String::from_utf8(node.shell("echo $HOME $PATH $NOTIFY_SOCKET; pwd").1).unwrap();
    assert!(said.starts_with("/root /opt/hab/bin:") && said.ends_with("/bin\n/\n"), "{said}");
    // What is left in the background neither ends with it nor holds it up.
    let start = Instant::now();
    let (_, out, _) = node.shell("sleep 1000 & echo $!");
    let pid: i32 = String::from_utf8(out).unwrap().trim().parse().unwrap();
    assert!(lives(pid) && start.elapsed() < Duration::from_secs(30));
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_terminal_is_one_and_has_its_size() {
    let node = Node::new();
    let on =
        |argv: &[&str]| Request { term: Some("vt100".to_owned()), rows: Some(31), cols: Some(97), ..request(argv) };
    let (code, out, _) =
        node.run(&on(&["sh", "-c", "tty; stty size; echo $TERM; read -r word; echo got $word"]), b"a-word\n");
    let out = String::from_utf8(out).unwrap();
    assert_eq!(code, 0, "{out}");
    for said in ["/dev/pts/", "31 97\r\n", "vt100\r\n", "got a-word\r\n"] {
        assert!(out.contains(said), "{out:?}");
    }
    // The end of the input is Ctrl-D, Ctrl-C is Ctrl-C.
    assert_eq!(node.run(&on(&["sh", "-i"]), b"exit 4\n").0, 4);
    assert_eq!(node.run(&on(&["sleep", "1000"]), b"\x03").0, 130);
}

#[test]
fn a_client_that_goes_away_leaves_nothing_behind_and_nobody_out() {
    let mut node = Node::new();
    let pid = node.forsaken();
    // The next client, after half a line of the one before.
    node.port.write_all(b"{\"id\":\"old\",\"n\":1,\"in\":\"YW").unwrap();
    assert_eq!(node.shell("exit 5").0, 5);
    dies(pid, Duration::from_secs(10));
    // Also if nobody comes: after 45 s of silence.
    let pid = node.forsaken();
    dies(pid, Duration::from_secs(90));
    // What is no frame, and what is for a session that is gone, does no harm.
    node.port.write_all(&[b"\n\n{}\nnonsense\n".to_vec(), vec![b'x'; 200_000], b"\n".to_vec()].concat()).unwrap();
    node.port.write_all(b"{\"id\":\"old\",\"alive\":true}\n").unwrap();
    assert_eq!(node.shell("exit 6").0, 6);
}

#[test]
fn what_answers_for_another_session_ends_this_one() {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let node = std::thread::spawn(move || {
        let mut lines = BufReader::new(theirs.try_clone().unwrap()).lines();
        let open = lines.find(|line| line.as_ref().unwrap().contains("open")).unwrap().unwrap();
        let id = serde_json::from_str::<serde_json::Value>(&open).unwrap()["id"].as_str().unwrap().to_owned();
        for frame in ["\"hello\":true", "\"n\":1,\"out\":\"YQ==\"", "\"n\":3,\"exit\":0"] {
            (&theirs).write_all(format!("{{\"id\":\"{id}\",{frame}}}\n").as_bytes()).unwrap();
        }
        lines.map(Result::unwrap).find(|line| line.contains("\"end\"")).unwrap();
    });
    let (mut to, mut from) = (&ours, &ours);
    let error = run(&mut to, &mut from, &request(&["x"]), &mut Bytes(Vec::new()), &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("lost on the way"), "{error}");
    node.join().unwrap();
}
