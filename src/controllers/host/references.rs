//! Turns what a Host says of the way to its machine, with the Secrets that it names and the keys
//! that were seen before, into what a session needs.

use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    api::{
        condition::Reason,
        host::{Host, HostKey, HostKeyPolicy as PolicySpec},
        host_fields::{Address, UserName},
        host_status::HostStatus,
        reference::SecretReference,
    },
    context::Context,
    controllers::references::{Problem, secret, secret_text},
    error::Error,
    ssh::{
        credentials::Credentials,
        host_key::{Authority, Fingerprint, HostKeyPolicy, Otherwise},
        target::{Hop, Target},
    },
};

/// The type of a Secret for this. No other one may be used to log in anywhere: whoever writes a Host
/// could have any text of the namespace taken for a key.
const TYPE: &str = "kubernetes.io/ssh-auth";
/// The key of the Secret that holds the private key, as Kubernetes has it.
const PRIVATE_KEY: &str = "ssh-privatekey";
/// What it is encrypted with; may be left out.
const PASSPHRASE: &str = "passphrase";
/// A certificate for it; may be left out.
const CERTIFICATE: &str = "ssh-user-certificate";

/// Reads everything that the way to the machine of `host` refers to.
///
/// # Errors
/// When the API server can't be asked; what is missing or unusable is the inner error.
pub async fn resolve(ctx: &Context, host: &Host) -> Result<Result<Target, Problem>, Error> {
    let namespace = host.namespace().unwrap_or_default();
    let mut hops = Vec::new();
    for stop in stops(host) {
        let credentials = match credentials(ctx, &namespace, &stop).await? {
            Ok(credentials) => credentials,
            Err(problem) => return Ok(Err(problem)),
        };
        match stop.policy() {
            Ok(host_key) => hops.push(stop.hop(host_key, credentials)),
            Err(problem) => return Ok(Err(problem)),
        }
    }
    let Some(host) = hops.pop() else { return Ok(Err(nowhere())) };
    Ok(Ok(Target { host, jump_hosts: hops }))
}

/// There is always the machine itself.
fn nowhere() -> Problem {
    Problem { reason: Reason::InternalError, message: "the spec leads nowhere".into() }
}

/// The names of the Secrets that `host` refers to.
pub fn secrets(host: &Host) -> impl Iterator<Item = &str> {
    let of_jumps = host.spec.jump_hosts.iter().map(|it| it.credentials.secret_name.as_str());
    of_jumps.chain([host.spec.credentials.secret_name.as_str()])
}

/// One server on the way, as the spec has it.
pub(super) struct Stop<'a> {
    /// Where in the spec it stands, such as `spec` or `spec.jumpHosts[0]`.
    path: String,
    pub(super) address: &'a Address,
    pub(super) port: u16,
    user: &'a UserName,
    credentials: &'a SecretReference,
    host_key: &'a HostKey,
    /// The key that it showed before, as the status has it.
    seen: Option<&'a str>,
}

/// All servers on the way, the machine itself last.
pub(super) fn stops(host: &Host) -> Vec<Stop<'_>> {
    let empty = const { &None };
    let status: Option<&HostStatus> = host.status.as_ref();
    let jumps = host.spec.jump_hosts.iter().enumerate().map(|(at, it)| Stop {
        path: format!("spec.jumpHosts[{at}]"),
        address: &it.address,
        port: it.port,
        user: &it.user,
        credentials: &it.credentials,
        host_key: &it.host_key,
        seen: status.and_then(|status| {
            let mut keys = status.jump_host_keys.iter();
            let known = keys.find(|key| key.address == it.address.0 && key.port == it.port)?;
            Some(known.fingerprint.0.as_str())
        }),
    });
    let spec = &host.spec;
    let key = status.map_or(empty, |it| &it.host_key);
    let machine = Stop {
        path: "spec".into(),
        address: &spec.address,
        port: spec.port,
        user: &spec.user,
        credentials: &spec.credentials,
        host_key: &spec.host_key,
        seen: key.as_ref().map(|it| it.fingerprint.0.as_str()),
    };
    jumps.chain([machine]).collect()
}

impl Stop<'_> {
    /// Whether nothing says yet which key it has.
    pub(super) fn is_unknown(&self) -> bool {
        let key = self.host_key;
        let is_given = !key.fingerprints.is_empty() || !key.certificate_authorities.is_empty();
        !is_given && (!self.trusts_first_key() || self.seen.is_none())
    }

    /// Whether the first key that it shows shall be trusted from then on.
    pub(super) fn trusts_first_key(&self) -> bool {
        self.host_key.policy == PolicySpec::TrustOnFirstUse
    }

    fn hop(&self, host_key: HostKeyPolicy, credentials: Credentials) -> Hop {
        Hop {
            address: self.address.0.as_str().into(),
            port: self.port,
            user: self.user.0.as_str().into(),
            host_key,
            credentials,
        }
    }

    /// What is taken for proof that the server is the one that was meant. A key that shall be
    /// trusted at first sight is refused then, and only taken when it stands in the status: so
    /// nothing is sent to a server whose key is not on record.
    fn policy(&self) -> Result<HostKeyPolicy, Problem> {
        let invalid = |field: &str, at: usize, error: &dyn std::error::Error| Problem {
            reason: Reason::InvalidSpec,
            message: format!("{}.hostKey.{field}[{at}]: {error}", self.path),
        };
        let mut fingerprints: Vec<Fingerprint> = Vec::new();
        for (at, text) in self.host_key.fingerprints.iter().enumerate() {
            let print = text.0.parse().map_err(|it| invalid("fingerprints", at, &it))?;
            fingerprints.push(print);
        }
        let mut authorities = Vec::new();
        for (at, line) in self.host_key.certificate_authorities.iter().enumerate() {
            let principals = self.host_key.principals.iter().map(|it| it.0.as_str());
            let authority = Authority::new(&line.0, principals)
                .map_err(|it| invalid("certificateAuthorities", at, &it))?;
            authorities.push(authority);
        }
        let otherwise = match self.seen.filter(|_| self.trusts_first_key()) {
            None => Otherwise::Refuse,
            Some(text) => match text.parse() {
                Ok(seen) => Otherwise::TrustOnFirstUse { seen: Some(seen) },
                Err(error) => {
                    let message = format!("the key that the status remembers is {error}");
                    return Err(Problem { reason: Reason::InvalidContent, message });
                }
            },
        };
        Ok(HostKeyPolicy { fingerprints, authorities, otherwise, revoked: Vec::new() })
    }
}

async fn credentials(
    ctx: &Context,
    namespace: &str,
    stop: &Stop<'_>,
) -> Result<Result<Credentials, Problem>, Error> {
    let name = &stop.credentials.secret_name;
    let path = format!("{}.credentials", stop.path);
    let secret = match secret(ctx, namespace, name, &path).await? {
        Ok(secret) => secret,
        Err(problem) => return Ok(Err(problem)),
    };
    if secret.kind() != TYPE {
        let message = format!(
            "{path}: Secret '{name}' is not of type {TYPE}; the type of a Secret can't be changed, so \
             make it anew"
        );
        return Ok(Err(Problem { reason: Reason::InvalidContent, message }));
    }
    let text = |key: &str| secret_text(&secret, name, key, &path);
    let optional = |key: &str| secret.get(key).map(|_| text(key)).transpose();
    let read = || -> Result<Credentials, Problem> {
        let mut credentials = Credentials::new(text(PRIVATE_KEY)?);
        credentials.passphrase = optional(PASSPHRASE)?;
        credentials.certificate =
            optional(CERTIFICATE)?.map(|it: SecretString| it.expose_secret().to_owned().into());
        Ok(credentials)
    };
    Ok(read())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The way that the spec and the status of `host` lead, with credentials that are there.
    pub fn target_of(host: &Host) -> Result<Target, Problem> {
        let mut hops = Vec::new();
        for stop in stops(host) {
            hops.push(stop.hop(stop.policy()?, Credentials::new("a key".into())));
        }
        let host = hops.pop().expect("there is always the machine itself");
        Ok(Target { host, jump_hosts: hops })
    }
}
