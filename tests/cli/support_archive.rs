//! `hab support`: all that a helper needs, and nothing that a helper must not have.

use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;

use super::support::{Test, files};

/// The texts in an archive, by their paths.
fn unpack(path: &Path) -> Vec<(String, String)> {
    let mut archive = tar::Archive::new(GzDecoder::new(std::fs::File::open(path).unwrap()));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (entry.path().unwrap().to_string_lossy().into_owned(), text)
    });
    entries.collect()
}

/// Every line of every private key below `folder` that can stand for it, and every password.
fn secrets(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in files(folder).iter().filter(|name| !name.ends_with('/')) {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        let keys = text.split("-----BEGIN ").filter(|part| part.contains("PRIVATE KEY-----"));
        found.extend(keys.filter_map(|key| key.lines().nth(1)).map(str::to_owned));
        if name.ends_with(".password") {
            found.push(text.trim().to_owned());
        }
    }
    found
}

/// Whether one of the secrets is in the text, as it is or in base64.
fn tells(text: &str, secrets: &[String]) -> bool {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c));
    let decoded = words.filter(|word| word.len() > 40).filter_map(|word| engine.decode(word).ok());
    let all: Vec<String> = decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    secrets.iter().any(|secret| text.contains(secret) || all.iter().any(|text| text.contains(secret)))
}

#[test]
fn an_archive_helps_and_tells_no_secret() {
    let lab = "lab: demo\nhaproxy: {stats: {enabled: true}}\nignition: {worker: mine.ign}\n";
    let snippet = r#"{"ignition": {"version": "3.3.0"}, "storage": {"files": [{"path": "/etc/mine", "contents": {"source": "data:,hunter2"}}]}}"#;
    let test = Test::new().file("hab.yaml", lab).file("mine.ign", snippet).run(["render"]).code(0).then();
    let secrets = secrets(&test.path().join("private"));
    assert!(secrets.len() > 20, "{} secrets", secrets.len());
    // The search finds what there is to be found: as text, in base64, and a password.
    let read = |path: &str| std::fs::read_to_string(test.path().join(path)).unwrap();
    let kubeconfig = read("out/kubeconfig");
    let key = read("private/host.pem");
    let password = read("private/haproxy-stats.password");
    for text in [&kubeconfig, &key, &password] {
        assert!(tells(text, &secrets));
    }
    // A node that says on its console what it should not, and reports that have it.
    let console = format!("before\r\n{key}{kubeconfig}password {password}after\r\n");
    let test = test.file("out/console/etcd-01.log", &console).file("out/report/etcd.json", &key);
    let ran = test.run(["support", "x.tar.gz"]).code(0).prints("look through it before you send it");
    let ran = ran.mode_is("x.tar.gz", 0o600);
    let archive = unpack(&ran.then().path().join("x.tar.gz"));
    let of = |name: &str| {
        let path = format!("hab-support-demo/{name}");
        &archive.iter().find(|(found, _)| *found == path).unwrap_or_else(|| panic!("there is no {path}")).1
    };
    for (name, text) in &archive {
        assert!(!tells(text, &secrets) && !text.contains("PRIVATE KEY") && !text.contains("hunter2"), "{name}: {text}");
    }
    let console = of("out/console/etcd-01.log");
    assert!(
        console.starts_with("before") && console.ends_with("after\r\n") && console.contains("[hidden"),
        "{console}"
    );
    assert!(of("hab.yaml").contains("lab: demo") && of("out/nodes.json").contains("etcd-01"));
    assert!(of("plan.json").contains("192.168.56.11") && of("versions.txt").starts_with("hab "));
    assert!(of("machines.json").contains("\"state\": \"not-created\""));
    assert!(of("status.json").contains("\"ready\": false"));
    // No machine is there to be asked, and it says so.
    assert!(of("nodes/etcd-01/journal.txt").contains("not to be had"));
}
