//! Writes to Elasticsearch what a run needs there: the only writes of a Cluster.

use std::collections::BTreeMap;

use super::{
    super::{
        decided::{self, Outcome},
        plan::Plan,
    },
    observe::caller,
    record,
};
use crate::{
    api::{
        cluster::Cluster,
        rollout_status::{RolloutHost, RolloutStatus},
    },
    context::Context,
    elasticsearch::{
        self,
        calls::Write,
        evidence::{Allocation, NodeId, Record},
        link::Link,
    },
    error::Error,
    rollout::{planner::Act, run::Step},
};

/// Writes `act`, for which the status tells of `run`, after a last look at the object and at the
/// cluster.
///
/// # Errors
/// When the API server can't be asked.
pub async fn run(
    ctx: &Context,
    cluster: &Cluster,
    plan: &Plan,
    act: &Act,
    run: Option<&RolloutStatus>,
) -> Result<Outcome, Error> {
    let label = match act {
        Act::Protect(_) => "protect",
        Act::Unprotect(_) => "unprotect",
        Act::Announce { .. } => "announce",
        Act::Retract(_) => "retract",
    };
    decided::counted(ctx, label, take(ctx, cluster, plan, act, run)).await
}

async fn take(
    ctx: &Context,
    cluster: &Cluster,
    plan: &Plan,
    act: &Act,
    run: Option<&RolloutStatus>,
) -> Result<Outcome, Error> {
    let holds = |fresh: &Cluster| holds(act, cluster, run, fresh);
    let Some((link, pinned)) = decided::way(ctx, cluster, plan, holds).await? else {
        return Ok(Outcome::Moved);
    };
    let sent = send(&link, cluster, pinned, act).await;
    if sent.is_err() {
        link.doubt();
    }
    Ok(Outcome::of(&link, sent))
}

/// Whether what was decided for `cluster`, with `run` in its status, holds for what it is by now. What
/// puts something right is written whatever became of the spec, but for one thing: that another
/// process has gone on, and needs the protection.
fn holds(act: &Act, cluster: &Cluster, run: Option<&RolloutStatus>, fresh: &Cluster) -> bool {
    let (was, is) = (&cluster.metadata, &fresh.metadata);
    let now = fresh.status.as_ref().and_then(|it| it.rollout.as_ref());
    let is_same_spec =
        was.generation == is.generation && was.deletion_timestamp == is.deletion_timestamp;
    was.uid == is.uid
        && match act {
            Act::Protect(_) | Act::Announce { .. } => is_same_spec && now == run,
            Act::Unprotect(_) | Act::Retract(_) => {
                now == run || now.is_none_or(|it| !it.hosts.iter().any(needs_protection))
            }
        }
}

fn needs_protection(host: &RolloutHost) -> bool {
    let step = record::step(host.step);
    // One that is staged anew is down.
    Step::Protect <= step && step < Step::Unprotect || step == Step::Stage && host.touched
}

/// Whether the settings are still those that `act` was decided on: what somebody else has written since
/// is not written over.
fn is_decided_on(act: &Act, now: &Allocation, owner: &str) -> bool {
    match act {
        Act::Protect(prior) => {
            let is_taken = now.is_protected() || now.is_kept_by_other(owner);
            !is_taken && now.is_free() && now.as_prior() == *prior
        }
        Act::Unprotect(prior) => now.kept_for(owner).as_ref() == Some(prior),
        Act::Announce { .. } | Act::Retract(_) => false,
    }
}

/// Whether the records are still such that `act` may be written: a record takes the place of the one
/// before it, so that only of a node that nobody else has announced may anything be said.
fn may_be_announced(act: &Act, now: &BTreeMap<NodeId, Record>, owner: &str) -> bool {
    match act {
        Act::Announce { node, .. } => now.get(node).is_none_or(|it| it.is_of(owner)),
        Act::Retract(node) => now.get(node).is_some_and(|it| it.is_of(owner)),
        Act::Protect(_) | Act::Unprotect(_) => false,
    }
}

/// Asks once more which cluster answers, and what holds there, on the endpoint that is written to.
async fn send(
    link: &Link,
    cluster: &Cluster,
    pinned: &str,
    act: &Act,
) -> Result<bool, elasticsearch::error::Error> {
    let (client, caller) = (link.client(), caller(cluster));
    let owner = cluster.metadata.uid.as_deref().unwrap_or_default();
    let state = client.state_version(&caller).await?;
    let is_so = match act {
        Act::Protect(_) | Act::Unprotect(_) => {
            let (allocation, endpoint) = client.allocation(&caller).await?;
            endpoint == state.endpoint && is_decided_on(act, &allocation, owner)
        }
        Act::Announce { .. } | Act::Retract(_) => {
            let now = client.shutdowns_at(state.endpoint, &caller).await?;
            may_be_announced(act, &now, owner)
        }
    };
    if state.cluster_uuid != pinned || !is_so {
        return Ok(false);
    }
    let write = match act {
        Act::Protect(prior) => Write::protect(prior, owner, &caller),
        Act::Unprotect(prior) => Write::unprotect(prior, &caller),
        Act::Announce { node, run, delay } => Write::announce(node, owner, run, *delay, &caller),
        Act::Retract(node) => Write::retract(node, &caller),
    };
    client.write_at(state.endpoint, &write).await?.acknowledged()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::{elasticsearch::evidence::Prior, kubernetes::scripted::api_server};

    fn object(uid: &str, generation: u32, run: &Value) -> Cluster {
        let object = json!({
            "metadata": { "name": "es", "namespace": "shop", "uid": uid, "generation": generation },
            "spec": {},
            "status": { "rollout": run },
        });
        serde_json::from_value(object).unwrap()
    }

    fn run(id: &str, step: &str, attempt: u32) -> Value {
        json!({
            "runId": id, "kind": "ElasticsearchRestart", "target": "one",
            "startedAt": "2026-01-02T03:04:05Z",
            "hosts": [{
                "name": "a", "hostUid": "uid-a", "step": step, "attempt": attempt,
                "startedAt": "2026-01-02T03:04:05Z",
            }],
        })
    }

    fn holds_for(act: fn(Prior) -> Act, decided: &Value, fresh: &Cluster) -> bool {
        let cluster = object("u", 1, decided);
        let told = cluster.status.as_ref().unwrap().rollout.clone();
        // What was written, not what was seen, is what counts.
        let seen = object("u", 1, &Value::Null);
        holds(&act(Prior::Unset), &seen, told.as_ref(), fresh)
    }

    #[test]
    fn protection_is_written_only_for_the_very_run_that_the_status_tells_of() {
        let decided = run("r-1", "Protect", 1);
        let holds = |fresh: &Cluster| holds_for(Act::Protect, &decided, fresh);
        assert!(holds(&object("u", 1, &decided)));
        assert!(!holds(&object("v", 1, &decided)), "another object of the name");
        assert!(!holds(&object("u", 2, &decided)), "another spec");
        let others = [("r-1", "Cordon", 1), ("r-1", "Protect", 2), ("r-2", "Protect", 1)];
        for (id, step, attempt) in others {
            assert!(!holds(&object("u", 1, &run(id, step, attempt))), "{id} {step} {attempt}");
        }
        assert!(!holds(&object("u", 1, &Value::Null)), "the run is over");
    }

    #[test]
    fn protection_is_taken_back_whatever_the_spec_says_unless_another_step_needs_it_by_now() {
        let decided = run("r-1", "Unprotect", 1);
        for generation in [1, 2] {
            for decided in [&decided, &Value::Null] {
                let holds =
                    |it: &Value| holds_for(Act::Unprotect, decided, &object("u", generation, it));
                assert!(holds(decided));
                for step in ["Waiting", "Stage", "Gate", "Unprotect", "Uncordon", "Settle", "Done"]
                {
                    assert!(holds(&run("r-1", step, 1)), "{step}");
                }
                for step in ["Protect", "Cordon", "Stop", "Withdraw", "Rejoin"] {
                    for id in ["r-1", "r-2"] {
                        assert!(!holds(&run(id, step, 2)), "{id} {step}");
                    }
                }
            }
        }
        assert!(!holds_for(Act::Unprotect, &decided, &object("v", 1, &decided)));
    }

    #[test]
    fn settings_that_somebody_has_changed_since_are_not_written_over() {
        let at = |persistent: Option<&str>, prior: Option<Prior>, owner: Option<&str>| Allocation {
            persistent: persistent.map(Into::into),
            transient: None,
            prior,
            owner: owner.map(Into::into),
        };
        let protect = Act::Protect(Prior::Value("all".into()));
        let kept = |value: &str, owner: &str| at(Some(value), Some(Prior::Unset), Some(owner));
        for (now, holds) in [
            (at(Some("all"), None, None), true),
            (at(None, None, None), false),
            (at(Some("new_primaries"), None, None), false),
            (kept("primaries", "us"), false),
            (kept("primaries", "them"), false),
            (kept("all", "us"), true),
        ] {
            assert_eq!(is_decided_on(&protect, &now, "us"), holds, "{now:?}");
        }
        let unprotect = Act::Unprotect(Prior::Unset);
        for (now, holds) in [
            (kept("primaries", "us"), true),
            (kept("primaries", "them"), false),
            (kept("all", "us"), false),
            (at(None, Some(Prior::Unset), Some("us")), true),
            (at(None, None, None), false),
        ] {
            assert_eq!(is_decided_on(&unprotect, &now, "us"), holds, "{now:?}");
        }
    }

    #[test]
    fn what_is_announced_obeys_the_same_rules_and_never_takes_the_place_of_what_others_have() {
        let announce =
            Act::Announce { node: "n1".into(), run: "r-1".into(), delay: Duration::ZERO };
        let retract = Act::Retract("n1".into());
        let decided = object("u", 1, &run("r-1", "Protect", 1));
        let told = decided.status.as_ref().unwrap().rollout.as_ref();
        let may = |act: &Act, fresh: &Cluster| holds(act, &decided, told, fresh);
        let later = object("u", 1, &run("r-1", "Stop", 1));
        let other_spec = object("u", 2, &run("r-1", "Protect", 1));
        assert!(may(&announce, &decided) && may(&retract, &decided));
        assert!(!may(&announce, &later) && !may(&retract, &later), "it may go down by now");
        assert!(!may(&announce, &other_spec) && may(&retract, &other_spec));
        assert!(may(&retract, &object("u", 1, &Value::Null)));
        let record = |kind: &str, reason: &str| {
            let record = Record { kind: kind.into(), reason: reason.into(), is_stalled: false };
            BTreeMap::from([(NodeId::from("n1"), record)])
        };
        for (now, announces, retracts) in [
            (BTreeMap::new(), true, false),
            (record("restart", "drover us r-0"), true, true),
            (record("restart", "drover them r-1"), false, false),
            (record("restart", "by hand"), false, false),
            (record("remove", "drover us r-1"), false, false),
        ] {
            assert_eq!(may_be_announced(&announce, &now, "us"), announces, "{now:?}");
            assert_eq!(may_be_announced(&retract, &now, "us"), retracts, "{now:?}");
        }
    }

    #[tokio::test]
    async fn the_api_server_itself_is_asked_for_the_run() {
        let decided = run("r-1", "Protect", 1);
        let cluster = object("u", 1, &decided);
        let told = cluster.status.as_ref().unwrap().rollout.as_ref();
        let act = Act::Protect(Prior::Unset);
        for (now, holds) in [(&decided, true), (&run("r-1", "Cordon", 1), false)] {
            let (client, mut script) = api_server();
            let ctx = Context::for_tests(client);
            let is_so = |fresh: &Cluster| super::holds(&act, &cluster, told, fresh);
            let (asked, ()) = tokio::join!(decided::is_as_decided(&ctx, &cluster, is_so), async {
                let asked = script.next().await;
                assert!(asked.target.ends_with("/namespaces/shop/clusters/es"), "{}", asked.target);
                asked.answer(&serde_json::to_value(object("u", 1, now)).unwrap());
            });
            assert_eq!(asked.unwrap(), holds);
        }
    }
}
