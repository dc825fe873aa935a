//! Whom Drover trusts. The certificate is verified within the handshake, and no byte of a request
//! goes out before the handshake is done: credentials can't reach a server that was refused.

use std::sync::{Arc, OnceLock, atomic::AtomicI64, atomic::Ordering};

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, OtherError,
    RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{self, CryptoProvider, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};
use secrecy::ExposeSecret;

use super::{
    certificate::Validity,
    connection::{Auth, Connection, ConnectionError},
    error::CertificateProblem,
};

/// When the first of the certificates expires that servers have shown. Shared with the verifier.
#[derive(Clone, Debug)]
pub(super) struct Expiry(Arc<AtomicI64>);

/// What [`Expiry::forget`] forgot.
pub(super) struct Forgotten(i64);

impl Expiry {
    const UNSEEN: i64 = i64::MAX;

    pub(super) fn unseen() -> Self {
        Self(Arc::new(AtomicI64::new(Self::UNSEEN)))
    }

    fn see(&self, validity: Option<Validity>) {
        if let Some(validity) = validity {
            self.0.fetch_min(validity.not_after.as_second(), Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> Option<Timestamp> {
        let second = self.0.load(Ordering::Relaxed);
        if second == Self::UNSEEN { None } else { Timestamp::from_second(second).ok() }
    }

    /// Forgets what was shown so far: servers are about to show their certificates again.
    pub(super) fn forget(&self) -> Forgotten {
        Forgotten(self.0.swap(Self::UNSEEN, Ordering::Relaxed))
    }

    /// Goes back to what was known, where no server has shown anything since.
    pub(super) fn recall(&self, Forgotten(second): Forgotten) {
        let unseen = Self::UNSEEN;
        let _ = self.0.compare_exchange(unseen, second, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// The TLS settings for `connection`, which write the expiry of what they see to `expiry`.
///
/// # Errors
/// Which part of `connection` can't be used.
pub(super) fn config(
    connection: &Connection,
    expiry: Expiry,
) -> Result<ClientConfig, ConnectionError> {
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = Arc::new(Verifier::new(connection, &provider, expiry)?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|_| ConnectionError::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &connection.auth {
        Auth::ClientCertificate { certificate, key } => {
            let chain = certificates(certificate).map_err(ConnectionError::ClientCertificate)?;
            let key = PrivateKeyDer::from_pem_slice(key.expose_secret())
                .map_err(|_| ConnectionError::Key("no unencrypted PEM private key found"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                TlsError::InconsistentKeys(_) => {
                    ConnectionError::ClientCertificate("it does not belong to the key")
                }
                _ => ConnectionError::Key("it is damaged or of an unknown kind"),
            })?
        }
        _ => builder.with_no_client_auth(),
    };
    // A resumed session is not verified again: an expired certificate would go unnoticed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// Why the verifier below refused a certificate.
pub(super) fn problem(error: &CertificateError) -> CertificateProblem {
    let time = |it: &UnixTime| {
        let second = i64::try_from(it.as_secs()).unwrap_or(i64::MAX);
        Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
    };
    match error {
        // An authority of the same name with another key, such as the one before a renewal.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            CertificateProblem::UnknownAuthority
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            CertificateProblem::Expired(time(not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            CertificateProblem::NotYetValid(time(not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let expected = expected.to_str().into();
            // Each is written as `DnsName("es.example")` or `IpAddress(127.0.0.1)`.
            let bare = |it: &String| {
                let inner = it.split_once('(').map_or(it.as_str(), |(_, inner)| inner);
                inner.trim_matches(['"', ')']).to_owned()
            };
            let names: Vec<_> = presented.iter().map(bare).collect();
            let presented = match &*names {
                [] => "no host at all".into(),
                names => crate::foreign::capped(&names.join(", ")),
            };
            CertificateProblem::WrongName { expected, presented }
        }
        CertificateError::Other(OtherError(error)) if error.is::<WrongFingerprint>() => {
            CertificateProblem::WrongFingerprint
        }
        other => CertificateProblem::Other(crate::foreign::capped(&other.to_string())),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("wrong fingerprint")]
struct WrongFingerprint;

/// Verifies a server's certificate by authorities, by fingerprint, or by both.
#[derive(Debug)]
struct Verifier {
    /// Absent where the fingerprint alone decides.
    authorities: Option<Arc<Authorities>>,
    fingerprint: Option<[u8; 32]>,
    /// The name to look for instead of the endpoint's host.
    name: Option<ServerName<'static>>,
    algorithms: WebPkiSupportedAlgorithms,
    expiry: Expiry,
}

#[derive(Debug)]
struct Authorities {
    roots: RootCertStore,
    /// The same as they were given, for a server whose own certificate is among them.
    given: Vec<CertificateDer<'static>>,
}

impl Verifier {
    fn new(
        connection: &Connection,
        provider: &CryptoProvider,
        expiry: Expiry,
    ) -> Result<Self, ConnectionError> {
        let authorities = match (&connection.ca, connection.fingerprint) {
            (Some(pem), _) => Some(Arc::new(Authorities::read(pem)?)),
            (None, Some(_)) => None,
            (None, None) => Some(Authorities::of_the_system()),
        };
        let name = match &connection.server_name {
            Some(name) => Some(
                ServerName::try_from(name.clone())
                    .map_err(|_| ConnectionError::ServerName(name.as_str().into()))?,
            ),
            None => None,
        };
        let fingerprint = connection.fingerprint;
        let algorithms = provider.signature_verification_algorithms;
        Ok(Self { authorities, fingerprint, name, algorithms, expiry })
    }

    /// That somebody among `roots` has signed for the server, and that its time is now.
    fn verify_chain(
        &self,
        shown: &Shown,
        roots: &RootCertStore,
        now: UnixTime,
    ) -> Result<(), TlsError> {
        let leaf = ParsedCertificate::try_from(shown.leaf)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&leaf, roots, shown.others, now, algorithms)
    }

    fn verify_authorities(&self, shown: &Shown, now: UnixTime) -> Result<(), TlsError> {
        let Some(authorities) = &self.authorities else { return Ok(()) };
        // A self-signed certificate that says it may sign others is no server's certificate to
        // the verifier, even when it was given as trusted: this one is known as it stands.
        if authorities.given.iter().any(|it| it == shown.leaf) {
            return shown.verify_dates(now);
        }
        self.verify_chain(shown, &authorities.roots, now)
    }

    /// Checks the fingerprint, and says whether the server's own certificate is the pinned one.
    fn verify_fingerprint(&self, shown: &Shown, now: UnixTime) -> Result<Pinned, TlsError> {
        let Some(fingerprint) = self.fingerprint else { return Ok(Pinned::Nothing) };
        let is_pinned = |it: &CertificateDer| digest(&SHA256, it).as_ref() == fingerprint;
        if is_pinned(shown.leaf) {
            shown.verify_dates(now)?;
            return Ok(Pinned::Leaf);
        }
        // Servers often leave the authority at the end of the chain out, but it may be given.
        let given = self.authorities.iter().flat_map(|it| &it.given);
        let Some(authority) = shown.others.iter().chain(given).find(|it| is_pinned(it)) else {
            let error = OtherError(Arc::new(WrongFingerprint));
            return Err(CertificateError::Other(error).into());
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        self.verify_chain(shown, &roots, now)?;
        Ok(Pinned::Authority)
    }
}

#[derive(PartialEq, Eq)]
enum Pinned {
    Nothing,
    Leaf,
    Authority,
}

/// What the server shows in the handshake.
struct Shown<'a> {
    leaf: &'a CertificateDer<'a>,
    others: &'a [CertificateDer<'a>],
}

impl Shown<'_> {
    fn verify_dates(&self, now: UnixTime) -> Result<(), TlsError> {
        let validity = Validity::of(self.leaf).ok_or(CertificateError::BadEncoding)?;
        let unix = |it: Timestamp| {
            let second = u64::try_from(it.as_second()).unwrap_or(0);
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(second))
        };
        let (not_before, not_after) = (unix(validity.not_before), unix(validity.not_after));
        if now < not_before {
            return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
        }
        if not_after < now {
            return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
        }
        Ok(())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.expiry.see(Validity::of(leaf));
        let shown = Shown { leaf, others };
        let pinned = self.verify_fingerprint(&shown, now)?;
        self.verify_authorities(&shown, now)?;
        // Whoever pins the very certificate knows whose it is.
        if pinned != Pinned::Leaf {
            let leaf = ParsedCertificate::try_from(leaf)?;
            verify_server_name(&leaf, self.name.as_ref().unwrap_or(host))?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Authorities {
    fn read(pem: &[u8]) -> Result<Self, ConnectionError> {
        let given = certificates(pem).map_err(ConnectionError::Ca)?;
        let mut roots = RootCertStore::empty();
        for certificate in &given {
            let wrong = |_| ConnectionError::Ca("one is no X.509 certificate");
            roots.add(certificate.clone()).map_err(wrong)?;
        }
        Ok(Self { roots, given })
    }

    /// The system's, read once: a hundred and more certificates for each Cluster would add up.
    fn of_the_system() -> Arc<Self> {
        static SYSTEM: OnceLock<Arc<Authorities>> = OnceLock::new();
        let read = || {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            Arc::new(Self { roots, given: Vec::new() })
        };
        Arc::clone(SYSTEM.get_or_init(read))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("no PEM certificate found"),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err("broken PEM"),
    }
}

#[cfg(test)]
mod tests;
