//! Changes settings in the running cluster.

use super::{
    super::{
        decided::{self, Outcome},
        plan::Plan,
        rollout::observe::caller,
    },
    PACE,
    changes::may_be_set,
    plan::{Decision, is_busy, recorded},
};
use crate::{
    api::cluster::Cluster,
    context::Context,
    controllers::Next,
    elasticsearch::{
        calls::Write,
        cluster_settings::{Refused, refused},
        error::Error as Fault,
        link::Link,
    },
    error::Error,
    foreign::capped,
    kubernetes::events::{self, Notice},
};

/// Makes the change that was decided, of which the status tells, in one request, after a last look at the
/// object and at the cluster. What came of it is seen at the next look.
///
/// # Errors
/// When the API server can't be asked.
pub async fn carry_out(
    ctx: &Context,
    cluster: &Cluster,
    plan: &Plan,
    decision: &Decision,
) -> Result<Next, Error> {
    Ok(match decided::counted(ctx, "change_live", take(ctx, cluster, plan, decision)).await? {
        Outcome::Done | Outcome::Moved => Next::After(PACE),
        Outcome::Failed { why, category } => {
            let note = format!("settings could not be changed in the running cluster: {why}");
            let notice = Notice::warning("LiveChangeFailed", "ChangeSettings", note);
            events::publish(ctx, cluster, notice).await;
            Next::Again { category }
        }
    })
}

async fn take(
    ctx: &Context,
    cluster: &Cluster,
    plan: &Plan,
    decision: &Decision,
) -> Result<Outcome, Error> {
    let holds = |fresh: &Cluster| holds(decision, cluster, fresh);
    let Some((link, pinned)) = decided::way(ctx, cluster, plan, holds).await? else {
        return Ok(Outcome::Moved);
    };
    let sent = send(&link, cluster, pinned, decision).await;
    let all = sent.as_ref().err().map(|it| refused(it, &decision.act)).unwrap_or_default();
    if all.is_empty() {
        return Ok(Outcome::of(&link, sent));
    }
    // Nothing was changed, and the next look goes by what was refused.
    for it in all {
        let mut why = String::from(it.why);
        link.client().blot(&mut why);
        link.refusals.note(Refused { why: capped(&why), ..it });
    }
    Ok(Outcome::Moved)
}

/// Whether what was decided for `cluster` holds for what the API server has by now: the same spec, and no run
/// since.
fn holds(decision: &Decision, cluster: &Cluster, fresh: &Cluster) -> bool {
    let (was, is) = (&cluster.metadata, &fresh.metadata);
    let is_free = fresh.status.as_ref().is_some_and(|it| !is_busy(it));
    was.uid == is.uid
        && was.generation == is.generation
        && is.deletion_timestamp.is_none()
        && is_free
        && recorded(fresh) == decision.record.as_ref()
}

/// Asks once more which cluster answers, and what is set there, on the endpoint that is written to.
async fn send(
    link: &Link,
    cluster: &Cluster,
    pinned: &str,
    decision: &Decision,
) -> Result<bool, Fault> {
    let (client, caller) = (link.client(), caller(cluster));
    let (set, uuid, endpoint) = client.cluster_settings(&caller).await?;
    let changes = decision.record.iter().flat_map(|it| &it.changes);
    let mut to_set = changes.filter(|it| decision.act.contains_key(&it.name));
    if uuid != pinned || !to_set.all(|it| may_be_set(it, &set, cluster.spec.drift_policy)) {
        return Ok(false);
    }
    let write = Write::put_cluster_settings(&decision.act, &caller);
    client.write_at(endpoint, &write).await?.acknowledged()?;
    link.refusals.took(&decision.act);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::{
            index::DriftPolicy,
            live::{LiveSetting, LiveSettings, LiveState},
        },
        elasticsearch::cluster_settings::ClusterSettings,
    };

    fn record(state: LiveState) -> LiveSettings {
        let change = LiveSetting {
            name: "search.max_buckets".into(),
            value: "2".into(),
            before: Some("1".into()),
            state,
            message: None,
        };
        LiveSettings { changes: vec![change], ..LiveSettings::default() }
    }

    fn object(uid: &str, generation: u32, status: &Value) -> Cluster {
        let metadata = json!({
            "name": "es", "namespace": "shop", "uid": uid, "generation": generation,
        });
        let object = json!({ "metadata": metadata, "spec": {}, "status": status });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_setting_is_changed_only_for_the_very_record_that_the_status_tells_of() {
        let told = json!({ "liveSettings": record(LiveState::Pending) });
        let decided = object("u", 1, &json!({}));
        let decision = Decision {
            record: Some(record(LiveState::Pending)),
            act: [("search.max_buckets".to_owned(), json!("2"))].into(),
        };
        let holds = |fresh: &Cluster| holds(&decision, &decided, fresh);
        assert!(holds(&object("u", 1, &told)));
        assert!(!holds(&object("v", 1, &told)), "another object of the name");
        assert!(!holds(&object("u", 2, &told)), "another spec");
        assert!(!holds(&object("u", 1, &json!({}))), "it is not on record");
        for (phase, may_be) in [("Waiting", true), ("Drained", true), ("Move", false)] {
            let mut drained = told.clone();
            drained["drain"] = json!({
                "host": "b", "hostUid": "uid-b", "node": "b", "phase": phase,
                "startedAt": "2026-01-02T03:04:05Z",
            });
            assert_eq!(holds(&object("u", 1, &drained)), may_be, "{phase}");
        }
        let mut running = told;
        running["rollout"] = json!({
            "runId": "r", "kind": "ElasticsearchRestart", "target": "one", "hosts": [],
            "startedAt": "2026-01-02T03:04:05Z",
        });
        assert!(!holds(&object("u", 1, &running)), "a run has begun");
    }

    #[test]
    fn what_somebody_else_has_set_since_is_written_over_only_under_enforce_and_never_taken_away() {
        let now = |persistent: Option<&str>, transient: Option<&str>| {
            let map = |it: Option<&str>| {
                it.map(|it| ("search.max_buckets".to_owned(), it.to_owned())).into_iter().collect()
            };
            ClusterSettings { persistent: map(persistent), transient: map(transient) }
        };
        let pending = &record(LiveState::Pending).changes[0];
        let again = &record(LiveState::Refused).changes[0];
        for (set, policy, is_set) in [
            (now(None, None), DriftPolicy::Report, true),
            (now(Some("1"), None), DriftPolicy::Report, true),
            (now(Some("9"), None), DriftPolicy::Report, false),
            (now(Some("9"), None), DriftPolicy::Enforce, true),
            (now(None, Some("9")), DriftPolicy::Enforce, false),
        ] {
            assert_eq!(may_be_set(pending, &set, policy), is_set, "{set:?} {policy:?}");
            assert_eq!(may_be_set(again, &set, policy), is_set, "{set:?} {policy:?}");
        }
        let withdrawn = &record(LiveState::Withdrawn).changes[0];
        assert!(may_be_set(withdrawn, &now(Some("2"), None), DriftPolicy::Report));
        for set in [now(Some("9"), None), now(None, None)] {
            assert!(!may_be_set(withdrawn, &set, DriftPolicy::Enforce), "{set:?}");
        }
    }
}
