//! What a run goes by: what Elasticsearch says now, and the hosts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use kube::{Api, ResourceExt as _};

use super::{
    super::{drain, observe::Observed, plan::Plan},
    members,
    outdated::Outdated,
    wishes,
};
use crate::{
    api::{cluster::Cluster, host::Host, rollout::Protection, rollout_status::RolloutKind},
    chain::chain,
    context::Context,
    controllers::deployment::{self, leaving},
    elasticsearch::{deprecations, evidence::Evidence, link::Link, version::Version},
    error::Error,
    kubernetes::{call, title},
    rollout::{hosts::Member, run::version_of},
};

/// How long Elasticsearch may take to tell all that decides. What took longer would be too old to go
/// by, whatever one request may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What a run goes by.
#[derive(Debug)]
pub struct Seen {
    /// What Elasticsearch says; why it could not be asked, in words for people.
    pub evidence: Result<Evidence, String>,
    /// The hosts of the Cluster.
    pub members: Vec<Member>,
    /// Those, with those that leave it, and those that named it before and have its node yet.
    pub known: Vec<Arc<Host>>,
    /// How long Elasticsearch took to tell.
    pub took: Duration,
}

/// Asks, where there is a run, or something is wanted. An earlier process may have left a setting
/// behind, so that the first look at each connection asks as well.
///
/// # Errors
/// When the API server can't be asked.
pub async fn look(
    ctx: &Context,
    cluster: &Cluster,
    seen: &Observed,
    plan: &Plan,
    outdated: Option<&Outdated>,
) -> Result<Option<Seen>, Error> {
    let link = ctx.links.get(&super::super::key(cluster));
    let status = cluster.status.as_ref();
    let run = status.and_then(|it| it.rollout.as_ref());
    let known = known(ctx, cluster);
    let is_busy = run.is_some()
        || wishes::is_anything_outstanding(cluster, outdated)
        || drain::plan::is_wanted(cluster, &known);
    let is_new = 0 < seen.hosts.total && link.as_ref().is_some_and(|it| !it.is_examined());
    // A connection whose first answer is awaited tells of itself before long. Until then a new process
    // knows less than the last one did, and takes back nothing.
    let is_connecting = seen.connected.is_some() || matches!(seen.connection, Ok(Some(_)));
    let is_awaited = is_connecting && !seen.snapshot.polled;
    if !(is_busy || is_new) || is_awaited || plan.let_go {
        return Ok(None);
    }
    let start = Instant::now();
    let evidence = evidence(cluster, seen, plan, link.as_ref()).await;
    let took = start.elapsed();
    if let (Ok(evidence), Some(link)) = (&evidence, &link) {
        // What somebody else has left behind is looked at until it is gone.
        let owner = cluster.metadata.uid.as_deref().unwrap_or_default();
        let is_left = evidence.shutdowns.of(owner).next().is_some();
        link.set_examined(!is_left && !evidence.allocation.is_kept_by_other(owner));
    }
    let hosts = hosts(ctx, cluster).await?;
    let member = |host: &Arc<Host>| {
        let member = members::member(host, evidence.as_ref().ok());
        let roles = outdated.map(|it| it.roles(&member.uid)).unwrap_or_default();
        Member { roles, ..member }
    };
    let members = hosts.iter().map(member).collect();
    Ok(Some(Seen { evidence, members, known, took }))
}

async fn evidence(
    cluster: &Cluster,
    seen: &Observed,
    plan: &Plan,
    link: Option<&Arc<Link>>,
) -> Result<Evidence, String> {
    let Some(link) = link.filter(|_| seen.has_elasticsearch()) else {
        return Err("there is no connection to Elasticsearch: see the conditions".into());
    };
    let Some(pinned) = plan.identity.pinned().filter(|_| plan.identity.is_pinned()) else {
        return Err("the pinned cluster does not answer: see IdentityMatches".into());
    };
    let (caller, next) = (caller(cluster), next_version(cluster));
    let asked = async {
        match super::pace(cluster).protection {
            Protection::AllocationSettings => link.client().evidence(&caller, next).await,
            Protection::NodeShutdown => link.client().evidence_with_shutdowns(&caller, next).await,
        }
    };
    // What another major version alone waits for has its own time.
    let limit = if next.is_some() { LIMIT + deprecations::LIMIT } else { LIMIT };
    let asked = tokio::time::timeout(limit, asked).await;
    let asked = asked.map_err(|_| format!("Elasticsearch did not tell all within {LIMIT:?}"))?;
    let evidence = asked.map_err(|it| {
        let mut why = format!("Elasticsearch can't be asked: {}", chain(&it));
        link.client().blot(&mut why);
        why
    })?;
    if *evidence.uuid != *pinned {
        return Err("another cluster answers: see IdentityMatches".into());
    }
    Ok(evidence)
}

/// The highest version that the nodes come to, by the run under way that leads to one, and by what is
/// declared where that may take the place of a run that went wrong. Nothing else is judged by it.
fn next_version(cluster: &Cluster) -> Option<Version> {
    let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref())?;
    let is_of_version = run.kind == RolloutKind::ElasticsearchVersion;
    let led_to = is_of_version.then(|| Version::parse(version_of(&run.target))).flatten();
    let has_trouble = run.hosts.iter().any(|it| it.touched || it.message.is_some());
    let declared = deployment::version(cluster).filter(|_| is_of_version || has_trouble);
    declared.max(led_to)
}

/// Names the Cluster in Elasticsearch's own logs.
pub(in super::super) fn caller(cluster: &Cluster) -> String {
    let key = super::super::key(cluster);
    format!("drover/cluster/{}/{}", key.namespace, key.name)
}

/// The hosts that name the Cluster, and those with a node of it.
fn known(ctx: &Context, cluster: &Cluster) -> Vec<Arc<Host>> {
    let hosts = ctx.stores.hosts.state().into_iter();
    hosts.filter(|it| leaving::names(cluster, it) || leaving::is_node_of(cluster, it)).collect()
}

/// The hosts of the Cluster. Those that a run has begun are read anew: what they have said is in no
/// cache for sure.
async fn hosts(ctx: &Context, cluster: &Cluster) -> Result<Vec<Arc<Host>>, Error> {
    let (namespace, name) = (cluster.namespace(), cluster.name_any());
    let is_member = |it: &Arc<Host>| {
        let named = it.spec.cluster_ref.as_ref().map(|it| &it.name);
        // One that leaves is no part of any run: it is waited for as one that is gone.
        named == Some(&name)
            && it.namespace() == namespace
            && !it.awaits_approval()
            && !leaving::is_due(cluster, it)
    };
    let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref()).map(super::record::run);
    let begun = |uid: Option<&str>| {
        let run = run.iter().flat_map(|it| &it.hosts);
        let mut begun = run.filter(|it| it.is_in_hand() || it.step.is_permit());
        begun.any(|it| Some(&*it.uid) == uid)
    };
    let api: Api<Host> =
        Api::namespaced(ctx.client.clone(), namespace.as_deref().unwrap_or_default());
    let mut hosts = Vec::new();
    for host in ctx.stores.hosts.state().into_iter().filter(is_member) {
        let uid = host.metadata.uid.as_deref();
        if !begun(uid) {
            hosts.push(host);
            continue;
        }
        let read = call(|| format!("read {}", title(&*host)), api.get(&host.name_any())).await;
        match read {
            Ok(fresh) if fresh.metadata.uid.as_deref() == uid => {
                // It may name another Cluster by now.
                hosts.extend(Some(Arc::new(fresh)).filter(is_member));
            }
            // It is another one by now.
            Ok(_) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    hosts.sort_by_key(|it| it.name_any());
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controllers::deployment::tests;

    #[test]
    fn what_stands_in_the_way_of_a_version_is_asked_only_for_a_run_that_may_bring_one() {
        let next = |kind: &str, target: &str, message: Value| {
            let then = "2026-01-02T03:04:05Z";
            let run = json!({
                "runId": "r", "kind": kind, "target": target, "startedAt": then,
                "hosts": [{
                    "name": "a", "hostUid": "u", "step": "Gate", "attempt": 1, "startedAt": then,
                    "message": message,
                }],
            });
            next_version(&tests::cluster(&json!({ "rollout": run })))
        };
        let declared = Some(Version(8, 19, 0));
        assert_eq!(next_version(&tests::cluster(&json!({}))), None, "there is no run");
        assert_eq!(next("ElasticsearchVersion", "8.19.0/x", json!(null)), declared);
        assert_eq!(next("ElasticsearchVersion", "9.0.0/x", json!(null)), Some(Version(9, 0, 0)));
        assert_eq!(next("ElasticsearchConfig", "8.19.0/x", json!(null)), None);
        assert_eq!(next("ElasticsearchConfig", "8.19.0/x", json!("it fails")), declared);
    }
}
