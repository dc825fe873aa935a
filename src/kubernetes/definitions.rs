//! Whether the API server knows Drover's kinds.

use std::time::Duration;

use kube::{Client, Resource};

use super::{KubernetesError, call};
use crate::{
    api::{
        GROUP, VERSION, cluster::Cluster, container_manager::ContainerManager, host::Host,
        index::Index, network::Network,
    },
    chain::chain,
};

/// How long until the next look.
const PAUSE: Duration = Duration::from_secs(2);
/// Every how many looks the log says again what is missing.
const REMIND: u32 = 15;

/// Ends when the API server serves every kind; says in the log what to do as long as it does not.
pub async fn wait(client: &Client) {
    for look in 0.. {
        let says = look % REMIND == 0;
        match missing(client).await {
            Ok(kinds) if kinds.is_empty() => return,
            Ok(kinds) if says => tracing::warn!(
                missing = kinds.join(" "),
                "the API server does not know our kinds yet: run \
                 `drover crd | kubectl apply --server-side -f -`"
            ),
            Err(error) if says => tracing::warn!(
                error = chain(&error),
                "can't ask the API server for our kinds, trying again"
            ),
            _ => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The plurals that the API server does not serve.
async fn missing(client: &Client) -> Result<Vec<String>, KubernetesError> {
    let version = format!("{GROUP}/{VERSION}");
    let served = call(
        || format!("list the resources of {version}"),
        client.list_api_group_resources(&version),
    )
    .await;
    let served = match served {
        Ok(list) => list.resources,
        Err(error) if error.is_not_found() => Vec::new(),
        Err(error) => return Err(error),
    };
    let all = [
        Cluster::plural(&()),
        Host::plural(&()),
        Network::plural(&()),
        ContainerManager::plural(&()),
        Index::plural(&()),
    ];
    let is_served = |plural: &str| served.iter().any(|it| it.name == plural);
    Ok(all.iter().filter(|it| !is_served(it)).map(ToString::to_string).collect())
}
