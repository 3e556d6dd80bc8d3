//! Who signed a file, from what gpgv says of it. Its exit code says less: it is 0 for any key of the ring.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The fingerprint of the primary key.
    pub by: String,
    /// When, in seconds since 1970.
    pub at: u64,
}

/// What gpgv says of a signature, one of them each time.
const VERDICTS: [&str; 6] = ["GOODSIG", "EXPKEYSIG", "EXPSIG", "REVKEYSIG", "BADSIG", "ERRSIG"];

/// Reads gpgv's status lines (`GnuPG` `doc/DETAILS`): one signature, good, and of the key `primary`, if that is known.
/// A signing key that has expired since is fine: an image outlives it.
///
/// # Errors
/// It is not so; the message says how.
pub fn assess(status: &str, primary: Option<&str>) -> Result<Signed> {
    let lines: Vec<Vec<&str>> = status
        .lines()
        .filter_map(|line| line.strip_prefix("[GNUPG:] "))
        .map(|line| line.split(' ').collect())
        .collect();
    let all = |word: &str| lines.iter().filter(move |line| line[0] == word).collect::<Vec<_>>();
    let begun = all("NEWSIG").len();
    ensure!(begun > 0, "the signature's file has no signature in it");
    ensure!(begun == 1, "the signature's file has {begun} signatures in it instead of one");
    let mut verdicts = lines.iter().filter(|line| VERDICTS.contains(&line[0]));
    let verdict = verdicts.next().context("gpgv came to no verdict")?;
    ensure!(verdicts.next().is_none(), "gpgv came to more than one verdict on one signature");
    match verdict[0] {
        "GOODSIG" | "EXPKEYSIG" => {}
        "BADSIG" => bail!("the file is not the one that was signed: it was changed or cut off, or is another"),
        "REVKEYSIG" => bail!("it is signed with a key that its owner has revoked"),
        "EXPSIG" => bail!("the signature was for a time that is over"),
        _ => bail!("it is signed with a key that is not the vendor's, {}", verdict.get(1).unwrap_or(&"")),
    }
    let valid = all("VALIDSIG");
    let [valid] = valid[..] else { bail!("gpgv names no key with a good signature") };
    // VALIDSIG, the signing key's fingerprint, the day, the time, ..., the primary key's fingerprint.
    let by = valid.last().copied().unwrap_or_default();
    ensure!(valid.len() >= 11 && by.len() >= 40, "gpgv names no primary key");
    if let Some(primary) = primary {
        ensure!(by == primary, "it is signed with a key of {by}, and the vendor's is {primary}");
    }
    Ok(Signed { by: by.to_owned(), at: valid[3].parse().context("reading when it was signed")? })
}

/// Keys as a keyring: gpgv takes them only without their armor (RFC 9580, 6.2).
///
/// # Errors
/// The armor is damaged.
pub fn keyring(bytes: &[u8]) -> Result<Vec<u8>> {
    const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| text.contains(BEGIN)) else {
        return Ok(bytes.to_owned());
    };
    let lines = text.lines().map(str::trim_end).skip_while(|line| *line != BEGIN).skip(1);
    // Headers, up to an empty line.
    let mut lines = lines.skip_while(|line| !line.is_empty());
    let body: Vec<&str> = lines.by_ref().take_while(|line| *line != END).collect();
    ensure!(text.contains(END), "the key's file has no end");
    // The last line is a checksum, of no use against whoever changes it.
    let body: String = body.into_iter().filter(|line| !line.starts_with('=')).collect();
    BASE64_STANDARD.decode(body).context("reading the key's file")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIMARY: &str = "F88CFEDEFF29A5B4D9523864E25D9AED0593B34A";
    const OTHER: &str = "36F612DCF27F7D1A48A835E4DBFCF71C6D9F90A6";

    fn status(verdict: &str) -> String {
        format!(
            "[GNUPG:] NEWSIG\n[GNUPG:] KEY_CONSIDERED {PRIMARY} 0\n[GNUPG:] {verdict} 32DA80F91EF52974 Some One <a@b>\n\
             [GNUPG:] VALIDSIG 52F145DFD00BBDCD928CBB5A32DA80F91EF52974 2026-07-01 1782900000 0 4 0 1 10 00 {PRIMARY}\n"
        )
    }

    #[test]
    fn a_good_signature_names_its_primary_key_and_its_time() {
        let signed = Signed { by: PRIMARY.to_owned(), at: 1_782_900_000 };
        for verdict in ["GOODSIG", "EXPKEYSIG"] {
            assert_eq!(assess(&status(verdict), Some(PRIMARY)).unwrap(), signed);
            assert_eq!(assess(&status(verdict), None).unwrap(), signed);
        }
    }

    #[test]
    fn anything_else_is_refused_by_name() {
        let good = status("GOODSIG");
        let error = assess(&good, Some(OTHER)).unwrap_err().to_string();
        assert!(error.contains(PRIMARY) && error.contains(OTHER), "{error}");
        for (status, why) in [
            (status("BADSIG"), "not the one that was signed"),
            (status("REVKEYSIG"), "revoked"),
            (status("EXPSIG"), "a time that is over"),
            (status("ERRSIG"), "not the vendor's, 32DA80F91EF52974"),
            (good.clone() + &good, "2 signatures"),
            ("[GNUPG:] NODATA 4\n".to_owned(), "no signature in it"),
            (String::new(), "no signature in it"),
            ("[GNUPG:] NEWSIG\n".to_owned(), "no verdict"),
            (format!("{good}[GNUPG:] BADSIG 1 x\n"), "more than one verdict"),
            (good.lines().take(3).collect::<Vec<_>>().join("\n"), "names no key"),
            (good.replace(&format!(" {PRIMARY}\n"), "\n"), "names no primary key"),
            // The same words outside of a status line are a user id's or a warning's.
            (good.replace("[GNUPG:] ", "gpgv: "), "no signature in it"),
        ] {
            let error = assess(&status, Some(PRIMARY)).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
    }

    #[test]
    fn armor_is_taken_off_and_damage_seen() {
        let armored = "words\n-----BEGIN PGP PUBLIC KEY BLOCK-----\nComment: x\n\naGVs\nbG8=\n=abcd\n\
                       -----END PGP PUBLIC KEY BLOCK-----\n";
        assert_eq!(keyring(armored.as_bytes()).unwrap(), b"hello");
        assert_eq!(keyring(b"\x99binary").unwrap(), b"\x99binary");
        for damaged in [armored.replace("aGVs", "a*Vs"), armored.replace("-----END", "-----")] {
            assert!(keyring(damaged.as_bytes()).is_err());
        }
    }
}
