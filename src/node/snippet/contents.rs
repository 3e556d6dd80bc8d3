//! What is to be in a file: a `data:` URL, perhaps compressed, perhaps with a hash.

use std::io::{Cursor, Read};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::MultiGzDecoder;
use ignition_config::v3_3::Resource;
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha512};

use super::data_url;
use crate::digest::hex;

/// Whether there is something to write. It is looked at as the node would (Ignition 2.14, `internal/resource/url.go`):
/// unpacked, and held against its hash.
pub fn check(contents: &Resource) -> Result<bool> {
    ensure!(contents.http_headers.as_ref().is_none_or(Vec::is_empty), "it has httpHeaders, which only http: URLs have");
    let hash = contents.verification.as_ref().and_then(|verification| verification.hash.as_deref());
    let compression = contents.compression.as_deref().unwrap_or_default();
    let Some(source) = &contents.source else {
        // `config/v3_3/types/resource.go`.
        ensure!(hash.is_none(), "it has a hash, but no source");
        ensure!(compression.is_empty(), "it has a compression, but no source");
        return Ok(false);
    };
    let data = data_url::decode(source)?;
    let mut digest = hash.map(Hash::new).transpose()?;
    match compression {
        "" => read(&mut data.as_slice(), &mut digest)?,
        "gzip" => {
            ensure!(!data.is_empty(), "its source is empty, which is no gzip");
            read(&mut MultiGzDecoder::new(Cursor::new(data)), &mut digest).context("its source is damaged gzip")?;
        }
        other => bail!("its compression {other:?} is not gzip"),
    }
    digest.map_or(Ok(()), Hash::check)?;
    Ok(true)
}

/// Reads in pieces: a megabyte of gzip may be a gigabyte.
fn read(from: &mut dyn Read, digest: &mut Option<Hash>) -> Result<()> {
    let mut piece = [0; 1 << 14];
    loop {
        let length = from.read(&mut piece)?;
        if length == 0 {
            return Ok(());
        }
        if let Some(hash) = digest {
            hash.digest.update(&piece[..length]);
        }
    }
}

/// A hash as Ignition writes it, `FUNCTION-HEX` (`config/v3_3/types/verification.go`), and one that is being made.
struct Hash<'a> {
    said: &'a str,
    sum: &'a str,
    digest: Box<dyn DynDigest>,
}

impl<'a> Hash<'a> {
    fn new(said: &'a str) -> Result<Self> {
        let (digest, sum): (Box<dyn DynDigest>, _) = match said.split_once('-') {
            Some(("sha256", sum)) => (Box::new(Sha256::default()), sum),
            Some(("sha512", sum)) => (Box::new(Sha512::default()), sum),
            _ => bail!("its hash {said:?} is neither sha256-HEX nor sha512-HEX"),
        };
        Ok(Self { said, sum, digest })
    }

    fn check(self) -> Result<()> {
        let found = hex(&self.digest.finalize());
        ensure!(self.sum.eq_ignore_ascii_case(&found), "its hash is {found}, and not {}", self.said);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn checked(contents: Value) -> Result<bool, String> {
        check(&serde_json::from_value(contents).unwrap()).map_err(|error| format!("{error:#}"))
    }

    const HI_256: &str = "sha256-8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4";
    const HI_512: &str = "sha512-150a14ed5bea6cc731cf86c41566ac427a8db48ef1b9fd626664b3bfbb99071fa4c922f33dde38719b8c8354e2b7ab9d77e0e67fc12843920a712e73d558e197";
    /// `printf hi | gzip -n`.
    const GZIP: &str = "data:;base64,H4sIAAAAAAAAA8vIBACsKpPYAgAAAA==";

    #[test]
    fn a_hash_is_that_of_the_unpacked_contents() {
        for hash in [HI_256, HI_512, &HI_256.replace("8f43", "8F43")] {
            assert_eq!(checked(json!({"source": "data:,hi", "verification": {"hash": hash}})), Ok(true));
            let packed = json!({"source": GZIP, "compression": "gzip", "verification": {"hash": hash}});
            assert_eq!(checked(packed), Ok(true));
        }
        assert_eq!(checked(json!({})), Ok(false));
        assert_eq!(checked(json!({"source": "data:,hi", "compression": "", "verification": {}})), Ok(true));
    }

    #[test]
    fn what_ignition_would_fail_at_is_refused() {
        let hash = |hash: &str| json!({"source": "data:,hi", "verification": {"hash": hash}});
        let packed = |source: &str| json!({"source": source, "compression": "gzip"});
        for (contents, why) in [
            (hash(""), "neither sha256-HEX nor sha512-HEX"),
            (hash("sha1-00"), "neither sha256-HEX nor sha512-HEX"),
            (hash("sha256-00"), "not sha256-00"),
            (hash(&HI_256.replace("8f43", "8f44")), "its hash is 8f43"),
            (hash(&HI_256.replace("sha256", "sha512")), "its hash is 150a"),
            (json!({"verification": {"hash": HI_256}}), "no source"),
            (json!({"compression": "gzip"}), "no source"),
            (json!({"source": "data:,hi", "compression": "zip"}), "\"zip\" is not gzip"),
            (packed("data:,hi"), "damaged gzip"),
            (packed("data:,"), "no gzip"),
            (packed(&GZIP.replace("8vI", "8vJ")), "damaged gzip"),
            (packed(&GZIP.replace("AgAAAA==", "AgAAAHg=")), "damaged gzip"),
            (json!({"source": "data:,hi", "httpHeaders": [{"name": "X", "value": "y"}]}), "httpHeaders"),
        ] {
            let error = checked(contents.clone()).unwrap_err();
            assert!(error.contains(why), "{contents}: {error}");
        }
    }
}
