//! Writes to Elasticsearch what a run needs there: the only writes of a Cluster.

use std::time::Instant;

use kube::{Api, ResourceExt as _};

use super::{super::plan::Plan, observe::caller};
use crate::{
    api::cluster::Cluster,
    chain::chain,
    context::Context,
    elasticsearch::{self, calls::Write, link::Link},
    error::{Category, Error},
    kubernetes::{Kind as _, call, title},
    rollout::planner::Act,
    telemetry::metrics::StepEnding,
};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Done,
    /// The world is another one than it was decided on: it is looked at again.
    Moved,
    /// It was not, as far as is known.
    Failed {
        /// In words for people.
        why: String,
        /// What has to come right first.
        category: Category,
    },
}

/// Writes `act`, after a last look at the object and at the cluster.
///
/// # Errors
/// When the API server can't be asked.
pub async fn run(
    ctx: &Context,
    cluster: &Cluster,
    plan: &Plan,
    act: &Act,
) -> Result<Outcome, Error> {
    let start = Instant::now();
    let outcome = take(ctx, cluster, plan, act).await;
    let ending = match &outcome {
        Ok(Outcome::Done) => StepEnding::Success,
        Ok(Outcome::Moved) => StepEnding::PutOff,
        Ok(Outcome::Failed { .. }) | Err(_) => StepEnding::Error,
    };
    let label = match act {
        Act::Protect(_) => "protect",
        Act::Unprotect(_) => "unprotect",
    };
    ctx.metrics.step_taken(Cluster::NAME, label, ending, start.elapsed());
    outcome
}

async fn take(ctx: &Context, cluster: &Cluster, plan: &Plan, act: &Act) -> Result<Outcome, Error> {
    let link = ctx.links.get(&super::super::key(cluster));
    let (Some(link), Some(pinned)) = (link, plan.identity.pinned()) else {
        return Ok(Outcome::Moved);
    };
    if !is_as_decided(ctx, cluster, act).await? {
        return Ok(Outcome::Moved);
    }
    Ok(match send(&link, cluster, pinned, act).await {
        Ok(true) => Outcome::Done,
        Ok(false) => Outcome::Moved,
        Err(error) => {
            // It may have been carried out all the same, and even later.
            link.set_examined(false);
            let mut why = chain(&error);
            link.client().blot(&mut why);
            Outcome::Failed { why, category: Category::Elasticsearch }
        }
    })
}

/// Whether the object is still the one that this was decided for. What puts something right is
/// written whatever became of the spec.
async fn is_as_decided(ctx: &Context, cluster: &Cluster, act: &Act) -> Result<bool, Error> {
    let meta = &cluster.metadata;
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let api: Api<Cluster> = Api::namespaced(ctx.client.clone(), namespace);
    let name = cluster.name_any();
    let read = api.get_metadata(&name);
    let fresh = match call(|| format!("read {}", title(cluster)), read).await {
        Ok(fresh) => fresh.metadata,
        Err(error) if error.is_not_found() => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    let is_same_spec =
        fresh.generation == meta.generation && fresh.deletion_timestamp == meta.deletion_timestamp;
    Ok(fresh.uid == meta.uid && (is_same_spec || matches!(act, Act::Unprotect(_))))
}

/// Asks once more which cluster answers, on the endpoint that is written to.
async fn send(
    link: &Link,
    cluster: &Cluster,
    pinned: &str,
    act: &Act,
) -> Result<bool, elasticsearch::error::Error> {
    let (client, caller) = (link.client(), caller(cluster));
    let state = client.state_version(&caller).await?;
    if state.cluster_uuid != pinned {
        return Ok(false);
    }
    let write = match act {
        Act::Protect(prior) => {
            let owner = cluster.metadata.uid.as_deref().unwrap_or_default();
            Write::protect(prior, owner, &caller)
        }
        Act::Unprotect(prior) => Write::unprotect(prior, &caller),
    };
    client.write_at(state.endpoint, &write).await?.acknowledged()?;
    Ok(true)
}
