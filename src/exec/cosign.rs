//! cosign: who has signed a file with a key of the moment. Sigstore gave them a certificate for it, and its public log has when;
//! cosign asks both, so it needs the internet.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Tool;

/// The program.
#[derive(Debug, Clone)]
pub struct Cosign(PathBuf);

/// A file, what its publisher has put beside it, and who must have signed it.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The file.
    pub file: &'a Path,
    /// Its signature.
    pub signature: &'a Path,
    /// The certificate of the key that made it.
    pub certificate: &'a Path,
    /// To whom the certificate must have been given, such as an address of mail.
    pub identity: &'a str,
    /// Who must have said that it was them, such as `https://accounts.google.com`.
    pub issuer: &'a str,
}

impl Cosign {
    /// This host's.
    ///
    /// # Errors
    /// It has none; the message says how to get it.
    pub fn find() -> Result<Self> {
        Ok(Self(Tool::find("cosign", "cosign")?.program))
    }

    /// The one at this path.
    #[must_use]
    pub const fn at(program: PathBuf) -> Self {
        Self(program)
    }

    /// Returns if it is so.
    ///
    /// # Errors
    /// It is not, or cosign can't ask; the message has cosign's words.
    pub fn verify(&self, signed: &Signed<'_>) -> Result<()> {
        let tool = Tool::at(self.0.clone())?.args(["verify-blob", "--signature"]).arg(signed.signature);
        let tool = tool.arg("--certificate").arg(signed.certificate);
        let tool = tool.args(["--certificate-identity", signed.identity, "--certificate-oidc-issuer", signed.issuer]);
        tool.arg("--").arg(signed.file).run()
    }
}
