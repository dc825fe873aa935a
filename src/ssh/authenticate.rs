//! Shows a verified server the user's key. There is no other way to authenticate: no password, no
//! agent.

use std::sync::Arc;

use russh::{
    MethodKind, MethodSet, SendError, Signer,
    client::{AuthResult, Handle},
    keys::{
        HashAlg, PrivateKey, PrivateKeyWithHashAlg, agent::AgentIdentity, signature,
        ssh_encoding::Encode, ssh_key::private::KeypairData,
    },
};

use super::{credentials::Identity, handler::Verifier};

/// RSA signs with SHA-512: servers that only know SHA-1 are not talked to.
const RSA_HASH: Option<HashAlg> = Some(HashAlg::Sha512);

/// Asks the server to take `user` with `identity`.
pub(super) async fn with(
    handle: &mut Handle<Verifier>,
    user: &str,
    identity: Identity,
) -> Result<AuthResult, russh::Error> {
    let Identity { key, certificate } = identity;
    match certificate {
        None => {
            let key = PrivateKeyWithHashAlg::new(key, RSA_HASH);
            handle.authenticate_publickey(user, key).await
        }
        Some(certificate) if key.algorithm().is_rsa() => {
            // The library's own way would sign with SHA-1.
            let mut signer = RsaSigner(key);
            handle
                .authenticate_certificate_with(user, certificate, RSA_HASH, &mut signer)
                .await
                .map_err(|NotSigned| russh::Error::SendError)
        }
        Some(certificate) => handle.authenticate_openssh_cert(user, key, certificate).await,
    }
}

/// What a refusal means.
pub(super) enum Answer {
    /// The server does not take the user; what it would take besides.
    Refused(&'static str),
    /// The connection ended without an answer.
    None,
}

impl Answer {
    /// `refused` where the connection ended because no way to authenticate is left.
    pub(super) fn new(remaining: &MethodSet, partial: bool, refused: bool) -> Self {
        if partial {
            return Self::Refused("; it wants a second proof too, which Drover can't give");
        }
        if remaining.is_empty() {
            return if refused { Self::Refused("") } else { Self::None };
        }
        if remaining.contains(&MethodKind::PublicKey) {
            Self::Refused("; put the public key into authorized_keys there")
        } else {
            Self::Refused("; it takes no keys at all (PubkeyAuthentication)")
        }
    }
}

struct RsaSigner(Arc<PrivateKey>);

struct NotSigned;

impl From<SendError> for NotSigned {
    fn from(_: SendError) -> Self {
        Self
    }
}

impl Signer for RsaSigner {
    type Error = NotSigned;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        hash: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, NotSigned> {
        let KeypairData::Rsa(key) = self.0.key_data() else { return Err(NotSigned) };
        let signature = signature::Signer::try_sign(&(key, hash), &to_sign);
        let signature: russh::keys::ssh_key::Signature = signature.map_err(|_| NotSigned)?;
        let mut encoded = Vec::new();
        signature.encode(&mut encoded).map_err(|_| NotSigned)?;
        encoded.encode(&mut to_sign).map_err(|_| NotSigned)?;
        Ok(to_sign)
    }
}
