//! `data:` URLs (RFC 2397), as far as Ignition reads them: dataurl 1.0.0, `lex.go` and `rfc2396.go`, behind Go's
//! `net/url`. Quoted parameters and fragments, which the two of them read in different ways, are refused.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// How a media type may begin; `x-...` may be anything (`isDiscreteType` and `isCompositeType`).
const TYPES: [&str; 8] = ["text", "image", "audio", "video", "application", "message", "multipart", "x-"];

/// The bytes that a URL carries.
pub fn decode(url: &str) -> Result<Vec<u8>> {
    let Some(rest) = url.strip_prefix("data:") else {
        bail!("its source is not a data: URL, and nodes have no network to fetch it from");
    };
    let (head, data) = rest.split_once(',').context("its source is a data: URL without a comma")?;
    let (head, base64) = match head.strip_suffix(";base64") {
        Some(head) => (head, true),
        None => (head, false),
    };
    let mut parts = head.split(';');
    let media = parts.next().unwrap_or_default();
    ensure!(media.is_empty() || is_media_type(media), "its source has the media type {media:?}, which is none");
    for parameter in parts {
        let good = parameter.split_once('=').is_some_and(|(name, value)| is_token(name) && is_token(value));
        ensure!(good, "its source has the parameter {parameter:?}, which is not NAME=VALUE");
    }
    if base64 {
        return BASE64.decode(data).context("its source is not base64");
    }
    unescape(data)
}

fn is_media_type(media: &str) -> bool {
    media.split_once('/').is_some_and(|(kind, sub)| {
        is_token(kind) && is_token(sub) && TYPES.iter().any(|beginning| kind.starts_with(beginning))
    })
}

/// `isTokenRune`; without `#`, where a URL's fragment begins, and `%`, which would be unescaped.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !r#"()<>@,;:\"/[]?=#%"#.contains(c))
}

/// `isURLCharRune` and `Unescape`.
fn unescape(data: &str) -> Result<Vec<u8>> {
    let bad = |c: char| !c.is_ascii_graphic() || r#"<>#"{}|\^[]`"#.contains(c);
    if let Some(bad) = data.chars().find(|c| bad(*c)) {
        bail!("its source has {bad:?} in its data; write that as %XX, or take base64");
    }
    let mut parts = data.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        // All of it is ASCII.
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.context("its source has a % without two hexadecimal digits behind it")?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_carries() {
        for (url, bytes) in [
            ("data:,", &b""[..]),
            ("data:;base64,", b""),
            ("data:,hi%0a%41", b"hi\nA"),
            ("data:,a,b;base64?c", b"a,b;base64?c"),
            ("data:;base64,aGk=", b"hi"),
            ("data:text/plain;charset=utf-8;base64,aGk=", b"hi"),
            ("data:x-mine/x;a=b,hi", b"hi"),
        ] {
            assert_eq!(decode(url).unwrap(), bytes, "{url}");
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        for (url, why) in [
            ("http://10.0.0.1/x", "no network"),
            ("DATA:,x", "no network"),
            ("", "no network"),
            ("data:x", "without a comma"),
            ("data:text/plain;foo,x", "\"foo\""),
            ("data:;base64;a=b,x", "\"base64\""),
            ("data:,%zz", "hexadecimal"),
            ("data:,%4", "hexadecimal"),
            ("data:,%", "hexadecimal"),
            ("data:,%+1", "hexadecimal"),
            ("data:,a b", "' '"),
            ("data:,é", "'é'"),
            ("data:,x#y", "'#'"),
            ("data:texd/plain,x", "\"texd/plain\""),
            ("data:text,x", "\"text\""),
            ("data:text/plain;a=\"b\",x", "NAME=VALUE"),
            ("data:;base64,@@@", "not base64"),
            ("data:;base64,aGk", "not base64"),
            ("data:;base64,aG%6b=", "not base64"),
        ] {
            let error = format!("{:#}", decode(url).unwrap_err());
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
