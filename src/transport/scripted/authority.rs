//! Certificates for scripted servers and their clients.

use std::sync::Arc;

use rustls::{
    ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier, crypto,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};

/// An authority that signs certificates for tests.
pub(crate) struct Authority(rcgen::CertifiedIssuer<'static, rcgen::KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        Self(rcgen::CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        self.0.pem().into_bytes()
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// A certificate for `name` that is valid now.
    pub(crate) fn issue(&self, name: &str) -> Issued {
        self.issue_between(name, 2020, 2090)
    }

    /// A certificate for `name` that is valid from the first day of one year to that of another.
    pub(crate) fn issue_between(&self, name: &str, first: i32, last: i32) -> Issued {
        let mut params = rcgen::CertificateParams::new(vec![name.into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(first, 1, 1);
        params.not_after = rcgen::date_time_ymd(last, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        let pem = leaf.pem() + &self.0.pem();
        Issued { chain: vec![leaf.der().to_vec(), self.der()], pem: pem.into_bytes(), key }
    }
}

/// A certificate with its chain and key.
pub(crate) struct Issued {
    /// The leaf, then the authority.
    pub(crate) chain: Vec<Vec<u8>>,
    /// The same as PEM.
    pub(crate) pem: Vec<u8>,
    pub(crate) key: rcgen::KeyPair,
}

impl Issued {
    /// A certificate that signed itself, for 127.0.0.1, and may sign others.
    pub(crate) fn self_signed_authority() -> Self {
        let mut params = rcgen::CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let pem = certificate.pem().into_bytes();
        Self { chain: vec![certificate.der().to_vec()], pem, key }
    }

    pub(crate) fn fingerprint(&self, place: usize) -> [u8; 32] {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.chain[place]);
        digest.as_ref().try_into().unwrap()
    }

    /// The settings of a server with this certificate.
    pub(crate) fn server(&self) -> ServerConfig {
        let builder = server_builder().with_no_client_auth();
        builder.with_single_cert(self.certificates(), self.private_key()).unwrap()
    }

    /// The settings of a server that wants clients' certificates from `authority`.
    pub(crate) fn server_for_clients_of(&self, authority: &Authority) -> ServerConfig {
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().into()).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let builder = server_builder().with_client_cert_verifier(clients.build().unwrap());
        builder.with_single_cert(self.certificates(), self.private_key()).unwrap()
    }

    fn certificates(&self) -> Vec<CertificateDer<'static>> {
        self.chain.iter().map(|it| it.clone().into()).collect()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        self.key.serialize_der().try_into().unwrap()
    }
}

fn server_builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    let provider = Arc::new(crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap()
}
