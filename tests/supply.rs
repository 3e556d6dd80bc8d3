//! The supply with the real Go: its smallest upstream, hab's own probe, which has no dependencies and needs no network.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use hab::artifacts::go::{GoBuild, Toolchain};
use hab::artifacts::{Catalog, Origin, built, program_file, same_results};
use hab::cache::Cache;
use hab::kinds::Supply;
use hab::progress::{Progress, Silent};
use serde_json::Value;

/// The catalog with nothing in it but the probe.
fn probe_only() -> Catalog {
    let mut catalog = Catalog::source(Supply::Source.kubernetes_versions()[0]).unwrap();
    catalog.upstreams.retain(|name, _| name == "probe");
    catalog
        .artifacts
        .retain(|_, artifact| matches!(&artifact.origin, Origin::Go { upstream, .. } if upstream == "probe"));
    catalog.images.clear();
    catalog
}

/// A cache of its own for a test, but with Go's own kept from run to run: only the first compiles Go's library.
fn cache(dir: &tempfile::TempDir) -> Cache {
    let caches = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let root = dir.path().join("hab");
    std::fs::create_dir_all(&caches).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(caches, root.join("go")).unwrap();
    Cache::at(root)
}

/// Builds the probe into a folder.
fn build(cache: &Cache, catalog: &Catalog, go: &str, entry: &Path) -> anyhow::Result<String> {
    std::fs::create_dir_all(entry).unwrap();
    let progress: &dyn Progress = &Silent;
    GoBuild { cache, catalog, toolchain: Toolchain::Module(go), name: "probe" }
        .build(entry, &progress.step("probe", None))
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn probe(program: &Path, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

#[test]
fn the_probe_is_built_says_its_version_and_sees_what_is_there_and_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, catalog) = (cache(&dir), probe_only());
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    build(&cache, &catalog, &catalog.go, &one).unwrap();
    let program = &program_file(&one, "hab-probe").unwrap().path;

    let check: Vec<&str> = catalog.artifacts["hab-probe"].check.iter().map(String::as_str).collect();
    let said = probe(program, &check).stdout;
    let version = &catalog.upstream("probe").unwrap().version;
    assert_eq!(String::from_utf8(said).unwrap().trim(), format!("hab-probe {version}"));

    // Port 1 is tcpmux, which nothing serves.
    let refused = probe(program, &["check", "-within", "1s", "-fetch", "http://127.0.0.1:1/"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stdout).unwrap().contains("connection refused"));

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut serve = Command::new(program);
    serve.args(["serve", "-listen", &free.to_string()]).env("NODE_NAME", "kube-worker-01").stdin(Stdio::null());
    let _server = Server(serve.spawn().unwrap());
    let url = format!("http://{free}/");
    let seen = probe(program, &["check", "-within", "20s", "-resolve", "localhost", "-fetch", &url]);
    let seen_text = String::from_utf8(seen.stdout).unwrap();
    assert!(seen.status.success() && seen_text.contains("kube-worker-01"), "{seen_text}");

    // The same bytes again; and a lock that says otherwise is believed, not the result.
    build(&cache, &catalog, &catalog.go, &two).unwrap();
    assert_eq!(built(&one).unwrap(), built(&two).unwrap());
    let mut locked = built(&one).unwrap();
    same_results(&built(&two).unwrap(), Some(&locked)).unwrap();
    locked.programs.insert("hab-probe".into(), "0".repeat(64));
    let error = same_results(&built(&two).unwrap(), Some(&locked)).unwrap_err().to_string();
    assert!(error.starts_with("hab-probe came out other than locked"), "{error}");
}

#[test]
fn a_toolchain_that_can_not_be_had_builds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, catalog) = (cache(&dir), probe_only());
    let error = format!("{:#}", build(&cache, &catalog, "go1.99.99", &dir.path().join("entry")).unwrap_err());
    assert!(error.contains("building probe") && error.contains("go1.99.99"), "{error}");
}

/// A request, with the number of its connection.
#[derive(Debug, Clone)]
struct Request {
    connection: usize,
    line: String,
    content_type: String,
    body: String,
}

/// Stands in for an API server, until the test ends: keeps connections, notes requests, and answers each with a status
/// and a body.
struct Api {
    url: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Api {
    /// `answer` is told a request's path and how often that was asked for before.
    fn new(answer: impl Fn(&str, usize) -> (&'static str, &'static str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<Request>>> = Arc::default();
        let (noted, answer) = (Arc::clone(&seen), Arc::new(answer));
        let serve = move |connection: usize, stream: TcpStream| {
            let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream);
                while let Some(request) = request(&mut stream, connection) {
                    let before = noted.lock().unwrap().iter().filter(|other| other.line == request.line).count();
                    let (status, body) = answer(request.line.split(' ').nth(1).unwrap(), before);
                    noted.lock().unwrap().push(request);
                    let length = body.len();
                    write!(stream.get_mut(), "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
                }
            });
        };
        std::thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                serve(connection, stream.unwrap());
            }
        });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// `hab-probe apply` to this server: its exit code, its lines, and what it complains of.
    fn apply(&self, program: &Path, within: &str, more: &[&str]) -> (Option<i32>, Vec<Value>, String) {
        let server = ["apply", "-within", within, "-every", "10ms", "-manager", "a b", "-server", &self.url];
        let output = probe(program, &[&server, more].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        let lines = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (output.status.code(), lines, String::from_utf8(output.stderr).unwrap())
    }
}

/// The next request of a connection, if there is one.
fn request(stream: &mut BufReader<TcpStream>, connection: usize) -> Option<Request> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).unwrap() == 0 {
            return None;
        }
    }
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
    let mut body = vec![0; header("Content-Length: ").parse().unwrap_or_default()];
    stream.read_exact(&mut body).unwrap();
    let line = head.lines().next().unwrap().to_owned();
    Some(Request { connection, line, content_type: header("Content-Type: "), body: String::from_utf8(body).unwrap() })
}

/// The probe, and a folder whose files are these.
fn with_files(dir: &tempfile::TempDir, files: &[(&str, &str)]) -> (PathBuf, PathBuf) {
    let catalog = probe_only();
    let entry = dir.path().join("entry");
    build(&cache(dir), &catalog, &catalog.go, &entry).unwrap();
    let folder = dir.path().join("objects");
    std::fs::create_dir_all(folder.join("addons")).unwrap();
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    (program_file(&entry, "hab-probe").unwrap().path, folder)
}

/// What an API server says of a field that is somebody else's, as far as it matters.
const CONFLICT: &str = r#"{"message": "not yours", "details": {"causes": [{"reason": "FieldManagerConflict"}]}}"#;

#[test]
fn the_probe_applies_all_objects_in_order_and_tries_again_what_fails() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        (
            "nodes.yaml",
            "# Only a comment.\n---\n# /api/v1/nodes/a\n# Why.\nkind: Node\n---\n---\n# /api/v1/nodes/b\nb: |\n  ---\n",
        ),
        ("addons/2.yaml", "# /apis/x/y/race\nrace: 1\n---\n# /apis/x/y/last:1\nlast: 1\n"),
        ("addons/1.yaml", "---\n# /apis/x/y/scaled\nscaled: 1\n"),
        ("addons/notes.txt", "no object"),
    ];
    let (program, folder) = with_files(&dir, &files);
    let api = Api::new(|path, before| match (path.split('?').next().unwrap(), before) {
        ("/api/v1/nodes/b", 0) => ("500 Internal Server Error", r#"{"message": "not yet"}"#),
        ("/apis/x/y/scaled", _) => ("409 Conflict", CONFLICT),
        ("/apis/x/y/race", 0) => ("409 Conflict", r#"{"message": "the object has been modified"}"#),
        ("/apis/x/y/last:1", _) => ("200 OK", "{}"),
        _ => ("201 Created", "{}"),
    });
    let paths = ["nodes.yaml", "addons"].map(|name| folder.join(name).display().to_string());
    let (code, lines, complaints) = api.apply(&program, "60s", &[&paths[0], &paths[1]]);
    assert_eq!(code, Some(0), "{lines:?} {complaints}");

    let seen = api.seen();
    let asked: Vec<_> = seen.iter().map(|request| (request.connection, request.line.as_str())).collect();
    let patch = |path: &str| format!("PATCH {path}?fieldManager=a+b HTTP/1.1");
    let [a, b, scaled] = ["/api/v1/nodes/a", "/api/v1/nodes/b", "/apis/x/y/scaled"].map(patch);
    let [race, last] = ["/apis/x/y/race", "/apis/x/y/last:1"].map(patch);
    // One connection, and a new one after each round in which something failed.
    let wanted = [(0, a.as_str()), (0, &b), (0, &scaled), (0, &race), (0, &last), (1, &b), (1, &race)];
    assert_eq!(asked, wanted);
    assert!(seen.iter().all(|request| request.content_type == "application/apply-patch+yaml"), "{seen:?}");
    let bodies: Vec<_> = seen[..3].iter().map(|request| request.body.as_str()).collect();
    let wanted = [
        "# /api/v1/nodes/a\n# Why.\nkind: Node\n",
        "# /api/v1/nodes/b\nb: |\n  ---\n",
        "# /apis/x/y/scaled\nscaled: 1\n",
    ];
    assert_eq!(bodies, wanted);

    let said = |line: &Value| format!("{} {} {} {}", line["target"], line["ok"], line["got"], line["tries"]);
    let wanted = [
        r#""/api/v1/nodes/a" true ["201 Created"] 1"#.to_owned(),
        r#""/api/v1/nodes/b" true ["201 Created"] 2"#.to_owned(),
        r#""/apis/x/y/scaled" true ["409 Conflict: left as it is","not yours"] 1"#.to_owned(),
        r#""/apis/x/y/race" true ["201 Created"] 2"#.to_owned(),
        r#""/apis/x/y/last:1" true ["200 OK"] 1"#.to_owned(),
    ];
    assert_eq!(lines.iter().map(said).collect::<Vec<_>>(), wanted);
    let wanted = "hab-probe: /api/v1/nodes/b: 500 Internal Server Error: not yet\n\
                  hab-probe: /apis/x/y/race: 409 Conflict: the object has been modified\n";
    assert_eq!(complaints, wanted);
}

#[test]
fn the_probe_sends_nothing_of_a_bad_file_and_says_what_is_missing_when_time_is_up() {
    let dir = tempfile::tempdir().unwrap();
    let files = [
        ("good.yaml", "# /api/v1/nodes/a\na: 1\n"),
        ("bad.yaml", "# /api/v1/nodes/b\nb: 1\n---\n# Why.\n# /api/v1/nodes/c\nc: 1\n"),
    ];
    let (program, folder) = with_files(&dir, &files);
    let [good, bad] = ["good.yaml", "bad.yaml"].map(|name| folder.join(name).display().to_string());
    let api = Api::new(|_, _| ("403 Forbidden", r#"{"message": "who are you?"}"#));

    let (code, lines, complaints) = api.apply(&program, "60s", &[&good, &bad]);
    assert_eq!((code, lines.len()), (Some(2), 0), "{complaints}");
    assert!(
        complaints.starts_with(&format!("hab-probe: {bad}: document 2 does not begin with its path")),
        "{complaints}"
    );
    assert!(api.seen().is_empty());

    let (code, lines, complaints) = api.apply(&program, "2s", &[&good]);
    assert_eq!((code, &lines[0]["ok"]), (Some(1), &false.into()));
    assert_eq!(lines[0]["error"], "403 Forbidden: who are you?");
    // It tried more than once, and said it once.
    assert!(api.seen().len() > 1);
    assert_eq!(complaints, "hab-probe: /api/v1/nodes/a: 403 Forbidden: who are you?\n");
}

#[test]
fn the_probe_labels_nodes_that_are_there_and_nodes_that_come() {
    const LIST: &str = r#"{"metadata": {"resourceVersion": "7"}, "items": [
        {"metadata": {"name": "w-01"}}, {"metadata": {"name": "m-1", "labels": {"a": "b"}}},
        {"metadata": {"name": "w-02", "labels": {"node-role.kubernetes.io/worker": ""}}},
        {"metadata": {"name": "w-x-01"}}, {"metadata": {"name": "w-"}}]}"#;
    const EVENTS: &str = r#"{"type": "ADDED", "object": {"metadata": {"name": "w-03"}}}
        {"type": "DELETED", "object": {"metadata": {"name": "w-04"}}}
        {"type": "MODIFIED", "object": {"metadata": {"name": "w-05"}}}"#;
    let dir = tempfile::tempdir().unwrap();
    let (program, _) = with_files(&dir, &[]);
    let api = Api::new(|path, before| match (path.split('?').next().unwrap(), before) {
        ("/api/v1/nodes", 0) if path.contains("watch=1&") || path.contains("&watch=1") => ("200 OK", EVENTS),
        ("/api/v1/nodes", 1) if !path.contains('?') => ("500 Internal Server Error", ""),
        ("/api/v1/nodes", _) => ("200 OK", LIST),
        // Gone since.
        ("/api/v1/nodes/w-03", _) => ("404 Not Found", ""),
        _ => ("200 OK", "{}"),
    });
    let roles = ["-role", "worker=w", "-role", "control-plane=m"];
    let args = [&["label", "-within", "2s", "-every", "500ms", "-server", &api.url], &roles[..]].concat();
    let output = probe(&program, &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("hab-probe: labels: GET /api/v1/nodes: 500 Internal Server Error"), "{said}");

    let seen = api.seen();
    let lines: Vec<_> = seen.iter().map(|request| request.line.as_str()).collect();
    let patch = |name: &str| format!("PATCH /api/v1/nodes/{name}?fieldManager=hab HTTP/1.1");
    let [one, master, three, five] = ["w-01", "m-1", "w-03", "w-05"].map(patch);
    let wanted = [
        "GET /api/v1/nodes HTTP/1.1",
        &one,
        &master,
        "GET /api/v1/nodes?resourceVersion=7&watch=1 HTTP/1.1",
        &three,
        &five,
    ];
    assert_eq!(lines[..6], wanted);
    assert_eq!(seen[1].body, r#"{"metadata":{"labels":{"node-role.kubernetes.io/worker":""}}}"#);
    assert_eq!(seen[2].body, r#"{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":""}}}"#);
    assert_eq!(seen[1].content_type, "application/merge-patch+json");
    assert!(lines.len() > 7, "it lists again: {lines:?}");
}
