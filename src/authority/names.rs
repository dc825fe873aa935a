//! What a certificate is good for.

use std::{net::IpAddr, time::Duration};

use jiff::Timestamp;
use rcgen::SanType;
use rustls::{
    RootCertStore,
    client::{verify_server_cert_signed_by_trust_anchor, verify_server_name},
    crypto,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{AuthorityError, Unfit};

/// Host names and addresses, as a certificate has them.
pub(super) fn subject_names(names: &[Box<str>]) -> Result<Vec<SanType>, AuthorityError> {
    let read = |name: &str| {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Ok(SanType::IpAddress(address));
        }
        let wrong = || AuthorityError::Name(crate::foreign::capped(name));
        // What no client could look for would only keep others from reading the certificate.
        ServerName::try_from(name).map_err(|_| wrong())?;
        Ok(SanType::DnsName(name.to_string().try_into().map_err(|_| wrong())?))
    };
    names.iter().map(|it| read(it)).collect()
}

/// Whether `authority` has signed it, it is valid now, and good for all of `names`.
pub(super) fn is_good_for(
    leaf: &CertificateDer<'_>,
    authority: &CertificateDer<'_>,
    names: &[Box<str>],
    now: Timestamp,
) -> Result<(), Unfit> {
    let parsed = ParsedCertificate::try_from(leaf).map_err(|_| Unfit::Unreadable)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned()).map_err(|_| Unfit::NotSigned)?;
    let second = u64::try_from(now.as_second()).unwrap_or(0);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(second));
    let algorithms = crypto::ring::default_provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms)
        .map_err(|_| Unfit::NotSigned)?;
    for name in names {
        let unfit = || Unfit::Name(name.clone());
        let server = ServerName::try_from(&**name).map_err(|_| unfit())?;
        verify_server_name(&parsed, &server).map_err(|_| unfit())?;
    }
    Ok(())
}
