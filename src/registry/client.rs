//! Requests to the registry of one master, over TLS with the lab's own certificates
//! (<https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md>).

use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use fs_err as fs;
use serde::Deserialize;
use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body, SendBody};

use super::names::Place;
use crate::cluster::{agent, failure};
use crate::download::PACE;
use crate::exec::signal;
use crate::lock::Blob;
use crate::pki;
use crate::plan::{Node, port};

/// How often is said how much was sent.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// How long a master may take to say that it takes a layer; then that goes anyway. As long as for any answer of it.
const ANSWER: Duration = Duration::from_secs(15);

/// The most that a list of tags may have: some hundred bytes each, so a hundred thousand of them.
const MAX_LIST: u64 = 64 << 20;

/// The most that is read of an error.
const MAX_ERROR: u64 = 64 << 10;

/// A tag as a master has it, or had.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tagged {
    #[serde(rename = "name")]
    pub repository: String,
    pub tag: String,
    /// What it leads to; `None` where it was removed.
    #[serde(default)]
    pub digest: Option<String>,
    /// Of its last change, in nanoseconds since 1970.
    pub time: i64,
}

/// An HTTPS client for the registries of one lab.
pub struct Client {
    agent: Agent,
}

/// A machine is there, and no registry yet.
#[derive(Debug)]
pub struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(
            "nothing listens there: its registry comes up with the cluster, on a machine that was made with one",
        )
    }
}

impl std::error::Error for Refused {}

/// What a master says whose data disk has no room for something.
#[derive(Debug)]
pub struct NoRoom(String);

impl std::fmt::Display for NoRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoRoom {}

/// What `look` hears while a blob goes: how many of its bytes have gone.
pub type Look<'l> = dyn FnMut(u64) + 'l;

impl Client {
    pub fn new(certificates: &pki::Client) -> Result<Self> {
        let agent = agent(&certificates.kubernetes_ca, &certificates.admin);
        Ok(Self { agent: agent.context("reading the certificates for the registry")? })
    }

    /// All tags that a master has, and had.
    pub fn images(&self, master: &Node) -> Result<Vec<Tagged>> {
        let url = url(master, "hab/images");
        let response = answer(&url, self.agent.get(&url).call())?;
        let body = expect(&url, response, &[StatusCode::OK])?.into_body();
        let list = body.into_with_config().limit(MAX_LIST).reader();
        serde_json::from_reader(std::io::BufReader::new(list)).with_context(|| format!("reading what {url} answers"))
    }

    /// Sends the blob in `file`, unless the master has it.
    pub fn blob(&self, master: &Node, repository: &str, blob: &Blob, file: &Path, look: &mut Look<'_>) -> Result<()> {
        let there = url(master, &format!("v2/{repository}/blobs/{}", blob.digest));
        if answer(&there, self.agent.head(&there).call())?.status() == StatusCode::OK {
            return Ok(());
        }
        let begin = url(master, &format!("v2/{repository}/blobs/uploads/"));
        let response = answer(&begin, self.agent.post(&begin).send_empty())?;
        let response = expect(&begin, response, &[StatusCode::ACCEPTED])?;
        let place = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
        let place = place.with_context(|| format!("{begin} does not say where to send the layer"))?;
        // It is told to give paths (`images/supply/source/registry/front.go`).
        let path = place.strip_prefix('/').with_context(|| format!("{begin} leads elsewhere"))?;
        let joint = if path.contains('?') { '&' } else { '?' };
        let to = url(master, &format!("{path}{joint}digest={}", blob.digest));
        let mut sent = Sent { file: fs::File::open(file)?, bytes: 0, said: Instant::now(), look };
        // At the slowest pace that is waited for.
        let patience =
            PACE.within.saturating_mul(u32::try_from(blob.size / PACE.bytes).unwrap_or(u32::MAX).saturating_add(1));
        let request = self.agent.put(&to).config().timeout_global(Some(patience));
        let request = request.timeout_await_100(Some(ANSWER)).build();
        let request = request.header(header::CONTENT_TYPE, "application/octet-stream");
        let request = request.header(header::CONTENT_LENGTH, blob.size);
        // So that a refusal comes before the layer: while that goes, nobody reads an answer.
        let request = request.header(header::EXPECT, "100-continue");
        let outcome = request.send(SendBody::from_reader(&mut sent));
        // What ended it counts, and not what became of the connection.
        signal::check()?;
        // The other address has what is nobody's business.
        expect(&there, answer(&there, outcome)?, &[StatusCode::CREATED]).map(drop)
    }

    /// Sends a manifest, under a tag or its own digest.
    pub fn manifest(
        &self,
        master: &Node,
        repository: &str,
        called: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Result<()> {
        let url = url(master, &format!("v2/{repository}/manifests/{called}"));
        let outcome = self.agent.put(&url).header(header::CONTENT_TYPE, media_type).send(bytes);
        expect(&url, answer(&url, outcome)?, &[StatusCode::CREATED]).map(drop)
    }

    /// Removes a tag; one that is not there is as good as removed.
    pub fn remove(&self, master: &Node, place: &Place) -> Result<()> {
        let url = url(master, &format!("v2/{}/manifests/{}", place.repository, place.tag));
        let response = answer(&url, self.agent.delete(&url).call())?;
        expect(&url, response, &[StatusCode::ACCEPTED, StatusCode::NOT_FOUND]).map(drop)
    }
}

/// A file on its way.
struct Sent<'a, 'l> {
    file: fs::File,
    bytes: u64,
    said: Instant,
    look: &'a mut Look<'l>,
}

impl Read for Sent<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        signal::check().map_err(std::io::Error::other)?;
        let read = self.file.read(buffer)?;
        self.bytes += read as u64;
        if self.said.elapsed() >= STATUS_EVERY {
            self.said = Instant::now();
            (self.look)(self.bytes);
        }
        Ok(read)
    }
}

fn url(master: &Node, path: &str) -> String {
    format!("https://{}:{}/{path}", master.address, port::REGISTRY)
}

/// The answer, or why there is none.
fn answer(url: &str, outcome: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>> {
    outcome.map_err(|error| {
        let why = match &error {
            ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => anyhow::Error::new(Refused),
            ureq::Error::Io(error)
                if matches!(error.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) =>
            {
                anyhow!("no machine is there")
            }
            other => anyhow!(failure(other)),
        };
        why.context(format!("asking {url}"))
    })
}

/// Refuses an answer with another status.
fn expect(url: &str, response: Response<Body>, wanted: &[StatusCode]) -> Result<Response<Body>> {
    let status = response.status();
    if wanted.contains(&status) {
        return Ok(response);
    }
    let body = response.into_body().into_with_config().limit(MAX_ERROR).read_to_string().unwrap_or_default();
    let why = format!("{url} answers {status}{}", said(&body));
    if status == StatusCode::INSUFFICIENT_STORAGE { Err(NoRoom(why).into()) } else { bail!(why) }
}

/// What a registry says of an error.
fn said(body: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |error: &serde_json::Value| {
        let text = |key: &str| error[key].as_str().map(str::to_owned);
        let detail = text("detail").or_else(|| Some(error["detail"].to_string()).filter(|text| text != "null"));
        [text("code"), text("message"), detail].into_iter().flatten().collect::<Vec<_>>().join(": ")
    };
    let all: String = errors.iter().flat_map(|error| [": ".to_owned(), line(error)]).collect();
    // Go says of a system's error the number alone (errno(3), `ENOSPC`).
    if all.contains("\"Err\":28") { ": no space left on the master's data disk".to_owned() } else { all }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_said_in_the_registrys_words() {
        let body = r#"{"errors":[{"code":"DENIED","message":"only the host"},{"code":"UNKNOWN","detail":{"a":1}}]}"#;
        assert_eq!(said(body), ": DENIED: only the host: UNKNOWN: {\"a\":1}");
        assert_eq!(said("<html>"), "");
        let full = r#"{"errors":[{"code":"UNKNOWN","detail":{"Enclosed":{"Op":"write","Path":"/x","Err":28}}}]}"#;
        assert_eq!(said(full), ": no space left on the master's data disk");
    }

    #[test]
    fn a_removed_tag_leads_nowhere() {
        let list = r#"[{"name":"a.b/c","tag":"1","digest":"sha256:d","time":1},{"name":"a.b/c","tag":"2","time":2}]"#;
        let list: Vec<Tagged> = serde_json::from_str(list).unwrap();
        assert_eq!(list[0].digest.as_deref(), Some("sha256:d"));
        assert_eq!(list[1].digest, None);
    }
}
