//! The members of etcd, through its JSON gateway (<https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/>).

use std::io::Write;
use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::Client;

/// A member of etcd, as the others know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its number, which JSON has as text.
    #[serde(rename(deserialize = "ID"))]
    pub id: String,
    /// The node's name; a member that has never started has none.
    #[serde(default)]
    pub name: String,
    /// Where the other members reach it.
    #[serde(default, rename(deserialize = "peerURLs"))]
    pub peers: Vec<String>,
    /// It has not caught up yet, and counts for no majority.
    #[serde(default, rename(deserialize = "isLearner"))]
    pub learner: bool,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<Member>,
}

/// All members, as the one at `address` knows them.
///
/// # Errors
/// It does not answer, or there is no majority.
pub(super) fn members(client: &Client, address: Ipv4Addr) -> Result<Vec<Member>> {
    let answer = client.etcd(address, "v3/cluster/member/list", &json!({}))?;
    Ok(serde_json::from_value::<Members>(answer).context("reading the members of etcd")?.members)
}

/// Removes a member, by the one at `address`.
///
/// # Errors
/// It does not answer, or etcd refuses, because those that remain would be no majority that is well.
pub(super) fn remove(client: &Client, address: Ipv4Addr, member: &Member) -> Result<()> {
    let answer: Value = client.etcd(address, "v3/cluster/member/remove", &json!({ "ID": member.id }))?;
    ensure!(answer["members"].is_array(), "etcd does not say that it removed {}", member.name);
    Ok(())
}

/// A part of a snapshot.
#[derive(Deserialize)]
struct Chunk {
    /// Bytes as base64; none in an empty message.
    #[serde(default)]
    blob: String,
}

/// Writes the whole database of the member at `address` to `out`, with its digest behind it: what `etcdctl snapshot save`
/// writes.
///
/// # Errors
/// It does not answer, the answer breaks off, or `out` can't be written.
pub(super) fn snapshot(client: &Client, address: Ipv4Addr, out: &mut dyn Write) -> Result<()> {
    client.etcd_stream(address, "v3/maintenance/snapshot", |chunk: Chunk| {
        let bytes = BASE64.decode(chunk.blob).context("reading the database of etcd")?;
        out.write_all(&bytes).context("writing the database of etcd")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_from_what_etcd_says() {
        let text = r#"{"header":{"cluster_id":"1"},"members":[
            {"ID":"6427939434562869294","name":"etcd-01","peerURLs":["https://192.168.56.11:2380"],"clientURLs":["x"]},
            {"ID":"7","peerURLs":["https://192.168.56.12:2380"],"isLearner":true}]}"#;
        let members = serde_json::from_str::<Members>(text).unwrap().members;
        assert_eq!(members.iter().map(|member| member.name.as_str()).collect::<Vec<_>>(), ["etcd-01", ""]);
        assert_eq!(members.iter().map(|member| member.learner).collect::<Vec<_>>(), [false, true]);
        assert_eq!((members[0].id.as_str(), members[1].peers.len()), ("6427939434562869294", 1));
    }
}
