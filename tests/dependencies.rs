//! What hab is linked with: licences, sources, and crates that may not come back.
//!
//! This is what `cargo deny check licenses bans sources` would say, from `cargo metadata`. cargo-deny itself is a build
//! of several hundred crates, longer than all of hab, on every new machine that runs the tests; and its fourth check,
//! advisories, needs a database from the network, which a test must not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test may panic; clippy knows only test functions"
)]

use std::process::Command;

use serde_json::Value;

/// Licences that ask for no more than their text and name with the program (SPDX identifiers).
const LICENCES: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    // Data: Mozilla's list of certificate authorities.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates that are not to be used, and why.
const BANNED: [(&str, &str); 7] = [
    ("serde_yml", "unsound and archived (RUSTSEC-2025-0068); yaml_serde is used"),
    ("serde_yaml", "not maintained any more; yaml_serde is used"),
    ("openssl-sys", "hab speaks TLS with rustls and has no C library to build"),
    ("native-tls", "hab speaks TLS with rustls and has no C library to build"),
    ("reqwest", "brings an async runtime for a handful of requests; ureq is used"),
    ("tokio", "nothing here waits for thousands of things at once; threads are used"),
    ("chrono", "two libraries for time are one too many; time is used"),
];

/// Every package in Cargo.lock that is used on this machine.
fn packages() -> Vec<Value> {
    let cargo = |args: &[&str]| {
        let output = Command::new(env!("CARGO")).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let about = String::from_utf8(Command::new("rustc").arg("-vV").output().expect("rustc, by rustup").stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let args = ["metadata", "--offline", "--locked", "--format-version=1", "--filter-platform", host];
    let metadata: Value = serde_json::from_slice(&cargo(&args)).unwrap();
    let packages = metadata["packages"].as_array().unwrap().clone();
    assert!(packages.len() > 100);
    packages
}

fn name(package: &Value) -> String {
    format!("{} {}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap())
}

/// Whether an SPDX expression can be met with the licences above (SPDX 2.3, annex D). `/` is how `OR` was once written.
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = any(&words);
    met && rest.is_empty()
}

fn any<'a, 'b>(words: &'a [&'b str]) -> (bool, &'a [&'b str]) {
    let (mut met, mut rest) = all(words);
    while let ["OR", more @ ..] = rest {
        let (other, after) = all(more);
        (met, rest) = (met | other, after);
    }
    (met, rest)
}

fn all<'a, 'b>(words: &'a [&'b str]) -> (bool, &'a [&'b str]) {
    let (mut met, mut rest) = one(words);
    while let ["AND", more @ ..] = rest {
        let (other, after) = one(more);
        (met, rest) = (met & other, after);
    }
    (met, rest)
}

fn one<'a, 'b>(words: &'a [&'b str]) -> (bool, &'a [&'b str]) {
    match words {
        ["(", inside @ ..] => match any(inside) {
            (met, [")", rest @ ..]) => (met, rest),
            (_, rest) => (false, rest),
        },
        // An exception only gives more.
        [licence, "WITH", _, rest @ ..] | [licence, rest @ ..] => (LICENCES.contains(licence), rest),
        [] => (false, words),
    }
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    for good in
        ["MIT", "GPL-3.0 OR MIT", "MIT/Apache-2.0", "(GPL-3.0 OR MIT) AND ISC", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(allowed(good), "{good}");
    }
    for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT)", "GPL-3.0 OR LGPL-2.1"] {
        assert!(!allowed(bad), "{bad}");
    }
}

#[test]
fn every_licence_is_one_of_ours() {
    for package in packages() {
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(allowed(licence), "{} has the licence {licence:?}", name(&package));
    }
}

#[test]
fn everything_comes_from_the_registry_with_a_checksum() {
    for package in packages().iter().filter(|package| package["name"] != "hab") {
        let source = package["source"].as_str().unwrap_or("a path");
        assert!(source.starts_with("registry+https://"), "{} comes from {source}", name(package));
    }
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    let count = |what: &str| lock.lines().filter(|line| line.starts_with(what)).count();
    assert_eq!(count("checksum = \""), count("source = \"registry+"));
}

#[test]
fn nothing_banned_has_come_back() {
    for package in packages() {
        let banned = BANNED.iter().find(|(banned, _)| package["name"] == *banned);
        assert!(banned.is_none(), "{}: {}", name(&package), banned.unwrap().1);
    }
}

#[test]
fn no_crate_hab_names_is_there_in_two_versions() {
    let packages = packages();
    let own = packages.iter().find(|package| package["name"] == "hab").unwrap();
    for wanted in own["dependencies"].as_array().unwrap().iter().filter(|wanted| wanted["kind"].is_null()) {
        let there: Vec<String> =
            packages.iter().filter(|package| package["name"] == wanted["name"]).map(name).collect();
        // An older one that a dependency still names can't be helped; it is named here, in the open.
        let known = ["base64", "getrandom"].iter().any(|known| wanted["name"] == *known);
        assert!(known || there.len() == 1, "{there:?}");
    }
}
