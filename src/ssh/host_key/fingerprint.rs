//! Public keys by their fingerprints, and which keys are too weak to count.

use std::{fmt, str::FromStr};

use russh::keys::{
    HashAlg, PublicKey,
    ssh_key::{self, public::KeyData},
};

/// RSA keys below this many bits are no longer held to be safe.
const RSA_BITS: u32 = 3072;
/// The longest public key or certificate that is read, in bytes of text. It also bounds how deep
/// the certificates in one can be nested.
pub(in crate::ssh) const KEY_TEXT: usize = 8 * 1024;

/// The SHA-256 of a public key, as OpenSSH writes it: `SHA256:` and 43 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub(super) [u8; 32]);

/// A text that is neither a fingerprint nor, where one may stand, a public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyTextError {
    /// Not `SHA256:` and 43 characters of base64.
    #[error("not a fingerprint such as ssh-keygen -l prints: SHA256: and 43 characters of base64")]
    Fingerprint,
    /// Not a line of a `.pub` file.
    #[error("neither a fingerprint (SHA256:...) nor a line of a .pub file")]
    PublicKey,
    /// A key that Drover takes from nobody.
    #[error("{0}")]
    Weak(Weakness),
}

/// Why a key or a signature is not taken, whoever vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    /// RSA with too few bits.
    #[error("an RSA key of {0} bits is too short: {RSA_BITS} at least, or ed25519")]
    ShortRsa(u32),
    /// DSA, a key that needs a token, or something unknown.
    #[error("a key of that type is not supported: ed25519, ECDSA or RSA")]
    Type,
    /// RSA with SHA-1.
    #[error("a signature with SHA-1 is not safe")]
    Sha1,
}

/// The fingerprint of the key in a line of a `.pub` file.
pub(super) fn public_key(line: &str) -> Result<Fingerprint, KeyTextError> {
    let line = line.trim();
    if KEY_TEXT < line.len() {
        return Err(KeyTextError::PublicKey);
    }
    let key = PublicKey::from_openssh(line).map_err(|_| KeyTextError::PublicKey)?;
    weakness(key.key_data()).map_or(Ok(()), |it| Err(KeyTextError::Weak(it)))?;
    Ok(Fingerprint::of(key.key_data()))
}

/// Why `key` is not taken, whoever vouches for it.
pub(in crate::ssh) fn weakness(key: &KeyData) -> Option<Weakness> {
    match key {
        KeyData::Rsa(rsa) if rsa.key_size() < RSA_BITS => Some(Weakness::ShortRsa(rsa.key_size())),
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::Rsa(_) => None,
        _ => Some(Weakness::Type),
    }
}

impl Fingerprint {
    pub(in crate::ssh) fn of(key: &KeyData) -> Self {
        Self(key.fingerprint(HashAlg::Sha256).sha256().unwrap_or_default())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ssh_key::Fingerprint::Sha256(self.0).fmt(f)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Fingerprint {
    type Err = KeyTextError;

    fn from_str(text: &str) -> Result<Self, KeyTextError> {
        let parsed =
            text.parse::<ssh_key::Fingerprint>().ok().and_then(ssh_key::Fingerprint::sha256);
        parsed.map(Self).ok_or(KeyTextError::Fingerprint)
    }
}
