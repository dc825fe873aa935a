//! Writes to Elasticsearch what a drain needs there.

use super::super::{
    decided::{self, Outcome},
    plan::Plan,
    rollout::observe::caller,
};
use crate::{
    api::{cluster::Cluster, drain::DrainStatus},
    context::Context,
    controllers::Next,
    elasticsearch::{self, calls::Write, link::Link},
    error::Error,
    kubernetes::events::Notice,
    rollout::drain::Act,
};

/// Writes `act`, for which the status tells of `drain`, after a last look at the object and at the
/// cluster.
///
/// # Errors
/// When the API server can't be asked.
pub async fn run(
    ctx: &Context,
    cluster: &Cluster,
    plan: &Plan,
    act: &Act,
    drain: Option<&DrainStatus>,
) -> Result<Outcome, Error> {
    let label = match act {
        Act::Exclude(..) => "exclude",
        Act::Mark(_) => "mark",
        Act::Silence(_) => "exclude_from_voting",
        Act::Unsilence(_) => "include_in_voting",
        Act::Include(_) => "include",
    };
    decided::counted(ctx, label, take(ctx, cluster, plan, act, drain)).await
}

/// What people hear of a request that failed, and when it is made again.
#[must_use]
pub fn failed(act: &Act, outcome: &Outcome) -> Option<(Notice, Next)> {
    let Outcome::Failed { why, category } = outcome else { return None };
    let what = if act.undoes() { "could not be taken back" } else { "could not be set" };
    let note = format!("what takes a node out of Elasticsearch {what}: {why}");
    Some((Notice::warning("DrainFailed", "Drain", note), Next::Again { category: *category }))
}

async fn take(
    ctx: &Context,
    cluster: &Cluster,
    plan: &Plan,
    act: &Act,
    drain: Option<&DrainStatus>,
) -> Result<Outcome, Error> {
    let holds = |fresh: &Cluster| holds(act, cluster, drain, fresh);
    let Some((link, pinned)) = decided::way(ctx, cluster, plan, holds).await? else {
        return Ok(Outcome::Moved);
    };
    let sent = send(&link, cluster, pinned, act).await;
    if sent.is_err() {
        link.doubt();
    }
    Ok(Outcome::of(&link, sent))
}

/// Whether what was decided for `cluster`, with `drain` in its status, holds for what it is by now. What
/// puts something back is written whatever became of the spec.
fn holds(act: &Act, cluster: &Cluster, drain: Option<&DrainStatus>, fresh: &Cluster) -> bool {
    let (was, is) = (&cluster.metadata, &fresh.metadata);
    let now = fresh.status.as_ref().and_then(|it| it.drain.as_ref());
    let is_same_spec =
        was.generation == is.generation && was.deletion_timestamp == is.deletion_timestamp;
    was.uid == is.uid && now == drain && (act.undoes() || is_same_spec)
}

/// Asks once more which cluster answers, and who is taken out there, on the endpoint that is written
/// to.
async fn send(
    link: &Link,
    cluster: &Cluster,
    pinned: &str,
    act: &Act,
) -> Result<bool, elasticsearch::error::Error> {
    let (client, caller) = (link.client(), caller(cluster));
    let owner = cluster.metadata.uid.as_deref().unwrap_or_default();
    let (exclusion, uuid, endpoint) = client.exclusion(&caller).await?;
    if uuid != pinned || !act.is_decided_on(&exclusion, owner) {
        return Ok(false);
    }
    let write = match act {
        Act::Exclude(node, prior) => Write::exclude(node, prior, owner, &caller),
        Act::Mark(node) => Write::mark(node, owner, &caller),
        Act::Silence(node) => Write::exclude_from_voting(node, &caller),
        Act::Unsilence(_) => Write::include_in_voting(&caller),
        Act::Include(prior) => Write::include(prior, &caller),
    };
    let answer = client.write_at(endpoint, &write).await?;
    if write.is_cluster_change {
        answer.acknowledged()?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::elasticsearch::evidence::Prior;

    fn object(uid: &str, generation: u32, drain: &Value) -> Cluster {
        let object = json!({
            "metadata": { "name": "es", "namespace": "shop", "uid": uid, "generation": generation },
            "spec": {},
            "status": { "drain": drain },
        });
        serde_json::from_value(object).unwrap()
    }

    fn drain(phase: &str) -> Value {
        json!({
            "host": "c", "hostUid": "uid-c", "node": "c", "phase": phase,
            "startedAt": "2026-01-02T03:04:05Z",
        })
    }

    #[test]
    fn a_node_is_taken_out_only_for_the_very_drain_that_the_status_tells_of() {
        let decided = object("u", 1, &drain("Exclude"));
        let told = decided.status.as_ref().unwrap().drain.as_ref();
        let set = Act::Exclude("c".into(), Prior::Unset);
        let back = Act::Include(Prior::Unset);
        let holds = |act: &Act, fresh: &Cluster| holds(act, &decided, told, fresh);
        assert!(holds(&set, &decided) && holds(&back, &decided));
        assert!(!holds(&set, &object("u", 2, &drain("Exclude"))), "another spec");
        assert!(holds(&back, &object("u", 2, &drain("Exclude"))), "it is put back all the same");
        for fresh in [object("v", 1, &drain("Exclude")), object("u", 1, &drain("Withdraw"))] {
            assert!(!holds(&set, &fresh) && !holds(&back, &fresh));
        }
    }
}
