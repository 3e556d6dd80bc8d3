//! The supply with the real Go: its smallest upstream, hab's own probe, which has no dependencies and needs no network.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

#[path = "support/api.rs"]
mod api;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use hab::artifacts::go::{GoBuild, Toolchain};
use hab::artifacts::{Catalog, Origin, built, program_file, same_results};
use hab::cache::Cache;
use hab::kinds::Supply;
use hab::progress::{Progress, Silent};
use serde_json::Value;

use api::Api;

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

/// What an API server says of a field that is somebody else's, as far as it matters; and what it would make of the object.
const CONFLICT: &str = r#"{"message": "not yours", "details": {"causes": [{"reason": "FieldManagerConflict", "field": ".spec.replicas"}]}}"#;
const MERGED: &str = r#"{"apiVersion": "x/y", "kind": "Z", "metadata": {"name": "scaled", "namespace": "n", "managedFields": [
    {"manager": "other", "operation": "Apply", "fieldsV1": {"f:more": {}}}, {"manager": "a b", "operation": "Apply", "fieldsV1":
    {"f:spec": {"f:replicas": {}, "f:list": {".": {}, "k:{\"name\":\"i\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}]},
    "spec": {"replicas": 1, "list": [{"name": "h", "image": "theirs"}, {"name": "i", "image": "ours", "more": 1}]}, "more": 1}"#;

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
        ("/apis/x/y/scaled", _) if path.contains("dryRun=All") => ("200 OK", MERGED),
        ("/apis/x/y/scaled", 0) => ("409 Conflict", CONFLICT),
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
    let trial = "PATCH /apis/x/y/scaled?dryRun=All&fieldManager=a+b&force=true HTTP/1.1";
    let [race, last] = ["/apis/x/y/race", "/apis/x/y/last:1"].map(patch);
    // One connection, and a new one after each round in which something failed.
    let first = [a.as_str(), &b, &scaled, trial, &scaled, &race, &last].map(|line| (0, line));
    let wanted = [&first[..], &[(1, &b), (1, &race)]].concat();
    assert_eq!(asked, wanted);
    assert!(seen.iter().all(|request| request.content_type == "application/apply-patch+yaml"), "{seen:?}");
    let bodies: Vec<_> = seen[..3].iter().map(|request| request.body.as_str()).collect();
    let wanted = [
        "# /api/v1/nodes/a\n# Why.\nkind: Node\n",
        "# /api/v1/nodes/b\nb: |\n  ---\n",
        "# /apis/x/y/scaled\nscaled: 1\n",
    ];
    assert_eq!(bodies, wanted);
    assert_eq!(seen[3].body, seen[2].body);
    // What is somebody else's stays out, and so does what is not of the document.
    let rest: Value = serde_json::from_str(&seen[4].body).unwrap();
    let wanted = serde_json::json!({"apiVersion": "x/y", "kind": "Z", "metadata": {"name": "scaled", "namespace": "n"},
        "spec": {"list": [{"name": "i", "image": "ours"}]}});
    assert_eq!(rest, wanted);

    let said = |line: &Value| format!("{} {} {} {}", line["target"], line["ok"], line["got"], line["tries"]);
    let wanted = [
        r#""/api/v1/nodes/a" true ["201 Created"] 1"#.to_owned(),
        r#""/api/v1/nodes/b" true ["201 Created"] 2"#.to_owned(),
        r#""/apis/x/y/scaled" true ["201 Created","left as they are: .spec.replicas"] 1"#.to_owned(),
        r#""/apis/x/y/race" true ["201 Created"] 2"#.to_owned(),
        r#""/apis/x/y/last:1" true ["200 OK"] 1"#.to_owned(),
    ];
    assert_eq!(lines.iter().map(said).collect::<Vec<_>>(), wanted);
    let wanted = "hab-probe: /api/v1/nodes/b: 500 Internal Server Error: not yet\n\
                  hab-probe: /apis/x/y/race: 409 Conflict: the object has been modified\n";
    assert_eq!(complaints, wanted);
}

#[test]
fn the_probe_notes_what_it_applies_before_it_does_and_removes_what_no_file_has() {
    const NOTES: &str = "/api/v1/namespaces/kube-system/configmaps/notes";
    const OLD: &str = r#"{"metadata": {"resourceVersion": "7"}, "data": {"objects":
        "/apis/x/v1/a 1\n/apis/x/v1/mine u\n/apis/x/v1/theirs 2\n/apis/x/v1/nobodys\n/apis/x/v1/gone 3\n/api/v1/namespaces/default",
        "applied.addons": "0", "refused.addons": "/apis/x/v2/a: no", "applied.no-more": "1"}}"#;
    let dir = tempfile::tempdir().unwrap();
    let (program, folder) =
        with_files(&dir, &[("addons/1.yaml", "# /apis/x/v2/a\na: 1\n"), ("b.yaml", "# /api/v1/b\nb: 1\n")]);
    let api = Api::new(|path, before| match (path.split('?').next().unwrap(), before) {
        // Another master has written meanwhile.
        (NOTES, 0) if path.contains('?') => ("409 Conflict", r#"{"message": "modified"}"#),
        (NOTES, _) => ("200 OK", OLD),
        ("/apis/x/v1/mine", _) => ("200 OK", r#"{"metadata": {"uid": "u"}}"#),
        ("/apis/x/v1/theirs", _) => ("200 OK", r#"{"metadata": {"uid": "other"}}"#),
        // Noted, and not made by the one who did.
        ("/apis/x/v1/nobodys", _) => (
            "200 OK",
            r#"{"metadata": {"uid": "v", "managedFields": [{"manager": "a b", "operation": "Update", "fieldsV1": {}}]}}"#,
        ),
        ("/apis/x/v2/a", _) => ("200 OK", r#"{"metadata": {"uid": "1"}}"#),
        ("/apis/x/v1/gone", _) => ("404 Not Found", ""),
        _ => ("200 OK", "{}"),
    });
    let [all, addons] = ["", "addons"].map(|name| folder.join(name).display().to_string());
    let (code, lines, complaints) =
        api.apply(&program, "60s", &["-inventory", "notes", "-keep", &all, "-report", &addons]);
    assert_eq!(code, Some(0), "{lines:?} {complaints}");

    let seen = api.seen();
    let asked: Vec<_> = seen.iter().map(|request| request.line.trim_end_matches(" HTTP/1.1").to_owned()).collect();
    let wanted = [
        format!("GET {NOTES}"),
        format!("PATCH {NOTES}?fieldManager=a+b"),
        format!("GET {NOTES}"),
        // Nothing is applied as long as it is not noted.
        format!("GET {NOTES}"),
        format!("PATCH {NOTES}?fieldManager=a+b"),
        "PATCH /apis/x/v2/a?fieldManager=a+b".to_owned(),
        format!("PATCH {NOTES}?fieldManager=a+b"),
        "GET /apis/x/v1/gone".to_owned(),
        "GET /apis/x/v1/nobodys".to_owned(),
        "GET /apis/x/v1/theirs".to_owned(),
        "GET /apis/x/v1/mine".to_owned(),
        "DELETE /apis/x/v1/mine".to_owned(),
        format!("PATCH {NOTES}?fieldManager=a+b"),
    ];
    assert_eq!(asked, wanted);
    let body = |at: usize| serde_json::from_str::<Value>(&seen[at].body).unwrap();
    let noted = body(4);
    assert_eq!(noted["metadata"]["resourceVersion"], "7");
    let objects = noted["data"]["objects"].as_str().unwrap();
    assert!(objects.starts_with("/apis/x/v1/a 1\n") && objects.ends_with("/default\n/api/v1/b"), "{objects}");
    assert_eq!((&noted["data"]["applied.no-more"], noted["data"].get("applied.addons")), (&Value::Null, None));
    assert_eq!(body(11)["preconditions"]["uid"], "u");
    // An object of another version is the same one.
    assert_eq!(body(12)["data"]["objects"], "/apis/x/v2/a 1\n/api/v1/b");

    // A master that is older than the last change takes nothing back, but for one that is new.
    let own = noted["data"]["by"].as_str().unwrap();
    let newer = format!(
        r#"{{"metadata": {{"resourceVersion": "8"}}, "data": {{"by": "other", "older": "{own}", "objects": "/apis/x/v1/mine u"}}}}"#
    );
    let newer: &'static str = newer.leak();
    let api = Api::new(move |path, _| if path.starts_with(NOTES) { ("200 OK", newer) } else { ("200 OK", "{}") });
    let more = ["-inventory", "notes", "-keep", &all, "-report", &addons];
    let (code, lines, complaints) = api.apply(&program, "60s", &more);
    assert_eq!((code, lines[1]["got"][0].as_str()), (Some(0), Some("left to a master that is newer")), "{complaints}");
    assert_eq!(
        api.seen().iter().map(|request| request.line.as_str()).collect::<Vec<_>>(),
        [format!("GET {NOTES} HTTP/1.1")]
    );
    let (code, ..) = api.apply(&program, "60s", &[&["-fresh", &addons], &more[..]].concat());
    assert_eq!(code, Some(0));
    let body: Value = serde_json::from_str(&api.seen()[2].body).unwrap();
    assert_eq!((&body["data"]["by"], &body["data"]["older"]), (&own.into(), &"other".into()));
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
