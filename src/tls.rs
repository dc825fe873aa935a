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
use secrecy::{ExposeSecret, SecretSlice};

mod certificate;
mod problem;

pub(crate) use certificate::Validity;
use problem::WrongFingerprint;
pub use problem::{CertificateProblem, Unusable};

/// Whom to trust, and as whom to appear. All parts are optional: without any, the authorities of the
/// system decide.
pub(crate) struct Trust<'a> {
    /// PEM certificates of the authorities to trust instead of the system's.
    pub(crate) ca: Option<&'a [u8]>,
    /// SHA-256 of the server's certificate, or of an authority in its chain.
    pub(crate) fingerprint: Option<[u8; 32]>,
    /// The name to look for in the certificate instead of the host that is connected to.
    pub(crate) server_name: Option<&'a str>,
    /// Shown to servers that ask for a certificate.
    pub(crate) identity: Option<Identity<'a>>,
}

/// A client's certificate and its key.
pub(crate) struct Identity<'a> {
    /// PEM: the client's certificate, then its intermediates.
    pub(crate) certificate: &'a [u8],
    /// PEM: PKCS #8, PKCS #1 or SEC 1, not encrypted.
    pub(crate) key: &'a SecretSlice<u8>,
}

/// When the first of the certificates expires that servers have shown. Shared with the verifier.
#[derive(Clone, Debug)]
pub(crate) struct Expiry(Arc<AtomicI64>);

/// What [`Expiry::forget`] forgot.
pub(crate) struct Forgotten(i64);

impl Expiry {
    const UNSEEN: i64 = i64::MAX;

    pub(crate) fn unseen() -> Self {
        Self(Arc::new(AtomicI64::new(Self::UNSEEN)))
    }

    fn see(&self, validity: Option<Validity>) {
        if let Some(validity) = validity {
            self.0.fetch_min(validity.not_after.as_second(), Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> Option<Timestamp> {
        let second = self.0.load(Ordering::Relaxed);
        if second == Self::UNSEEN { None } else { Timestamp::from_second(second).ok() }
    }

    /// Forgets what was shown so far: servers are about to show their certificates again.
    pub(crate) fn forget(&self) -> Forgotten {
        Forgotten(self.0.swap(Self::UNSEEN, Ordering::Relaxed))
    }

    /// Goes back to what was known, where no server has shown anything since.
    pub(crate) fn recall(&self, Forgotten(second): Forgotten) {
        let unseen = Self::UNSEEN;
        let _ = self.0.compare_exchange(unseen, second, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// The TLS settings for `trust`, which write the expiry of what they see to `expiry`.
///
/// # Errors
/// Which part of `trust` can't be used.
pub(crate) fn config(trust: &Trust, expiry: Expiry) -> Result<ClientConfig, Unusable> {
    let provider = Arc::new(crypto::ring::default_provider());
    let verifier = Arc::new(Verifier::new(trust, &provider, expiry)?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|_| Unusable::Setup)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match &trust.identity {
        Some(Identity { certificate, key }) => {
            let chain = certificates(certificate).map_err(Unusable::ClientCertificate)?;
            let key = PrivateKeyDer::from_pem_slice(key.expose_secret())
                .map_err(|_| Unusable::Key("no unencrypted PEM private key found"))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| match error {
                TlsError::InconsistentKeys(_) => {
                    Unusable::ClientCertificate("it does not belong to the key")
                }
                _ => Unusable::Key("it is damaged or of an unknown kind"),
            })?
        }
        None => builder.with_no_client_auth(),
    };
    // A resumed session is not verified again: an expired certificate would go unnoticed.
    config.resumption = Resumption::disabled();
    Ok(config)
}

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
    fn new(trust: &Trust, provider: &CryptoProvider, expiry: Expiry) -> Result<Self, Unusable> {
        let authorities = match (trust.ca, trust.fingerprint) {
            (Some(pem), _) => Some(Arc::new(Authorities::read(pem)?)),
            (None, Some(_)) => None,
            (None, None) => Some(Authorities::of_the_system()),
        };
        let name = match trust.server_name {
            Some(name) => Some(
                ServerName::try_from(name.to_owned())
                    .map_err(|_| Unusable::ServerName(name.into()))?,
            ),
            None => None,
        };
        let fingerprint = trust.fingerprint;
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
    fn read(pem: &[u8]) -> Result<Self, Unusable> {
        let given = certificates(pem).map_err(Unusable::Ca)?;
        let mut roots = RootCertStore::empty();
        for certificate in &given {
            let wrong = |_| Unusable::Ca("one is no X.509 certificate");
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

/// The certificates of a PEM text; at least one.
/// When the first of these PEM certificates expires; nothing where there is none.
pub(crate) fn expires(pem: &[u8]) -> Option<Timestamp> {
    Validity::of(certificates(pem).ok()?.first()?).map(|it| it.not_after)
}

pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("no PEM certificate found"),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err("broken PEM"),
    }
}
