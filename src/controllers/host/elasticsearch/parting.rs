//! What becomes of Elasticsearch on the machine of a Host that goes while its Cluster stays.

use kube::ResourceExt as _;

use super::wish::{Wish, along, left, removed};
use crate::{
    api::{
        SKIP_DRAIN,
        cluster::Cluster,
        host::{Host, HostDeletionPolicy},
    },
    context::Context,
    controllers::deployment::leaving,
    error::Error,
    kubernetes::references::look_up,
    ssh::deploy::Data,
};

/// Why nobody says what shall run.
const GOES: &str = "this Host is being deleted";

/// What becomes of Elasticsearch on the machine of a Host that goes alone. Its node is drained first, and
/// then goes with all else that Drover did there under `Reset`. The API server itself is asked whether
/// that is so: a watch may be behind.
///
/// # Errors
/// When the API server can't be asked.
pub async fn wish(ctx: &Context, host: &Host, cluster: &Cluster) -> Result<Wish, Error> {
    if !leaving::is_due(cluster, host) {
        return Ok(left(host, GOES));
    }
    if !leaving::is_drained(cluster, host) {
        return Ok(drains(cluster, host));
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let now = look_up::<Cluster>(&ctx.client, &namespace, &cluster.name_any()).await?;
    match now.filter(|it| it.metadata.uid == cluster.metadata.uid) {
        Some(now) if now.metadata.deletion_timestamp.is_some() => along(ctx, host, &now).await,
        Some(now) => Ok(parted(&now, host)),
        None => Ok(left(host, GOES)),
    }
}

/// The same, where the Cluster is as the API server has it.
fn parted(cluster: &Cluster, host: &Host) -> Wish {
    if !leaving::is_due(cluster, host) {
        left(host, GOES)
    } else if !leaving::is_drained(cluster, host) {
        drains(cluster, host)
    } else if host.spec.deletion_policy == HostDeletionPolicy::Reset {
        removed(cluster, host, Data::Kept)
    } else {
        left(host, GOES)
    }
}

fn drains(cluster: &Cluster, host: &Host) -> Wish {
    let name = cluster.name_any();
    let drain = leaving::drain_of(cluster, host);
    let blocked = drain.and_then(|it| it.blocked_by.as_ref());
    let other = cluster.status.as_ref().and_then(|it| it.drain.as_ref());
    let why = match (drain, blocked, other) {
        (Some(_), Some(blocked), _) => blocked.to_string(),
        (Some(_), None, _) => "its shards move".into(),
        (None, _, Some(other)) => {
            format!("host '{}' comes first, see status.drain of the Cluster", other.host)
        }
        (None, _, None) => "its turn has not come".into(),
    };
    let why = format!(
        "the object stays until its node in Cluster '{name}' has no shards: {why}. To let it go \
         without, set the annotation {SKIP_DRAIN} to true"
    );
    Wish::Drains { why }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{api::cluster_status::ElasticsearchStatus, controllers::deployment::tests};

    fn cluster(phase: Option<&str>) -> Cluster {
        let mut object = serde_json::to_value(tests::cluster(&json!({}))).unwrap();
        let told = ElasticsearchStatus { uuid: "own".into(), ..Default::default() };
        object["status"]["elasticsearch"] = serde_json::to_value(told).unwrap();
        if let Some(phase) = phase {
            object["status"]["drain"] = json!({
                "host": "a", "hostUid": "uid-a", "node": "a", "phase": phase,
                "startedAt": "2026-01-02T03:04:05Z", "blockedBy": "orders can't move",
            });
        }
        serde_json::from_value(object).unwrap()
    }

    fn host(policy: &str) -> Host {
        let mut object = serde_json::to_value(&*tests::host("a", &json!({}), true)).unwrap();
        object["metadata"]["uid"] = json!("uid-a");
        object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
        object["spec"]["deletionPolicy"] = json!(policy);
        object["status"]["elasticsearch"] = json!({ "unit": "u", "state": "active", "deployed": {
            "version": "8.19.0", "staged": ["8.19.0"], "clusterUuid": "own",
        } });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_host_that_goes_alone_waits_until_its_node_is_drained_and_hears_what_keeps_it() {
        for policy in ["Retain", "Reset"] {
            for phase in [None, Some("Waiting"), Some("Move"), Some("Vote"), Some("Withdraw")] {
                let wish = parted(&cluster(phase), &host(policy));
                let Wish::Drains { why } = wish else { panic!("{policy} {phase:?}: {wish:?}") };
                assert_eq!(why.contains("orders can't move"), phase.is_some(), "{why}");
                assert!(why.contains("drover.dev/skip-drain"), "{why}");
            }
        }
    }

    #[test]
    fn a_host_that_waits_for_another_one_hears_which() {
        let mut host = host("Retain");
        host.metadata.uid = Some("another".into());
        let Wish::Drains { why } = parted(&cluster(Some("Drained")), &host) else { panic!() };
        assert!(why.contains("host 'a' comes first"), "{why}");
    }

    #[test]
    fn once_it_is_drained_elasticsearch_goes_under_reset_and_stays_under_retain() {
        let drained = cluster(Some("Drained"));
        let wish = parted(&drained, &host("Reset"));
        let Wish::Remove(removal) = wish else { panic!("{wish:?}") };
        assert_eq!((removal.uuid.as_deref(), removal.data), (Some("own"), Data::Kept));
        assert!(matches!(parted(&drained, &host("Retain")), Wish::Unknown { .. }));
    }

    #[test]
    fn a_host_that_a_person_lets_go_is_not_drained() {
        let mut host = host("Retain");
        let skips = [(SKIP_DRAIN.to_owned(), "true".to_owned())];
        host.metadata.annotations = Some(skips.into());
        assert!(matches!(parted(&cluster(Some("Move")), &host), Wish::Unknown { .. }));
    }
}
