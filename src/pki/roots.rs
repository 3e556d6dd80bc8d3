//! The roots of a lab: three authorities and the key that signs service-account tokens. They are made together, once,
//! and never replaced: whatever is wrong with them is the user's to decide.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use rcgen::{KeyPair, PublicKeyData as _};
use time::OffsetDateTime;

use super::authority::{self, Authority};
use super::files;
use super::pairs::Pair;
use super::profiles::Ca;
use super::secret::Secret;
use crate::atomic_fs;
use crate::pem;

/// The folder of the roots, in the lab's private one.
pub const AUTHORITIES: &str = "ca";

/// What a folder that is being filled is called until it is whole.
const PART: &str = ".hab-part-ca-";

/// What to do when the roots are damaged; hab itself does neither.
const ADVICE: &str = "put it back from a copy, or begin anew with `vagrant destroy`, then remove the whole folder";

/// The roots, read and checked.
pub(super) struct Trust {
    authorities: [Authority; 3],
    /// The pair of its own that service-account tokens are signed with.
    pub service_account: ServiceAccount,
}

impl Trust {
    /// Reads the roots from `private`, or makes them if nothing in there was made with others. The caller holds
    /// `private`.
    pub fn open(private: &Path, lab: &str, now: OffsetDateTime) -> Result<Self> {
        let folder = private.join(AUTHORITIES);
        remove_stale(private)?;
        if fs::symlink_metadata(&folder).is_err() {
            ensure!(
                !private.join("host.pem").exists() && !has_files(&private.join("nodes")),
                "{} is missing, but certificates made with it are there: {ADVICE} {}",
                folder.display(),
                private.display()
            );
            make(private, &folder, lab, now).with_context(|| format!("making {}", folder.display()))?;
        }
        let read = |ca: Ca| {
            Authority::read(ca, &pair(private, &folder, ca)?, now).with_context(|| {
                format!("checking {}.crt: {ADVICE} {}", folder.join(ca.name()).display(), private.display())
            })
        };
        let [first, second, third] = Ca::ALL;
        let authorities = [read(first)?, read(second)?, read(third)?];
        Ok(Self { authorities, service_account: service_account(private, &folder)? })
    }

    /// One of the authorities.
    pub fn of(&self, ca: Ca) -> &Authority {
        &self.authorities[ca as usize]
    }

    /// All three.
    pub fn iter(&self) -> impl Iterator<Item = &Authority> {
        self.authorities.iter()
    }
}

/// The key that signs service-account tokens, used for nothing else.
pub(super) struct ServiceAccount {
    /// PEM, PKCS #8.
    pub key: Arc<[u8]>,
    /// Its public half, PEM.
    pub public: Arc<[u8]>,
}

/// Fills a folder beside `folder` and renames it, so that a run that is killed leaves all of it or nothing.
fn make(private: &Path, folder: &Path, lab: &str, now: OffsetDateTime) -> Result<()> {
    let fresh = tempfile::Builder::new().prefix(PART).permissions(Permissions::from_mode(0o700)).tempdir_in(private)?;
    // The umask may have narrowed or, at 000, not touched it.
    atomic_fs::create_private_dir(fresh.path())?;
    let put = |name: String, text: &str| atomic_fs::write(&fresh.path().join(name), atomic_fs::SECRET, text.as_bytes());
    for ca in Ca::ALL {
        let pair = authority::make(ca, lab, now)?;
        put(format!("{}.crt", ca.name()), &pair.certificate)?;
        put(format!("{}.key", ca.name()), pair.key.reveal())?;
    }
    let key = KeyPair::generate().context("making a key")?;
    put("sa.key".to_owned(), Secret::new(key.serialize_pem()).reveal())?;
    put("sa.pub".to_owned(), &key.public_key_pem())?;
    // The names in it first, then its own: after a power cut it is whole or not there.
    fs::File::open(fresh.path())?.sync_all()?;
    fs::rename(fresh.keep(), folder)?;
    fs::File::open(private)?.sync_all()?;
    Ok(())
}

/// Removes what killed runs left.
fn remove_stale(private: &Path) -> Result<()> {
    for entry in fs::read_dir(private)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PART) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    atomic_fs::remove_stale(private, |_| true)
}

fn has_files(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Reads two files that make sense only together.
fn both(private: &Path, one: PathBuf, other: PathBuf) -> Result<(Secret, Secret)> {
    match (files::read(&one)?, files::read(&other)?) {
        (Some(one), Some(other)) => Ok((one, other)),
        (None, None) => bail!("{} and {} are missing: {ADVICE} {}", one.display(), other.display(), private.display()),
        (there, _) => {
            let (there, missing) = if there.is_some() { (one, other) } else { (other, one) };
            bail!("{} is there without {}: {ADVICE} {}", there.display(), missing.display(), private.display())
        }
    }
}

fn pair(private: &Path, folder: &Path, ca: Ca) -> Result<Pair> {
    let path = |ending: &str| folder.join(format!("{}.{ending}", ca.name()));
    let (certificate, key) = both(private, path("crt"), path("key"))?;
    Ok(Pair { certificate: certificate.reveal().to_owned(), key })
}

fn service_account(private: &Path, folder: &Path) -> Result<ServiceAccount> {
    let (key_path, pub_path) = (folder.join("sa.key"), folder.join("sa.pub"));
    let (key, public) = both(private, key_path.clone(), pub_path.clone())?;
    let checking = |path: &Path| format!("checking {}: {ADVICE} {}", path.display(), private.display());
    let pair = authority::key(&key).with_context(|| checking(&key_path))?;
    let spki = pem::der(public.reveal(), "PUBLIC KEY").with_context(|| checking(&pub_path))?;
    if spki != pair.subject_public_key_info() {
        return Err(anyhow::anyhow!("it is not the public half of sa.key").context(checking(&pub_path)));
    }
    Ok(ServiceAccount { key: key.reveal().as_bytes().into(), public: public.reveal().as_bytes().into() })
}
