//! The authority of a cluster that Drover runs: it signs the certificates of the cluster's nodes and
//! nothing else. Whoever has a certificate of it is a node.
//!
//! To replace it, every node comes to trust the new one beside the old one; then each gets a certificate
//! of the new one; then the old one goes: see [`trust`]. Nodes read all of that without a restart, and
//! trust each other all the time.

pub mod secrets;
pub mod trust;

mod names;

use std::{fmt, time::Duration};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use self::names::{is_good_for, subject_names};
use crate::tls::{Validity, certificates};

/// How long an authority that Drover makes is good for: ten years.
const AUTHORITY_LIFE: Duration = Duration::from_hours(24 * 3652);
/// How long a node's certificate is: a year. It is renewed when a third of its own time is left, 121 days.
const NODE_LIFE: Duration = Duration::from_hours(24 * 365);
/// Certificates are good from a while before they are made: clocks differ.
const SKEW: Duration = Duration::from_hours(1);
/// The longest common name (RFC 5280, appendix A.1).
const COMMON_NAME: usize = 64;
/// What tells the subject of a node from that of every authority.
const UNIT: &str = "Elasticsearch node";
/// The most authorities that are to be trusted.
pub const MOST_WANTED: usize = 12;
/// The most authorities that stay trusted beside those that are to be.
const MOST: usize = 4;
/// The most authorities that a node trusts at all.
pub const MOST_TRUSTED: usize = MOST_WANTED + MOST;

/// What signs the certificates of nodes.
pub struct Authority {
    certificate: CertificateDer<'static>,
    pem: Box<str>,
    key: SecretString,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate, then that of the authority.
    pub certificate: Box<str>,
    /// PKCS #8, not encrypted.
    pub key: SecretString,
}

/// Why an authority can't be used or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// What it should be is none.
    #[error("the certificate of the authority can't be used: {0}")]
    Certificate(&'static str),
    /// Its key is none.
    #[error("the key of the authority can't be used: it has to be PEM, PKCS #8, not encrypted")]
    Key,
    /// What it signs is not good: key and certificate differ, or it may not sign, or its time is
    /// over.
    #[error("the authority can't sign: {0}")]
    Unfit(Unfit),
    /// Something that no certificate can have.
    #[error("'{0}' can't be in a certificate")]
    Name(Box<str>),
    /// The system has no randomness, or the library fails.
    #[error("no key or certificate could be made")]
    Making,
}

/// Why a node needs another certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has none that can be read.
    Unreadable,
    /// It is not known to be one of the key that is there.
    Key,
    /// It is not signed by the authority, or not valid now.
    NotSigned,
    /// It is not good for one of the node's names.
    Name(Box<str>),
    /// Less than a third of its time is left.
    Expiring,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("there is no certificate that can be read"),
            Self::Key => f.write_str("the certificate is not known to be of the key that is there"),
            Self::NotSigned => f.write_str("the certificate is not of the authority, or not valid"),
            Self::Name(name) => write!(f, "the certificate is not good for {name}"),
            Self::Expiring => f.write_str("the certificate expires soon"),
        }
    }
}

impl Authority {
    /// A new one. `name` tells it from others; of a long name only the beginning is kept.
    ///
    /// # Errors
    /// Why there is none.
    pub fn make(name: &str, now: Timestamp) -> Result<Self, AuthorityError> {
        let mut params = params(name, now, AUTHORITY_LIFE)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(|_| AuthorityError::Making)?;
        let certificate = params.self_signed(&key).map_err(|_| AuthorityError::Making)?;
        let text = SecretSlice::from(key.serialize_pem().into_bytes());
        Self::read(certificate.pem().as_bytes(), &text)
    }

    /// One that is kept as PEM: a certificate and its key.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(certificate: &[u8], key: &SecretSlice<u8>) -> Result<Self, AuthorityError> {
        let first = certificates(certificate).map_err(AuthorityError::Certificate)?.remove(0);
        let text = std::str::from_utf8(key.expose_secret()).map_err(|_| AuthorityError::Key)?;
        let pair = KeyPair::from_pem(text).map_err(|_| AuthorityError::Key)?;
        let wrong = |_| AuthorityError::Certificate("it is no X.509 certificate");
        let issuer = Issuer::from_ca_cert_der(&first, pair).map_err(wrong)?;
        let usages = issuer.key_usages();
        if !usages.is_empty() && !usages.contains(&KeyUsagePurpose::KeyCertSign) {
            return Err(AuthorityError::Certificate("it may not sign others"));
        }
        let pem = pem_of(&first).into();
        Ok(Self { certificate: first, pem, key: text.into(), issuer })
    }

    /// Its certificate, as PEM.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.pem
    }

    /// Its key, as PEM.
    #[must_use]
    pub fn key(&self) -> &SecretString {
        &self.key
    }

    /// A certificate for the node of a host, good for all of `names`: host names and addresses.
    ///
    /// # Errors
    /// Why there is none. What would not be trusted is not handed out.
    pub fn issue(
        &self,
        host: &str,
        names: &[Box<str>],
        now: Timestamp,
    ) -> Result<Issued, AuthorityError> {
        // What is signed lives no longer than who signed it.
        let end = Validity::of(&self.certificate).map_or(now, |it| it.not_after);
        let left = Duration::try_from(end.duration_since(now)).unwrap_or_default();
        let mut params = params(host, now, NODE_LIFE.min(left))?;
        // A host may have its cluster's name, and OpenSSL takes whom its own name signs for self-signed.
        params.distinguished_name.push(DnType::OrganizationalUnitName, UNIT);
        params.subject_alt_names = subject_names(names)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        // To each other, nodes are both.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(|_| AuthorityError::Making)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(|_| AuthorityError::Making)?;
        let certificate = leaf.pem() + &self.pem;
        self.check(certificate.as_bytes(), names, now).map_err(AuthorityError::Unfit)?;
        Ok(Issued { certificate: certificate.into(), key: key.serialize_pem().into() })
    }

    /// Whether a node can go on with the certificate that it has.
    ///
    /// # Errors
    /// Why it needs another.
    pub fn check(&self, pem: &[u8], names: &[Box<str>], now: Timestamp) -> Result<(), Unfit> {
        let shown = certificates(pem).map_err(|_| Unfit::Unreadable)?;
        let leaf = shown.first().ok_or(Unfit::Unreadable)?;
        is_good_for(leaf, &self.certificate, names, now)?;
        // One that was renewed with its key has signed it as well, and the node shows the one before.
        let others = shown.get(1..).unwrap_or_default();
        if !others.is_empty() && !others.contains(&self.certificate) {
            return Err(Unfit::NotSigned);
        }
        let validity = Validity::of(leaf).ok_or(Unfit::Unreadable)?;
        let authority = Validity::of(&self.certificate).ok_or(Unfit::Unreadable)?;
        if authority.not_after <= now {
            return Err(Unfit::NotSigned);
        }
        // A new one would not live longer either.
        let is_last = authority.not_after <= validity.not_after;
        if is_expiring(validity, now) && !is_last { Err(Unfit::Expiring) } else { Ok(()) }
    }

    /// Whether less than a third of its own time is left: then it is to be replaced.
    #[must_use]
    pub fn is_expiring(&self, now: Timestamp) -> bool {
        Validity::of(&self.certificate).is_none_or(|it| is_expiring(it, now))
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl Eq for Authority {}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.pem).finish_non_exhaustive()
    }
}

fn is_expiring(validity: Validity, now: Timestamp) -> bool {
    let (begin, end) = (validity.not_before.as_second(), validity.not_after.as_second());
    end.saturating_sub(now.as_second()) < end.saturating_sub(begin) / 3
}

/// What all certificates have in common.
fn params(name: &str, now: Timestamp, life: Duration) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    let begin = u64::try_from(now.as_second()).map_err(|_| AuthorityError::Making)?;
    let begin = Duration::from_secs(begin).saturating_sub(SKEW);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + begin;
    params.not_after = epoch + begin + SKEW + life;
    let common: String = name.chars().take(COMMON_NAME).collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common);
    Ok(params)
}

fn pem_of(certificate: &CertificateDer) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(certificate);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = &*text;
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem += line;
        pem.push('\n');
        rest = after;
    }
    pem + "-----END CERTIFICATE-----\n"
}

#[cfg(test)]
mod tests;
