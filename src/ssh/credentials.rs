//! With what Drover shows a host who it is: a private key, and perhaps a certificate for it. They
//! come from a Secret, stay in memory, and are shown to nobody but a verified host.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use russh::keys::{Certificate, PrivateKey, decode_secret_key, ssh_key::Kdf};
use secrecy::{ExposeSecret, SecretString};

use super::host_key::{KEY_TEXT, Time, Weakness, weakness};
use crate::digest::Digest;

/// The longest private key that is read, in bytes of text.
const PRIVATE_KEY_TEXT: usize = 64 * 1024;
/// The most rounds of bcrypt that a passphrase may take, about a second: ssh-keygen writes 16 or 24,
/// and `-a 100` is what careful people are told.
const ROUNDS: u32 = 100;

/// Who Drover is to a host.
#[derive(Clone)]
pub struct Credentials {
    /// A private key as ssh-keygen writes it: OpenSSH's format, or PEM without a passphrase.
    pub key: SecretString,
    /// What the key is encrypted with.
    pub passphrase: Option<SecretString>,
    /// A user certificate for the key, as a line of a `-cert.pub` file.
    pub certificate: Option<Box<str>>,
    decrypted: Decrypted,
}

/// The key once it was decrypted, and a digest of what it was decrypted from: to connect again costs
/// no second time. Clones share it.
#[derive(Clone, Default)]
struct Decrypted(Arc<Mutex<Option<Plain>>>);

struct Plain {
    of: [u8; 32],
    key: PrivateKey,
}

/// Which of the credentials can't be used, and what to do. Never their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Not a private key.
    #[error("the private key can't be read; it has to be one that ssh-keygen writes")]
    Key,
    /// Encrypted, and nothing to decrypt it with.
    #[error("the private key is encrypted and no passphrase is given")]
    PassphraseMissing,
    /// Encrypted with another passphrase.
    #[error("the passphrase does not fit the private key")]
    PassphraseWrong,
    /// Made to take minutes.
    #[error("the private key takes more than {ROUNDS} rounds to decrypt; ssh-keygen -p -a 16")]
    PassphraseSlow,
    /// Encrypted in an old way.
    #[error("the private key is encrypted PEM; ssh-keygen -p writes it anew in OpenSSH's format")]
    EncryptedPem,
    /// A key that no host should take.
    #[error("the private key is not taken: {0}")]
    Weak(Weakness),
    /// Not a certificate.
    #[error("the user certificate can't be read; it has to be a line of a -cert.pub file")]
    Certificate,
    /// A certificate for another key.
    #[error("the user certificate is for another key")]
    CertificateOfAnotherKey,
    /// A host certificate.
    #[error("the certificate is not a user certificate")]
    NotAUserCertificate,
    /// Its time is over.
    #[error("the user certificate expired at {0}")]
    CertificateExpired(Time),
    /// Its time has not come.
    #[error("the user certificate is not valid before {0}")]
    CertificateNotYetValid(Time),
}

/// Credentials that were read.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) key: Arc<PrivateKey>,
    pub(super) certificate: Option<Certificate>,
}

impl Credentials {
    /// A key without a passphrase and without a certificate.
    #[must_use]
    pub fn new(key: SecretString) -> Self {
        Self { key, passphrase: None, certificate: None, decrypted: Decrypted::default() }
    }

    /// Reads them. With a passphrase this takes a while: not on a thread that others need.
    ///
    /// # Errors
    /// What can't be used.
    pub(super) fn read(&self, now: Timestamp) -> Result<Identity, CredentialsError> {
        let key = self.private_key()?;
        let public = key.public_key().key_data();
        weakness(public).map_or(Ok(()), |it| Err(CredentialsError::Weak(it)))?;
        let Some(text) = self.certificate.as_deref().map(str::trim) else {
            return Ok(Identity { key: Arc::new(key), certificate: None });
        };
        if KEY_TEXT < text.len() {
            return Err(CredentialsError::Certificate);
        }
        let certificate: Certificate = text.parse().map_err(|_| CredentialsError::Certificate)?;
        if certificate.public_key() != public {
            return Err(CredentialsError::CertificateOfAnotherKey);
        }
        if !certificate.cert_type().is_user() {
            return Err(CredentialsError::NotAUserCertificate);
        }
        let now = u64::try_from(now.as_second()).unwrap_or(0);
        if now < certificate.valid_after() {
            let time = Time(certificate.valid_after());
            return Err(CredentialsError::CertificateNotYetValid(time));
        }
        if certificate.valid_before() <= now {
            return Err(CredentialsError::CertificateExpired(Time(certificate.valid_before())));
        }
        Ok(Identity { key: Arc::new(key), certificate: Some(certificate) })
    }

    fn private_key(&self) -> Result<PrivateKey, CredentialsError> {
        let text = self.key.expose_secret().trim();
        if PRIVATE_KEY_TEXT < text.len() {
            return Err(CredentialsError::Key);
        }
        if text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
            let key = PrivateKey::from_openssh(text).map_err(|_| CredentialsError::Key)?;
            return if key.is_encrypted() { self.decrypted(&key) } else { Ok(key) };
        }
        // PKCS #8 says so in its first line, older PEM in a header.
        if text.contains("ENCRYPTED") {
            return Err(CredentialsError::EncryptedPem);
        }
        if !text.starts_with("-----BEGIN ") {
            return Err(CredentialsError::Key);
        }
        decode_secret_key(text, None).map_err(|_| CredentialsError::Key)
    }

    fn decrypted(&self, key: &PrivateKey) -> Result<PrivateKey, CredentialsError> {
        let passphrase = self.passphrase.as_ref().ok_or(CredentialsError::PassphraseMissing)?;
        match key.kdf() {
            Kdf::Bcrypt { rounds, .. } if *rounds <= ROUNDS => {}
            Kdf::Bcrypt { .. } => return Err(CredentialsError::PassphraseSlow),
            _ => return Err(CredentialsError::Key),
        }
        let mut digest = Digest::new();
        self.feed(&mut digest);
        let digest = digest.finish();
        // Whoever wants it while it is being decrypted waits for that. Half a key is never in there.
        let mut decrypted = self.decrypted.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plain) = &*decrypted
            && plain.of == digest
        {
            return Ok(plain.key.clone());
        }
        let passphrase = passphrase.expose_secret();
        let key = key.decrypt(passphrase).map_err(|_| CredentialsError::PassphraseWrong)?;
        *decrypted = Some(Plain { of: digest, key: key.clone() });
        Ok(key)
    }

    pub(super) fn feed(&self, digest: &mut Digest) {
        digest.field(self.key.expose_secret().as_bytes());
        digest.optional(self.passphrase.as_ref().map(|it| it.expose_secret().as_bytes()));
        digest.optional(self.certificate.as_deref().map(str::as_bytes));
    }
}

impl CredentialsError {
    /// Whether time alone may change it.
    pub(super) fn may_pass_by_itself(self) -> bool {
        matches!(self, Self::CertificateNotYetValid(_))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
