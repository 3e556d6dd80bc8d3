//! A certificate authority: made once, read again on every later run, and checked before anything is signed with it.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::pairs::Pair;
use super::profiles::Ca;
use super::secret::Secret;
use crate::pem::{self, CERTIFICATE, PRIVATE_KEY};

/// Ten years, as kubeadm's authorities (`CertificateAuthorityValidityPeriod` of its `ClusterConfiguration`); counted
/// in days, because a date ten years on may not exist (29 February).
const LIFE: Duration = Duration::days(3650);

/// How far before the present a certificate begins to be valid. A node without a network takes the time from its
/// hardware clock, and one that is set to local time and read as UTC is up to 14 hours off (UTC+14 is the last zone);
/// a day covers that.
pub(super) const BACKDATE: Duration = Duration::days(1);

/// An authority that can sign.
pub(super) struct Authority {
    pub ca: Ca,
    /// Its certificate, PEM; shared by the trees of all nodes.
    pub certificate: Arc<[u8]>,
    pub not_after: OffsetDateTime,
    subject: Vec<u8>,
    public_key: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// Makes a new authority for the lab.
pub(super) fn make(ca: Ca, lab: &str, now: OffsetDateTime) -> Result<Pair> {
    let key = KeyPair::generate().context("making a key")?;
    let mut params = params(&format!("hab {} CA", ca.name()), lab, now, LIFE)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).context("signing")?;
    Ok(Pair { certificate: certificate.pem(), key: Secret::new(key.serialize_pem()) })
}

/// What every certificate has: a name, a time, a serial number. Nothing is left to rcgen's defaults, which are valid
/// from 1975 to 4096.
pub(super) fn params(name: &str, group: &str, now: OffsetDateTime, life: Duration) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if !group.is_empty() {
        params.distinguished_name.push(DnType::OrganizationName, group);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    let end = |by: Duration| now.checked_add(by).with_context(|| format!("{now} is too near the end of the calendar"));
    params.not_before = end(-BACKDATE)?;
    params.not_after = end(life)?;
    params.serial_number = Some(serial()?);
    Ok(params)
}

/// 126 bits of chance in 16 bytes: RFC 5280 (4.1.2.2) wants a positive number of at most 20 bytes, and the first bits
/// are fixed so that it is positive and always as long.
fn serial() -> Result<SerialNumber> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("asking the system for random bytes")?;
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Reads a private key.
pub(super) fn key(pem: &Secret) -> Result<KeyPair> {
    let der = zeroize::Zeroizing::new(pem::der(pem.reveal(), PRIVATE_KEY)?);
    KeyPair::from_pkcs8_der_and_sign_algo(&der.as_slice().into(), &PKCS_ECDSA_P256_SHA256)
        .context("the key in it is damaged, or is not ECDSA P-256 in PKCS #8")
}

/// Parses a whole DER certificate.
pub(super) fn parse(der: &[u8]) -> Result<X509Certificate<'_>> {
    let (rest, certificate) = X509Certificate::from_der(der).context("the certificate in it is damaged")?;
    ensure!(rest.is_empty(), "the certificate in it has something after its end");
    Ok(certificate)
}

/// The certificate holds the public half of the key.
pub(super) fn belongs(certificate: &X509Certificate<'_>, key: &KeyPair) -> bool {
    *certificate.public_key().subject_public_key.data == *key.public_key_raw()
}

/// Says that `now` is before the certificate's time. That is a wrong clock, for hab backdates what it makes.
pub(super) fn begun(certificate: &X509Certificate<'_>, now: OffsetDateTime) -> Result<()> {
    let begin = certificate.validity().not_before.to_datetime();
    if now < begin {
        bail!("it is valid only from {}, but the clock says {}: set the clock", begin.date(), now.date());
    }
    Ok(())
}

impl Authority {
    /// Reads an authority and checks all that would make its signatures worthless.
    pub fn read(ca: Ca, pair: &Pair, now: OffsetDateTime) -> Result<Self> {
        let der = pem::der(&pair.certificate, CERTIFICATE)?;
        let certificate = parse(&der)?;
        let key = key(&pair.key)?;
        ensure!(belongs(&certificate, &key), "the key does not belong to the certificate");
        let may_sign = certificate.is_ca()
            && certificate.key_usage().ok().flatten().is_none_or(|usage| usage.value.key_cert_sign());
        ensure!(may_sign, "the certificate is not that of an authority");
        certificate.verify_signature(None).context("the certificate is damaged: its own signature does not fit")?;
        begun(&certificate, now)?;
        let not_after = certificate.validity().not_after.to_datetime();
        ensure!(now < not_after, "it expired on {}", not_after.date());
        Ok(Self {
            ca,
            certificate: pair.certificate.as_bytes().into(),
            not_after,
            subject: certificate.subject().as_raw().to_vec(),
            public_key: certificate.public_key().raw.to_vec(),
            issuer: Issuer::from_ca_cert_der(&der.as_slice().into(), key).context("reading the certificate")?,
        })
    }

    /// Signs a certificate for the owner of `key`.
    pub fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Result<String> {
        Ok(params.signed_by(key, &self.issuer).context("signing")?.pem())
    }

    /// Says that `certificate` is not from this authority, or was changed since.
    pub fn check(&self, certificate: &X509Certificate<'_>) -> Result<()> {
        let name = self.ca.name();
        ensure!(certificate.issuer().as_raw() == self.subject, "it is not from this lab's {name} authority");
        let (_, public_key) =
            SubjectPublicKeyInfo::from_der(&self.public_key).context("reading the authority's key")?;
        certificate
            .verify_signature(Some(&public_key))
            .with_context(|| format!("it was not signed by this lab's {name} authority, or is damaged"))
    }
}
