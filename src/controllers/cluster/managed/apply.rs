//! Makes the Secrets of a cluster that Drover runs, and lets them remember which cluster it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt as _;
use secrecy::{ExposeSecret as _, SecretSlice};

use super::{observe::Seen, plan::Plan};
use crate::{
    api::{cluster::Cluster, condition::Reason},
    authority::{
        Authority, AuthorityError,
        secrets::{CLUSTER_UUID, Kind, marks, password},
    },
    context::Context,
    controllers::references::Problem,
    deploy::node::USER,
    error::Error,
    kubernetes::secrets::{NewSecret, annotate, create},
};

/// Carries out the plan. What Drover may not do is for a person to mend, and no fault.
///
/// # Errors
/// When the API server can't be asked.
pub async fn run(
    ctx: &Context,
    cluster: &Cluster,
    seen: &Seen,
    plan: &Plan,
) -> Result<Option<Problem>, Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let name = cluster.name_any();
    for kind in &plan.make {
        let data = match content(*kind, cluster, seen, (ctx.now)()) {
            Ok(Some(data)) => data,
            Ok(None) => continue,
            Err(error) => {
                let message = format!("Secret '{}': {error}", kind.name(&name));
                return Ok(Some(Problem { reason: Reason::InternalError, message }));
            }
        };
        let (labels, annotations) = marks(&name);
        let new = NewSecret {
            namespace: namespace.clone(),
            name: kind.name(&name),
            labels,
            annotations,
            data,
        };
        match create(ctx, new).await {
            Ok(made) => tracing::info!(kind = ?kind, made, "made a Secret of the cluster"),
            Err(error) => return forbidden(error, *kind, &name, "made"),
        }
    }
    if let Some((uuid, kinds)) = &plan.note {
        for kind in kinds {
            if let Err(error) = remember(ctx, cluster, seen, *kind, Some(uuid)).await {
                return forbidden(error, *kind, &name, "annotated");
            }
        }
    }
    Ok(None)
}

/// Lets a Secret that is there remember a cluster, or none.
async fn remember(
    ctx: &Context,
    cluster: &Cluster,
    seen: &Seen,
    kind: Kind,
    uuid: Option<&str>,
) -> Result<(), Error> {
    let mut found = Kind::ALL.into_iter().zip(&seen.found);
    let found = found.find_map(|(it, found)| found.as_ref().filter(|_| it == kind));
    let Some(found) = found else { return Ok(()) };
    let namespace = cluster.namespace().unwrap_or_default();
    let place = (&*namespace, &*kind.name(&cluster.name_any()), &*found.uid);
    annotate(ctx, place, (CLUSTER_UUID, uuid)).await
}

/// Lets these Secrets forget the cluster, which is gone. That Drover may not keeps nothing from going.
///
/// # Errors
/// When the API server can't be asked.
pub async fn forget(
    ctx: &Context,
    cluster: &Cluster,
    seen: &Seen,
    kinds: &[Kind],
) -> Result<(), Error> {
    for kind in kinds {
        match remember(ctx, cluster, seen, *kind, None).await {
            Err(Error::Kubernetes(it)) if it.code() == Some(403) => {
                tracing::warn!(kind = ?kind, "a Secret of the cluster may not be annotated");
            }
            other => other?,
        }
    }
    Ok(())
}

fn forbidden(
    error: Error,
    kind: Kind,
    cluster: &str,
    what: &str,
) -> Result<Option<Problem>, Error> {
    match &error {
        Error::Kubernetes(it) if it.code() == Some(403) => {
            let name = kind.name(cluster);
            let message = format!("Secret '{name}' may not be {what} by Drover: see its rights");
            Ok(Some(Problem { reason: Reason::Forbidden, message }))
        }
        _ => Err(error),
    }
}

/// What is in a new Secret; nothing as long as it depends on another one.
fn content(
    kind: Kind,
    cluster: &Cluster,
    seen: &Seen,
    now: Timestamp,
) -> Result<Option<BTreeMap<String, SecretSlice<u8>>>, AuthorityError> {
    let values = match kind {
        Kind::Admin => {
            let password = password()?.expose_secret().as_bytes().to_vec();
            vec![("username", USER.as_bytes().to_vec()), ("password", password)]
        }
        Kind::AuthorityKey => {
            let name =
                format!("{}/{}", cluster.namespace().unwrap_or_default(), cluster.name_any());
            let authority = Authority::make(&name, now)?;
            let key = authority.key().expose_secret().as_bytes().to_vec();
            vec![("ca.crt", authority.certificate().as_bytes().to_vec()), ("ca.key", key)]
        }
        Kind::Authorities => {
            let [_, _, signs] = &seen.found;
            let certificate = signs.as_ref().and_then(|it| it.data.get("ca.crt"));
            let Some(certificate) = certificate else { return Ok(None) };
            vec![("ca.crt", certificate.expose_secret().to_vec())]
        }
    };
    let values = values.into_iter();
    Ok(Some(values.map(|(key, value)| (key.to_owned(), value.into())).collect()))
}
