//! What goes wrong with a registry, in a user's words; and what is worth another try.

use anyhow::{Error, Result, anyhow};

use super::Fetcher;
use crate::exec::signal;
use crate::progress::StepHandle;

/// What skopeo says (its words, in lower case), what it means, and whether the next try may go better. The first that fits
/// counts.
const KNOWN: [(&[&str], &str, bool); 9] = [
    (
        &[
            "unauthorized",
            "authentication required",
            "denied: ",
            "is denied",
            "status code 401",
            "status code 403",
            "401 (",
            "403 (",
        ],
        "the registry gives it to nobody, or not to this user: log in with `skopeo login`, `podman login` or `docker login`, \
         or look at the name",
        false,
    ),
    (
        &["toomanyrequests", "too many requests", "status code 429", "429 ("],
        "the registry takes no more requests for now: log in, which most allow more, wait, or name a mirror (`registry.mirrors`)",
        true,
    ),
    (
        &["manifest unknown", "name unknown", "repository name not known", "status code 404", "404 ("],
        "the registry has no such image: look at name and tag",
        false,
    ),
    (
        &["digest did not match", "does not match", "invalid checksum"],
        "what came has another digest than it should have: somebody changed it on the way, or in the registry",
        false,
    ),
    (
        &["x509:", "certificate"],
        "the registry's certificate is signed by nobody that this machine trusts: add its authority to the machine's \
         (/usr/local/share/ca-certificates) or to SSL_CERT_FILE",
        false,
    ),
    (
        &["server gave http response to https client"],
        "it speaks plain HTTP: if that is meant, name it in `registry.insecure`",
        false,
    ),
    (
        &["no such host", "connection refused", "network is unreachable", "no route to host", "name resolution"],
        "the registry can't be reached: look at its name and at the network, or name a mirror (`registry.mirrors`)",
        false,
    ),
    (
        &[
            "status code 5",
            "received unexpected http status: 5",
            "500 internal",
            "502 bad",
            "503 service",
            "504 gateway",
            "(500",
            "(503",
        ],
        "the registry has trouble",
        true,
    ),
    (
        &[
            "unexpected eof",
            "connection reset",
            "broken pipe",
            "i/o timeout",
            "deadline exceeded",
            "handshake timeout",
            ": eof",
            "happened during read",
        ],
        "the connection breaks off",
        true,
    ),
];

/// How skopeo begins the line that says why it gave up, and what else it says.
const FATAL: &str = "level=fatal msg=";

/// Does `work` again, after a while, as long as what went wrong may pass.
///
/// # Errors
/// It did not pass, and what it means.
pub fn patiently<T>(fetcher: &Fetcher<'_>, step: &StepHandle<'_>, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let mut pauses = fetcher.pauses.iter();
    loop {
        let error = match work() {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let Verdict { said, meaning } = assess(&error);
        let Some(Meaning { why, passes }) = meaning else { return Err(said.map_or(error, |said| anyhow!("{said}"))) };
        let said = said.unwrap_or_else(|| format!("{error:#}"));
        let Some(pause) = pauses.next().filter(|_| passes) else { return Err(anyhow!("{why} ({said})")) };
        step.note(&format!("{why} ({said}); trying again in {} s", pause.as_secs()));
        signal::pause(*pause)?;
    }
}

/// What went wrong.
#[derive(Debug, PartialEq, Eq)]
struct Verdict {
    /// What skopeo said at last.
    said: Option<String>,
    /// What that means, if it is known.
    meaning: Option<Meaning>,
}

#[derive(Debug, PartialEq, Eq)]
struct Meaning {
    /// In a user's words.
    why: &'static str,
    /// Whether the next try may go better.
    passes: bool,
}

fn assess(error: &Error) -> Verdict {
    let all = format!("{error:#}");
    let said = fatal(&all);
    let words = said.clone().unwrap_or(all).to_lowercase();
    let known = KNOWN.iter().find(|(signs, _, _)| signs.iter().any(|sign| words.contains(sign)));
    Verdict { said, meaning: known.map(|(_, why, passes)| Meaning { why, passes: *passes }) }
}

/// The text of skopeo's last message, as logrus writes it: quoted as Go quotes.
fn fatal(said: &str) -> Option<String> {
    let line = said.lines().rev().find(|line| line.contains(FATAL))?;
    let (_, text) = line.split_once(FATAL)?;
    let text = text.trim().trim_start_matches('"').trim_end_matches('"').replace("\\\"", "\"");
    // What it was asked for is said already.
    let text = text
        .strip_prefix("Error parsing image name ")
        .and_then(|rest| rest.split_once("\": "))
        .map_or(text.as_str(), |(_, rest)| rest)
        .to_owned();
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skopeos_last_words_are_read_and_understood() {
        for (text, known, passes) in [
            (
                "Error parsing image name \\\"docker://a/b:9\\\": reading manifest 9 in a/b: manifest unknown",
                "no such image",
                false,
            ),
            (
                "pinging container registry a: Get \\\"https://a/v2/\\\": dial tcp: lookup a: no such host",
                "can't be reached",
                false,
            ),
            ("reading manifest: received unexpected HTTP status: 500 Internal Server Error", "has trouble", true),
            ("reading blob sha256:1: unauthorized: authentication required", "log in", false),
            ("unknown: toomanyrequests: slow down", "no more requests", true),
        ] {
            let error = anyhow!(
                "`skopeo` ended with 1\n  time=\"x\" level=info msg=\"y\"\n  time=\"x\" level=fatal msg=\"{text}\""
            );
            let verdict = assess(&error);
            let meaning = verdict.meaning.unwrap();
            assert!(meaning.why.contains(known) && meaning.passes == passes, "{text}: {}", meaning.why);
            assert!(!verdict.said.unwrap().contains("Error parsing"));
        }
        assert_eq!(assess(&anyhow!("disk full")), Verdict { said: None, meaning: None });
    }
}
