//! What Drover offers and takes in a key exchange: only what is held to be safe now, and what hosts
//! in FIPS mode have (AES-GCM, the NIST curves). No compression, no SHA-1, no CBC, no DSA.

use std::{borrow::Cow, sync::Arc};

use russh::{
    Preferred, SshId, cipher,
    client::Config,
    compression, kex,
    keys::{Algorithm, EcdsaCurve, HashAlg},
    mac,
};

use super::target::Limits;

const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP521,
    // Not algorithms, but said in the same list.
    kex::EXTENSION_SUPPORT_AS_CLIENT,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
];

/// AES first: without strict key exchange, which old servers lack, `ChaCha20` is open to having
/// messages cut out (CVE-2023-48795).
const CIPHERS: &[cipher::Name] =
    &[cipher::AES_256_GCM, cipher::AES_128_GCM, cipher::CHACHA20_POLY1305];

/// None is used with those ciphers, but a list has to be said.
const MACS: &[mac::Name] = &[mac::HMAC_SHA512_ETM, mac::HMAC_SHA256_ETM];

const HOST_KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// What a client offers; host certificates only where they can be judged.
pub(super) fn config(limits: &Limits, certificates: bool) -> Arc<Config> {
    // A server that takes nothing in is not noticed by keepalives, which then wait to be sent too.
    let silence = limits.keepalive * (u32::from(limits.keepalives) + 2);
    Arc::new(Config {
        client_id: SshId::Standard(Cow::Borrowed("SSH-2.0-Drover")),
        preferred: Preferred {
            kex: Cow::Borrowed(KEX),
            key: Cow::Borrowed(HOST_KEYS),
            host_key_certificates: Cow::Borrowed(if certificates { HOST_KEYS } else { &[] }),
            cipher: Cow::Borrowed(CIPHERS),
            mac: Cow::Borrowed(MACS),
            compression: Cow::Borrowed(&[compression::NONE]),
        },
        keepalive_interval: Some(limits.keepalive),
        keepalive_max: usize::from(limits.keepalives),
        inactivity_timeout: Some(silence),
        ..Config::default()
    })
}
