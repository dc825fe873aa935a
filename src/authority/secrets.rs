//! The Secrets of a cluster that Drover runs: whose they are, and what is missing in them. Pure.
//!
//! They outlive their Cluster: a Cluster that is made again under its name takes them up again.
//! `<name>-admin` (username, password) is for people and for Drover, `<name>-ca` (ca.crt) for those
//! who connect, `<name>-ca-key` (ca.crt, ca.key) for Drover alone. Without the mark of its Cluster a
//! Secret is somebody else's, and is neither used nor changed.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom as _, SystemRandom};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use super::AuthorityError;

/// The label by which tools know who keeps an object.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "drover");
/// The annotation that names the Cluster which a Secret belongs to.
pub const CLUSTER: &str = "drover.dev/cluster";
/// The annotation that keeps the uuid of the cluster in Elasticsearch once it was formed, so that a
/// Cluster that is made again never forms another.
pub const CLUSTER_UUID: &str = "drover.dev/cluster-uuid";

/// Which Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The user that has every right.
    Admin,
    /// Whom to trust.
    Authorities,
    /// What signs.
    AuthorityKey,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Admin, Self::Authorities, Self::AuthorityKey];

    /// Its name for a Cluster of this name.
    #[must_use]
    pub fn name(self, cluster: &str) -> String {
        let suffix = match self {
            Self::Admin => "admin",
            Self::Authorities => "ca",
            Self::AuthorityKey => "ca-key",
        };
        format!("{cluster}-{suffix}")
    }

    /// What has to be in it.
    #[must_use]
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Admin => &["username", "password"],
            Self::Authorities => &["ca.crt"],
            Self::AuthorityKey => &["ca.crt", "ca.key"],
        }
    }
}

/// A Secret that is there.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// Its uid: one that is made again under its name is another one.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What is in it.
    pub data: BTreeMap<String, SecretSlice<u8>>,
}

/// What is to be done about a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is made: none is there.
    Make,
    /// It is used as it is.
    Use,
    /// It is left alone; why, in words for people.
    Refuse(String),
}

/// What is to be done about the Secret of a Cluster.
#[must_use]
pub fn next(kind: Kind, cluster: &str, existing: Option<&Existing>) -> Next {
    let Some(existing) = existing else { return Next::Make };
    let name = kind.name(cluster);
    let (label, drover) = MANAGED_BY;
    let is_marked = existing.labels.get(label).is_some_and(|it| it == drover)
        && existing.annotations.get(CLUSTER).is_some_and(|it| it == cluster);
    if !is_marked {
        return Next::Refuse(format!(
            "Secret '{name}' is somebody else's: it has not both the label {label}={drover} and \
             the annotation {CLUSTER}={cluster}. Give it both, or rename it"
        ));
    }
    let is_there =
        |key: &str| existing.data.get(key).is_some_and(|it| !it.expose_secret().is_empty());
    match kind.keys().iter().find(|key| !is_there(key)) {
        None => Next::Use,
        Some(key) => Next::Refuse(format!(
            "Secret '{name}' has no key '{key}': put it back, or delete the Secret to have another \
             one made"
        )),
    }
}

/// Labels and annotations of a Secret that Drover makes.
#[must_use]
pub fn marks(cluster: &str) -> (BTreeMap<String, String>, BTreeMap<String, String>) {
    let pair = |(name, value): (&str, &str)| BTreeMap::from([(name.to_owned(), value.to_owned())]);
    (pair(MANAGED_BY), pair((CLUSTER, cluster)))
}

/// A password that nobody can guess: 192 bits of the system's randomness.
///
/// # Errors
/// The system has none.
pub fn password() -> Result<SecretString, AuthorityError> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AuthorityError::Making)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}
