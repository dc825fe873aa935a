//! Whether the key that a server shows is that of the host that was meant. Pure: no network, no
//! clock. Nothing secret is sent before this has said yes, and there is no way to skip it.

use std::fmt;

use jiff::Timestamp;
use russh::keys::{Algorithm, Certificate, PublicKeyOrCertificate, ssh_key};

use self::fingerprint::public_key;
pub use self::fingerprint::{Fingerprint, KeyTextError, Weakness};
pub(super) use self::fingerprint::{KEY_TEXT, weakness};
use crate::{digest::Digest, foreign::capped};

mod fingerprint;

/// An authority that may vouch for host keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    key: Fingerprint,
    principals: Vec<Box<str>>,
}

/// What is taken for proof that a server is the host that was meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostKeyPolicy {
    /// Any one of these keys is the host's.
    pub fingerprints: Vec<Fingerprint>,
    /// A host certificate of any of these is proof too.
    pub authorities: Vec<Authority>,
    /// What to do where neither keys nor authorities are given.
    pub otherwise: Otherwise,
    /// Never taken, neither as the host's key nor as an authority's.
    pub revoked: Vec<Fingerprint>,
}

/// What to do with a key where no key and no authority is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// Refuse it.
    #[default]
    Refuse,
    /// Take the first one, and from then on no other.
    TrustOnFirstUse {
        /// The one that was seen first.
        seen: Option<Fingerprint>,
    },
}

/// A key that was taken for the host's, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The host's own key, also where a certificate vouched for it.
    pub fingerprint: Fingerprint,
    /// What it was taken for.
    pub by: Trust,
}

/// Why a key was taken for the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is one of those given.
    Pinned,
    /// This authority vouched for it.
    Authority(Fingerprint),
    /// It is the first that was seen: to be recorded.
    FirstUse,
    /// It is the one that was recorded at first use.
    SeenBefore,
}

/// Why a key was not taken for the host's. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// None of the given keys.
    #[error(
        "it shows the {algorithm} key {presented}, which is none of those given; give it only \
         after comparing it on the host itself (ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub)"
    )]
    Mismatch {
        /// Its type, such as `ssh-ed25519`.
        algorithm: Box<str>,
        /// What was shown.
        presented: Fingerprint,
    },
    /// Not the key that was recorded at first use.
    #[error(
        "it shows the {algorithm} key {presented}, but {seen} was seen first; if the host was \
         made anew, give its key explicitly"
    )]
    Changed {
        /// Its type.
        algorithm: Box<str>,
        /// What was shown.
        presented: Fingerprint,
        /// What was recorded.
        seen: Fingerprint,
    },
    /// Nothing says which key the host has.
    #[error(
        "it shows the {algorithm} key {presented}, and neither a key nor an authority is given to \
         compare it with"
    )]
    UnknownKey {
        /// Its type.
        algorithm: Box<str>,
        /// What was shown.
        presented: Fingerprint,
    },
    /// A bare key where a certificate is needed.
    #[error(
        "it shows the bare key {presented} where a host certificate is needed; set HostCertificate \
         in its sshd_config"
    )]
    NoCertificate {
        /// What was shown.
        presented: Fingerprint,
    },
    /// Somebody else's certificate.
    #[error("its certificate is signed by {authority}, which is none of the given authorities")]
    WrongAuthority {
        /// Who signed it.
        authority: Fingerprint,
    },
    /// A certificate for another host.
    #[error("its certificate is for {presented}, not for {expected}")]
    WrongPrincipal {
        /// The names that it carries.
        presented: Box<str>,
        /// Any of these would do.
        expected: Box<str>,
    },
    /// A certificate for people.
    #[error("its certificate is not a host certificate (ssh-keygen -h)")]
    NotAHostCertificate,
    /// Its time is over.
    #[error("its certificate expired at {0}")]
    Expired(Time),
    /// Its time has not come.
    #[error("its certificate is not valid before {0}")]
    NotYetValid(Time),
    /// It demands something that nobody here knows.
    #[error("its certificate carries critical options, which no host certificate may")]
    CriticalOptions,
    /// It was not made by whom it names.
    #[error("the signature on its certificate is wrong")]
    BadSignature,
    /// Too weak to be proof of anything.
    #[error("its key is not taken: {0}")]
    Weak(Weakness),
    /// Given as revoked.
    #[error("the key {presented} is revoked")]
    Revoked {
        /// The host's key or the authority's.
        presented: Fingerprint,
    },
}

/// Seconds since 1970 in a certificate, which may be beyond all calendars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub(super) u64);

impl Refusal {
    /// Whether the host may be taken later although nothing is declared anew: time alone changes
    /// whether a certificate is valid, and the host may get another.
    #[must_use]
    pub fn may_pass_by_itself(&self) -> bool {
        matches!(self, Self::Expired(_) | Self::NotYetValid(_))
    }
}

impl HostKeyPolicy {
    /// Says whether `presented` is proof that the server is `address`.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) fn decide(
        &self,
        address: &str,
        presented: &PublicKeyOrCertificate,
        now: Timestamp,
    ) -> Result<Accepted, Refusal> {
        let key = presented.public_key();
        let fingerprint = Fingerprint::of(key.key_data());
        let accepted = |by| Ok(Accepted { fingerprint, by });
        weakness(key.key_data()).map_or(Ok(()), |it| Err(Refusal::Weak(it)))?;
        if self.revoked.contains(&fingerprint) {
            return Err(Refusal::Revoked { presented: fingerprint });
        }
        // The key exchange has proved that the server holds this very key, certificate or not.
        if self.fingerprints.contains(&fingerprint) {
            return accepted(Trust::Pinned);
        }
        let algorithm = || key.algorithm().to_string().into_boxed_str();
        match (self.authorities.is_empty(), presented.certificate()) {
            (false, Some(certificate)) => {
                return accepted(Trust::Authority(self.vouched_for(address, certificate, now)?));
            }
            (false, None) if self.fingerprints.is_empty() => {
                return Err(Refusal::NoCertificate { presented: fingerprint });
            }
            _ if !self.fingerprints.is_empty() => {
                return Err(Refusal::Mismatch { algorithm: algorithm(), presented: fingerprint });
            }
            _ => {}
        }
        match self.otherwise {
            Otherwise::Refuse => {
                Err(Refusal::UnknownKey { algorithm: algorithm(), presented: fingerprint })
            }
            Otherwise::TrustOnFirstUse { seen: None } => accepted(Trust::FirstUse),
            Otherwise::TrustOnFirstUse { seen: Some(seen) } if seen == fingerprint => {
                accepted(Trust::SeenBefore)
            }
            Otherwise::TrustOnFirstUse { seen: Some(seen) } => {
                Err(Refusal::Changed { algorithm: algorithm(), presented: fingerprint, seen })
            }
        }
    }

    /// The authority whose certificate proves that the server is `address`.
    fn vouched_for(
        &self,
        address: &str,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Result<Fingerprint, Refusal> {
        let authority = Fingerprint::of(certificate.signature_key());
        if self.revoked.contains(&authority) {
            return Err(Refusal::Revoked { presented: authority });
        }
        let known: Vec<_> = self.authorities.iter().filter(|it| it.key == authority).collect();
        if known.is_empty() {
            return Err(Refusal::WrongAuthority { authority });
        }
        let sha1 = matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None });
        let weakness =
            weakness(certificate.signature_key()).or_else(|| sha1.then_some(Weakness::Sha1));
        if let Some(weakness) = weakness {
            return Err(Refusal::Weak(weakness));
        }
        if !certificate.cert_type().is_host() {
            return Err(Refusal::NotAHostCertificate);
        }
        if !certificate.critical_options().is_empty() {
            return Err(Refusal::CriticalOptions);
        }
        // One without principals is for every host to OpenSSH, and for none to Drover.
        let principals = certificate.valid_principals();
        let expected: Vec<&str> = known.iter().flat_map(|it| it.expected(address)).collect();
        let named = |it: &&str| principals.iter().any(|name| name.eq_ignore_ascii_case(it));
        if !expected.iter().any(named) {
            let presented = match principals {
                [] => "nobody in particular".into(),
                several => capped(&several.join(", ")),
            };
            let expected = capped(&expected.join(" or "));
            return Err(Refusal::WrongPrincipal { presented, expected });
        }
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        if now < certificate.valid_after() {
            return Err(Refusal::NotYetValid(Time(certificate.valid_after())));
        }
        if certificate.valid_before() <= now {
            return Err(Refusal::Expired(Time(certificate.valid_before())));
        }
        let trusted = ssh_key::Fingerprint::Sha256(authority.0);
        certificate.validate_at(now, [&trusted]).map_err(|_| Refusal::BadSignature)?;
        Ok(authority)
    }

    /// Whether a server may show certificates at all.
    pub(super) fn takes_certificates(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// Whether a key that was accepted once is no longer the recorded one.
    pub(super) fn contradicts(&self, accepted: &Accepted) -> bool {
        let Otherwise::TrustOnFirstUse { seen: Some(seen) } = self.otherwise else { return false };
        let on_first_use = matches!(accepted.by, Trust::FirstUse | Trust::SeenBefore);
        on_first_use && accepted.fingerprint != seen
    }

    /// All but what was seen at first use: that it is recorded is no reason to connect anew.
    pub(super) fn feed(&self, digest: &mut Digest) {
        for keys in [&self.fingerprints, &self.revoked] {
            digest.count(keys.len());
            for key in keys {
                digest.field(&key.0);
            }
        }
        digest.count(self.authorities.len());
        for authority in &self.authorities {
            digest.field(&authority.key.0);
            digest.count(authority.principals.len());
            for principal in &authority.principals {
                digest.field(principal.as_bytes());
            }
        }
        match &self.otherwise {
            Otherwise::Refuse => digest.field(b"refuse"),
            Otherwise::TrustOnFirstUse { .. } => digest.field(b"trust on first use"),
        }
    }
}

impl Authority {
    /// An authority by its public key, as a line of a `.pub` file or as its fingerprint. A
    /// certificate of its must carry one of `principals`; where none is given, the host's address.
    ///
    /// # Errors
    /// What is wrong with `key`.
    pub fn new<I>(key: &str, principals: I) -> Result<Self, KeyTextError>
    where
        I: IntoIterator<Item: Into<Box<str>>>,
    {
        let key = if key.starts_with("SHA256:") { key.parse()? } else { public_key(key)? };
        Ok(Self { key, principals: principals.into_iter().map(Into::into).collect() })
    }

    fn expected<'a>(&'a self, address: &'a str) -> Vec<&'a str> {
        match &*self.principals {
            [] => vec![address],
            names => names.iter().map(|it| &**it).collect(),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|it| Timestamp::from_second(it).ok());
        match time {
            Some(time) => time.fmt(f),
            None => f.write_str("the end of time"),
        }
    }
}

#[cfg(test)]
mod tests;
