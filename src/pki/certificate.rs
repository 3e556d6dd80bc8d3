//! A leaf: a certificate of a node or of the host, with a key of its own.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, ensure};
use rcgen::{ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::{GeneralName, ParsedExtension, X509Extension};
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::X509Name;

use super::authority::{self, Authority};
use super::pairs::Pair;
use super::profiles::Profile;
use super::secret::Secret;
use crate::pem::{self, CERTIFICATE};

/// Five years. A node gets its certificates once, at its first boot, and nothing on it can renew them: they have to
/// last as long as the machine does, and a lab without a network is kept for years (the original's 365 days ended many
/// a cluster that was only halted). A stolen key is no argument for less, for the node's Ignition beside it is as old.
/// Half the authorities' life, so that a leaf of the first five years never ends early.
const LIFE: Duration = Duration::days(1825);

/// How near its end a leaf is issued anew: a month, so that a machine made today from what is rendered today never gets
/// a certificate that is about to end.
pub(super) const SOON: Duration = Duration::days(30);

/// Why a leaf that is in order is issued anew all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// It was not among the others.
    Missing,
    /// hab.yaml gives the node other names or addresses now, or hab other uses.
    Plan,
    /// It ends soon or has ended.
    Expiring,
}

/// Makes a key and a certificate for it.
pub(super) fn issue(wanted: &Profile, authority: &Authority, now: OffsetDateTime) -> Result<Pair> {
    let key = KeyPair::generate().context("making a key")?;
    let mut params = authority::params(&wanted.name, wanted.group, now, LIFE)?;
    params.not_after = params.not_after.min(authority.not_after);
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    // ECDSA keys sign and do nothing else; keyEncipherment is for RSA (RFC 8813, section 3).
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if wanted.usage.server() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if wanted.usage.client() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    for san in &wanted.sans {
        params.subject_alt_names.push(match san.parse::<Ipv4Addr>() {
            Ok(address) => SanType::IpAddress(address.into()),
            Err(_) => SanType::DnsName(san.as_str().try_into().with_context(|| format!("naming {san}"))?),
        });
    }
    Ok(Pair { certificate: authority.sign(&params, &key)?, key: Secret::new(key.serialize_pem()) })
}

/// Checks a stored leaf. Corruption is an error; an outdated leaf returns the reason to reissue it.
pub(super) fn assess(
    pair: &Pair,
    wanted: &Profile,
    authority: &Authority,
    now: OffsetDateTime,
) -> Result<Option<Reason>> {
    let der = pem::der(&pair.certificate, CERTIFICATE)?;
    let certificate = authority::parse(&der)?;
    let key = authority::key(&pair.key)?;
    ensure!(authority::belongs(&certificate, &key), "the key does not belong to the certificate");
    authority.check(&certificate)?;
    authority::begun(&certificate, now)?;
    let not_after = certificate.validity().not_after.to_datetime();
    // A leaf that already ends with its authority can't be had for longer.
    Ok(if now + SOON > not_after && not_after < authority.not_after {
        Some(Reason::Expiring)
    } else if fits(&certificate, wanted) {
        None
    } else {
        Some(Reason::Plan)
    })
}

/// When a leaf ends.
pub(super) fn not_after(pair: &Pair) -> Result<OffsetDateTime> {
    let der = pem::der(&pair.certificate, CERTIFICATE)?;
    Ok(authority::parse(&der)?.validity().not_after.to_datetime())
}

/// Whether the certificate `new`, PEM, is `old` issued anew: of the same authority, for the same names and uses, with a key,
/// a number and a time of its own. An authority renews none: who trusts one does not trust the other.
#[must_use]
pub fn renews(old: &[u8], new: &[u8]) -> bool {
    let der = |text: &[u8]| pem::der(std::str::from_utf8(text).ok()?, CERTIFICATE).ok();
    let (Some(old), Some(new)) = (der(old), der(new)) else { return false };
    let (Ok(old), Ok(new)) = (authority::parse(&old), authority::parse(&new)) else { return false };
    !new.is_ca()
        && new.raw_serial() != old.raw_serial()
        && new.subject().as_raw() == old.subject().as_raw()
        && new.issuer().as_raw() == old.issuer().as_raw()
        && lasting(&new).eq(lasting(&old))
}

/// The extensions that do not follow from the certificate's own key. The authority's key is in one of them.
fn lasting<'c>(certificate: &'c X509Certificate<'_>) -> impl Iterator<Item = (String, bool, &'c [u8])> {
    let of_key = |extension: &X509Extension<'_>| {
        matches!(extension.parsed_extension(), ParsedExtension::SubjectKeyIdentifier(_))
    };
    let extensions = certificate.extensions().iter().filter(move |extension| !of_key(extension));
    extensions.map(|extension| (extension.oid.to_id_string(), extension.critical, extension.value))
}

fn fits(certificate: &X509Certificate<'_>, wanted: &Profile) -> bool {
    let group = (!wanted.group.is_empty()).then_some(wanted.group);
    let usage = certificate.extended_key_usage().ok().flatten().map(|e| (e.value.server_auth, e.value.client_auth));
    common_name(certificate.subject()) == Some(&wanted.name)
        && certificate.subject().iter_organization().next().and_then(|o| o.as_str().ok()) == group
        && usage == Some((wanted.usage.server(), wanted.usage.client()))
        && sans(certificate) == wanted.sans
}

fn common_name<'a>(name: &'a X509Name<'_>) -> Option<&'a str> {
    name.iter_common_name().next().and_then(|name| name.as_str().ok())
}

fn sans(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Some(names) = certificate.subject_alternative_name().ok().flatten() else { return Vec::new() };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(octets) => Ipv4Addr::from(octets).to_string(),
            Err(_) => format!("{bytes:?}"),
        },
        other => format!("{other:?}"),
    };
    names.value.general_names.iter().map(text).collect()
}
