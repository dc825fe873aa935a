//! Asks the API server itself whether what happens once in the life of a cluster was decided on what is so:
//! that it is formed, and what its Secrets hold. A watch may be behind, and by much.

use std::sync::Arc;

use kube::{
    Api, ResourceExt as _,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::Value;

use super::{
    super::{
        observe::Observed,
        plan::{Identity, Plan},
    },
    observe::Seen,
    plan::{self, Stand},
};
use crate::{
    api::{cluster::Cluster, condition::Reason, host::Host},
    context::Context,
    controllers::deployment,
    error::Error,
    kubernetes::{call, references::look_up},
};

/// How many Hosts are read at once.
const PAGE: u32 = 500;
/// How many times: more than that are not known, and nothing is decided on them.
const PAGES: u32 = 40;

/// What is waited for where the world is not told alike.
const UNLIKE: &str = "the API server does not tell the same as the watches yet, or a Host that names the \
                      Cluster can't be read";

/// Takes out of `plan` what happens once, where that is not what would be decided on the Cluster and its
/// Hosts as they are now. All else goes on: a run has hosts in hand, and an object may be on its way.
///
/// # Errors
/// When the API server can't be asked.
pub async fn hold_back(
    ctx: &Context,
    cluster: &Cluster,
    seen: &Observed,
    plan: &mut Plan,
) -> Result<(), Error> {
    if is_so(ctx, cluster, seen, plan).await? {
        return Ok(());
    }
    let Some(managed) = plan.managed.take() else { return Ok(()) };
    if matches!(managed.stand, Stand::Forms { .. } | Stand::Remembered(_)) {
        // Nor does the status say from now on which cluster it is.
        plan.identity = Identity::Unseen(None);
    }
    plan.managed = Some(without_what_happens_once(managed));
    Ok(())
}

/// What a person has to put right stays so.
fn without_what_happens_once(plan: plan::Plan) -> plan::Plan {
    let stand = match plan.stand {
        refused @ Stand::Refused(_) => refused,
        _ => Stand::Waits(UNLIKE.into()),
    };
    plan::Plan { make: Vec::new(), stand, note: None, ..plan }
}

/// Whether `plan` is what would be decided on the Cluster and its Hosts as they are now. Where nothing
/// depends on that, nobody is asked.
async fn is_so(
    ctx: &Context,
    cluster: &Cluster,
    seen: &Observed,
    plan: &Plan,
) -> Result<bool, Error> {
    let (Some(managed), Some(plan)) = (&seen.managed, &plan.managed) else { return Ok(true) };
    if !plan.is_momentous() {
        return Ok(true);
    }
    let namespace = cluster.namespace().unwrap_or_default();
    let now = look_up::<Cluster>(&ctx.client, &namespace, &cluster.name_any()).await?;
    if !now.is_some_and(|it| is_same(cluster, &it)) {
        return Ok(false);
    }
    Ok(match hosts(ctx, cluster).await? {
        Some(hosts) => is_decided_so(cluster, managed, hosts, plan),
        None => false,
    })
}

/// Whether it is this very object, and nobody has written to it since.
fn is_same(cluster: &Cluster, now: &Cluster) -> bool {
    let (seen, now) = (&cluster.metadata, &now.metadata);
    seen.uid == now.uid && seen.resource_version == now.resource_version
}

/// Whether the same is decided with these `hosts`.
fn is_decided_so(cluster: &Cluster, seen: &Seen, hosts: Vec<Arc<Host>>, plan: &plan::Plan) -> bool {
    let hosts = deployment::members_among(cluster, hosts);
    let fresh = match &seen.secrets {
        // What may not be read is not judged anew.
        Err(problem) if problem.reason == Reason::Forbidden => {
            Seen::unread(seen.others.clone(), problem.clone(), hosts)
        }
        _ => Seen::among(seen.others.clone(), cluster, seen.found.clone(), hosts),
    };
    plan::next(cluster, &fresh) == *plan
}

/// The Hosts beside `cluster`; nothing where one that names it can't be read, or there are too many.
async fn hosts(ctx: &Context, cluster: &Cluster) -> Result<Option<Vec<Arc<Host>>>, Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let resource = ApiResource::erase::<Host>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(ctx.client.clone(), &namespace, &resource);
    let mut page = ListParams::default().limit(PAGE);
    let mut hosts = Vec::new();
    for _ in 0..PAGES {
        let attempt = || format!("list the Hosts in {namespace}");
        let found = call(attempt, api.list(&page)).await?;
        for object in found.items {
            let named = object.data.pointer("/spec/clusterRef/name").and_then(Value::as_str);
            if named != Some(&*cluster.name_any()) {
                continue;
            }
            let Ok(host) = object.try_parse::<Host>() else { return Ok(None) };
            hosts.push(Arc::new(host));
        }
        match found.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(Some(hosts)),
        }
    }
    Ok(None)
}
