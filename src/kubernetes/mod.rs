//! Everything that Drover asks of the API server: each call has a deadline, each write passes the
//! gate.

pub mod client;
pub mod decoded;
pub mod definitions;
pub mod error;
pub mod events;
pub mod finalizer;
pub mod freshness;
pub mod identity;
pub mod known;
pub mod lease;
pub mod namespaces;
pub mod references;
#[cfg(test)]
pub(crate) mod scripted;
pub mod secrets;
pub mod status;
pub mod watch;

use std::{fmt::Debug, future::Future, time::Duration};

use kube::{Resource, core::NamespaceResourceScope, core::object::HasStatus};
use serde::{Serialize, de::DeserializeOwned};

pub use error::KubernetesError;

use crate::api::{
    cluster::Cluster, container_manager::ContainerManager, host::Host, index::Index,
    network::Network,
};

/// The longest that one call to the API server may take.
pub const CALL_DEADLINE: Duration = Duration::from_secs(10);

/// A kind that Drover reconciles.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + HasStatus<Status: Serialize>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// The name of the kind in metrics and logs, such as `cluster`.
    const NAME: &'static str;
}

impl Kind for Cluster {
    const NAME: &'static str = "cluster";
}

impl Kind for Host {
    const NAME: &'static str = "host";
}

impl Kind for Network {
    const NAME: &'static str = "network";
}

impl Kind for ContainerManager {
    const NAME: &'static str = "container_manager";
}

impl Kind for Index {
    const NAME: &'static str = "index";
}

/// Waits for `request`, at most [`CALL_DEADLINE`]; `attempt` says what was tried, such as
/// `read Secret default/elastic`.
///
/// # Errors
/// What the API server answered, or that it did not.
pub async fn call<T>(
    attempt: impl FnOnce() -> String,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, KubernetesError> {
    call_within(CALL_DEADLINE, attempt, request).await
}

/// As [`call`], with a deadline of its own.
///
/// # Errors
/// What the API server answered, or that it did not.
pub async fn call_within<T>(
    deadline: Duration,
    attempt: impl FnOnce() -> String,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, KubernetesError> {
    match tokio::time::timeout(deadline, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(KubernetesError::new(attempt(), error)),
        Err(_) => Err(KubernetesError::Timeout { attempt: attempt(), after: deadline }),
    }
}

/// The name of an object as people write it: `Index default/orders`.
pub fn title<K: Resource<DynamicType = ()>>(object: &K) -> String {
    let meta = object.meta();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let name = meta.name.as_deref().unwrap_or_default();
    format!("{} {namespace}/{name}", K::kind(&()))
}
