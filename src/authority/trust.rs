//! How one authority follows another without a moment in which nodes do not trust each other: no node
//! gets a certificate of the new one before all trust that, and none stops to trust the old one before
//! no node has a certificate of it. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;

use super::{Authority, MOST, names::is_good_for, pem_of};
use crate::{
    digest::hex,
    tls::{Validity, certificates},
};

/// What the nodes of a cluster have, as far as it decides what each of them gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peers {
    /// Whether all of them trust the authority that signs. Until then none gets a certificate of it in
    /// place of one that they trust.
    pub trust_it: bool,
    /// Who has signed certificates that nodes have, by fingerprint; absent while that is not known of
    /// all. Whoever is told here stays trusted where it is.
    pub signers: Option<BTreeSet<Box<str>>>,
}

impl Peers {
    /// All have certificates of the authority that signs.
    #[must_use]
    pub fn alike() -> Self {
        Self { trust_it: true, signers: Some(BTreeSet::new()) }
    }
}

impl Authority {
    /// Its [`fingerprints`], which is one.
    #[must_use]
    pub fn fingerprint(&self) -> Box<str> {
        fingerprint(&self.certificate)
    }

    /// Whether the first certificate of `pem` is good now, and signed by another one of those in
    /// `trusted`.
    #[must_use]
    pub fn is_preceded(&self, pem: &[u8], trusted: &[u8], now: Timestamp) -> bool {
        let shown = certificates(pem).unwrap_or_default();
        let Some(leaf) = shown.first() else { return false };
        let others = certificates(trusted).unwrap_or_default();
        let mut others = others.iter().filter(|it| **it != self.certificate);
        others.any(|it| is_good_for(leaf, it, &[], now).is_ok())
    }
}

/// The SHA-256 of each certificate in `pem`, in 64 lower-case hexadecimal digits; none where it can't be
/// read.
#[must_use]
pub fn fingerprints(pem: &[u8]) -> BTreeSet<Box<str>> {
    certificates(pem).unwrap_or_default().iter().map(fingerprint).collect()
}

/// The fingerprint of who has signed the first certificate of `pem`: of those that follow it. Whether its
/// time is over does not matter.
#[must_use]
pub fn signer(pem: &[u8]) -> Option<Box<str>> {
    let shown = certificates(pem).ok()?;
    let (leaf, others) = shown.split_first()?;
    let then = Validity::of(leaf)?.not_before;
    others.iter().find(|it| is_good_for(leaf, it, &[], then).is_ok()).map(fingerprint)
}

/// Those of `present` that stay trusted beside `wanted`, as PEM: who is among `signers`, or anybody while
/// these are not known.
#[must_use]
pub fn retained(wanted: &[u8], present: &[u8], signers: Option<&BTreeSet<Box<str>>>) -> String {
    let wanted = certificates(wanted).unwrap_or_default();
    let present = certificates(present).unwrap_or_default();
    let is_needed = |it: &str| signers.is_none_or(|signers| signers.contains(it));
    let others = present.iter().filter(|it| !wanted.contains(it));
    // What is no certificate would keep Elasticsearch from reading the file.
    let others = others.filter(|it| Validity::of(it).is_some());
    others.filter(|it| is_needed(&fingerprint(it))).take(MOST).map(pem_of).collect()
}

fn fingerprint(certificate: &CertificateDer) -> Box<str> {
    hex(digest(&SHA256, certificate).as_ref()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn after(days: i64) -> Timestamp {
        now() + jiff::SignedDuration::from_hours(24 * days)
    }

    fn authority(name: &str) -> Authority {
        Authority::make(name, now()).unwrap()
    }

    #[test]
    fn who_has_signed_a_certificate_is_told_by_what_follows_it_also_once_its_time_is_over() {
        let (one, two) = (authority("one"), authority("two"));
        let issued = one.issue("es-1", &[], now()).unwrap();
        assert_eq!(signer(issued.certificate.as_bytes()), Some(one.fingerprint()));
        let alone = issued.certificate.split_inclusive("-----END CERTIFICATE-----\n").next();
        assert_eq!(signer(alone.unwrap().as_bytes()), None, "nobody says so");
        let wrong = format!("{}{}", alone.unwrap(), two.certificate());
        assert_eq!(signer(wrong.as_bytes()), None, "it has not");
        let both = format!("{wrong}{}", one.certificate());
        assert_eq!(signer(both.as_bytes()), Some(one.fingerprint()));
        assert_eq!((signer(b""), signer(b"nonsense")), (None, None));
        let all = fingerprints(format!("{}{}", one.certificate(), two.certificate()).as_bytes());
        assert_eq!(all, BTreeSet::from([one.fingerprint(), two.fingerprint()]));
        assert!(all.iter().all(|it| it.len() == 64) && fingerprints(b"nonsense").is_empty());
    }

    #[test]
    fn a_certificate_of_another_authority_that_is_trusted_is_good_until_its_time_is_over() {
        let (old, new) = (authority("old"), authority("new"));
        let issued = old.issue("es-1", &[], now()).unwrap();
        let both = format!("{}{}", new.certificate(), old.certificate());
        let is_preceded = |trusted: &str, day| {
            new.is_preceded(issued.certificate.as_bytes(), trusted.as_bytes(), after(day))
        };
        assert!(is_preceded(&both, 1) && is_preceded(&both, 300));
        assert!(!is_preceded(&both, 366), "its time is over");
        assert!(!is_preceded(new.certificate(), 1), "nobody trusts it");
        assert!(!old.is_preceded(issued.certificate.as_bytes(), both.as_bytes(), now()));
        assert!(!new.is_preceded(b"", both.as_bytes(), now()));
    }

    #[test]
    fn whoever_has_signed_a_certificate_of_any_node_stays_trusted_and_nobody_else() {
        let (old, new, stranger) = (authority("old"), authority("new"), authority("stranger"));
        let present = format!("{}{}", stranger.certificate(), old.certificate());
        let signers = BTreeSet::from([old.fingerprint(), new.fingerprint()]);
        let kept = |wanted: &Authority, present: &str, signers: Option<&BTreeSet<Box<str>>>| {
            retained(wanted.certificate().as_bytes(), present.as_bytes(), signers)
        };
        assert_eq!(kept(&new, &present, Some(&signers)), old.certificate());
        assert_eq!(kept(&new, &present, Some(&BTreeSet::new())), "");
        assert_eq!(kept(&new, &present, None), present, "nobody knows who is needed");
        assert_eq!(kept(&old, &present, Some(&signers)), "", "it is there anyway");
        let none = "-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----\n";
        assert_eq!(kept(&new, &format!("{none}{present}"), None), present, "it is no certificate");
        let many: String = (0..6).map(|_| authority("any").certificate().to_owned()).collect();
        assert_eq!(kept(&new, &many, None).matches("BEGIN").count(), MOST);
    }
}
