//! The Secrets of a managed Cluster, as they are read by both controllers.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use crate::{
    api::{cluster::Cluster, condition::Reason},
    authority::{
        Authority, MOST_WANTED,
        secrets::{self, CLUSTER_UUID, Existing, Kind, Next},
    },
    context::Context,
    controllers::references::Problem,
    deploy::{node::USER, realm},
    error::Error,
    kubernetes::references::look_up,
};

/// What the Secrets of a Cluster hold.
#[derive(Debug)]
pub struct Secrets {
    /// PEM: whom the nodes, and those who connect, trust.
    pub authorities: Vec<u8>,
    /// What signs the certificates of nodes.
    pub authority: Authority,
    /// The password of [`USER`].
    pub password: SecretString,
    /// The same as the nodes keep it.
    pub hash: SecretString,
}

/// The Secrets that are there, by kind, in the order of [`Kind::ALL`].
pub type Found = [Option<Existing>; 3];

/// The names of the Secrets that `cluster` has by its own name; none where it is not managed.
pub fn names(cluster: &Cluster) -> impl Iterator<Item = String> {
    let name = super::is_managed(cluster).then(|| cluster.name_any());
    name.into_iter().flat_map(|name| Kind::ALL.map(|it| it.name(&name)))
}

/// Reads the Secrets of `cluster`.
///
/// # Errors
/// When the API server can't be asked; what is missing or unusable is the inner error.
pub async fn read(ctx: &Context, cluster: &Cluster) -> Result<Result<Secrets, Problem>, Error> {
    Ok(match find(ctx, cluster).await? {
        Ok(found) => open(cluster, &found),
        Err(problem) => Err(problem),
    })
}

/// Looks which Secrets of `cluster` are there.
///
/// # Errors
/// When the API server can't be asked; that Drover may not is the inner error.
pub async fn find(ctx: &Context, cluster: &Cluster) -> Result<Result<Found, Problem>, Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let mut found = [None, None, None];
    for (kind, place) in Kind::ALL.into_iter().zip(&mut found) {
        let name = kind.name(&cluster.name_any());
        match look_up::<Secret>(&ctx.client, &namespace, &name).await {
            Ok(secret) => *place = secret.map(existing),
            Err(error) if error.code() == Some(403) => {
                let message = format!("Secret '{name}' may not be read by Drover");
                return Ok(Err(Problem { reason: Reason::Forbidden, message }));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Ok(found))
}

/// A Secret of Kubernetes as Drover judges it.
#[must_use]
pub fn existing(secret: Secret) -> Existing {
    let data = secret.data.unwrap_or_default().into_iter();
    Existing {
        uid: secret.metadata.uid.unwrap_or_default(),
        labels: secret.metadata.labels.unwrap_or_default(),
        annotations: secret.metadata.annotations.unwrap_or_default(),
        data: data.map(|(key, value)| (key, SecretSlice::from(value.0))).collect(),
    }
}

/// The uuids of clusters that the Secrets remember.
#[must_use]
pub fn uuids(found: &Found) -> BTreeSet<&str> {
    let annotations = found.iter().flatten().map(|it| &it.annotations);
    annotations.filter_map(|it| it.get(CLUSTER_UUID)).map(String::as_str).collect()
}

/// Whether the Secrets of `cluster` are all there, and its own.
///
/// # Errors
/// What is missing or another's, and what a person can do.
pub fn judge(cluster: &Cluster, found: &Found) -> Result<(), Problem> {
    let name = cluster.name_any();
    let mut missing = None;
    for (kind, existing) in Kind::ALL.into_iter().zip(found) {
        match secrets::next(kind, &name, existing.as_ref()) {
            Next::Use => {}
            Next::Make => {
                missing.get_or_insert(kind);
            }
            Next::Refuse(message) => return Err(Problem { reason: Reason::NotOwned, message }),
        }
    }
    let remembered = uuids(found);
    let all: BTreeSet<&str> = remembered.iter().copied().chain(super::uuid(cluster)).collect();
    if let Some(other) = remembered.iter().find(|it| super::uuid(cluster) != Some(**it))
        && 1 < all.len()
    {
        let this = super::uuid(cluster).unwrap_or("one alone");
        let message = format!(
            "the Secrets of the Cluster belong to the cluster {other}, and not to {this}: take their \
             annotation {CLUSTER_UUID} away if they shall be used for this one"
        );
        return Err(Problem { reason: Reason::Conflict, message });
    }
    if let Some(kind) = missing {
        let is_known = super::uuid(cluster).is_some() || !remembered.is_empty();
        if kind == Kind::AuthorityKey && (found[1].is_some() || is_known) {
            return Err(lost(cluster));
        }
        let message = format!("Secret '{}' is not there yet", kind.name(&name));
        return Err(Problem { reason: Reason::SecretNotFound, message });
    }
    Ok(())
}

/// What the Secrets of `cluster` hold.
///
/// # Errors
/// What is missing or can't be used, and what a person can do.
pub fn open(cluster: &Cluster, found: &Found) -> Result<Secrets, Problem> {
    judge(cluster, found)?;
    let name = cluster.name_any();
    let [admin, authorities, authority] = found;
    let unusable = |kind: Kind, why: &str| Problem {
        reason: Reason::InvalidContent,
        message: format!("Secret '{}': {why}", kind.name(&name)),
    };
    let text = |key: &str| text(admin.as_ref(), key);
    if text("username").is_none_or(|it| it.expose_secret() != USER) {
        let why = format!("the user that Drover is in the cluster has the `username` {USER}");
        return Err(unusable(Kind::Admin, &why));
    }
    let password =
        text("password").ok_or_else(|| unusable(Kind::Admin, "`password` has to be text"))?;
    let bytes = |it: &Option<Existing>, key: &str| {
        it.as_ref().and_then(|it| it.data.get(key)).cloned().unwrap_or_else(|| Vec::new().into())
    };
    let trusted = bytes(authorities, "ca.crt").expose_secret().to_vec();
    let trusted_ones = crate::tls::certificates(&trusted)
        .map_err(|why| unusable(Kind::Authorities, &format!("`ca.crt` can't be used: {why}")))?;
    if MOST_WANTED < trusted_ones.len() {
        let why =
            format!("`ca.crt` has more than {MOST_WANTED} certificates: take away what signs none");
        return Err(unusable(Kind::Authorities, &why));
    }
    let signs = bytes(authority, "ca.crt");
    let authority = Authority::read(signs.expose_secret(), &bytes(authority, "ca.key"))
        .map_err(|it| unusable(Kind::AuthorityKey, &it.to_string()))?;
    // What nobody trusts would take the nodes apart.
    let signs = crate::tls::certificates(authority.certificate().as_bytes()).unwrap_or_default();
    if !signs.iter().all(|it| trusted_ones.contains(it)) {
        let why = format!(
            "`ca.crt` has not the authority of Secret '{}' in it: nodes would not trust each other",
            Kind::AuthorityKey.name(&name)
        );
        return Err(unusable(Kind::Authorities, &why));
    }
    // The same in each life of the object: another one would have the nodes read the file again.
    let realm = format!("{}/{name}", cluster.namespace().unwrap_or_default());
    let hash = realm::hash(&realm, USER, &password);
    Ok(Secrets { authorities: trusted, authority, password, hash })
}

/// What signs is gone, and nodes trust it: another one made in its place would take them apart.
#[must_use]
pub fn lost(cluster: &Cluster) -> Problem {
    let name = cluster.name_any();
    let (label, drover) = secrets::MANAGED_BY;
    let message = format!(
        "Secret '{}' is gone, and nodes trust what was in it: put it back, and with it Secret '{}'. Where \
         it is lost, make both with a certificate and a key of your own, the label {label}={drover} and the \
         annotation {}={name}: nodes go over to it one after the other",
        Kind::AuthorityKey.name(&name),
        Kind::Authorities.name(&name),
        secrets::CLUSTER,
    );
    Problem { reason: Reason::SecretNotFound, message }
}

/// The text under a key, without the line break that files end in.
fn text(existing: Option<&Existing>, key: &str) -> Option<SecretString> {
    let bytes = existing?.data.get(key)?;
    let text = std::str::from_utf8(bytes.expose_secret()).ok()?;
    let text = text.trim_end_matches(['\n', '\r']);
    (!text.is_empty()).then(|| text.into())
}
