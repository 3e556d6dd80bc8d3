//! What goes over a node's shell port: a JSON object a line, each with the session's id. The other end is
//! `images/supply/source/probe/shell.go`, which says how it works.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How many numbered frames may be on their way in a direction.
pub const WINDOW: u64 = 6;

/// How many bytes of input are in a frame.
pub const PIECE: usize = 720;

/// What this end says.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HostFrame {
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<Request>,
    #[serde(skip_serializing_if = "is_zero")]
    pub n: u64,
    #[serde(rename = "in", skip_serializing_if = "Vec::is_empty", serialize_with = "to_base64")]
    pub input: Vec<u8>,
    #[serde(skip_serializing_if = "is_false")]
    pub eof: bool,
    #[serde(skip_serializing_if = "is_zero")]
    pub ack: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cols: Option<u16>,
    #[serde(skip_serializing_if = "is_false")]
    pub end: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub alive: bool,
}

/// What is to run, and on what terminal, if on any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Request {
    /// The program and its arguments; none for the node's own shell.
    pub argv: Vec<String>,
    /// What `TERM` says: there is a terminal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// Its size in lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u16>,
    /// Its size in columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cols: Option<u16>,
}

/// What the node says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct GuestFrame {
    pub id: String,
    pub hello: bool,
    pub n: u64,
    #[serde(deserialize_with = "from_base64")]
    pub out: Vec<u8>,
    #[serde(deserialize_with = "from_base64")]
    pub err: Vec<u8>,
    pub exit: Option<u8>,
    pub why: String,
    pub ack: u64,
    pub gone: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_line_without_what_it_does_not_say() {
        let line = |frame: &HostFrame| serde_json::to_string(frame).unwrap();
        let id = "a".to_owned();
        assert_eq!(
            line(&HostFrame { id: id.clone(), n: 2, input: vec![0, 255], ..HostFrame::default() }),
            r#"{"id":"a","n":2,"in":"AP8="}"#
        );
        let argv = vec!["id".to_owned()];
        let open = Some(Request { argv, term: None, rows: None, cols: None });
        assert_eq!(line(&HostFrame { id, open, ..HostFrame::default() }), r#"{"id":"a","open":{"argv":["id"]}}"#);
    }

    #[test]
    fn what_a_node_says_is_read() {
        let frame: GuestFrame = serde_json::from_str(r#"{"id":"a","n":3,"out":"AP8=","later":1}"#).unwrap();
        assert_eq!((frame.n, frame.out, frame.exit), (3, vec![0, 255], None));
        let frame: GuestFrame = serde_json::from_str(r#"{"id":"a","n":4,"exit":130}"#).unwrap();
        assert_eq!(frame.exit, Some(130));
        serde_json::from_str::<GuestFrame>(r#"{"id":"a","out":"no base64"}"#).unwrap_err();
    }
}
