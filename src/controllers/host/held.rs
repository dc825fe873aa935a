//! Whether mode Plan of its Cluster holds back what there is to do on the machine of a Host. Pure.

use kube::ResourceExt as _;

use super::{elasticsearch, operation::errand::Errand};
use crate::api::{cluster::Cluster, host::Host, index::Mode, rollout_status::RolloutStep};

/// The name of `cluster`, which `host` names, where nothing is changed on the machine for its mode. What
/// was begun there comes to its end: an installation that is on record, what a run has in hand by
/// `errand`, and the removal of all hosts.
#[must_use]
pub fn by(host: &Host, cluster: Option<&Cluster>, errand: Option<&Errand>) -> Option<String> {
    let cluster = cluster.filter(|it| it.spec.mode == Mode::Plan)?;
    let is_removed = cluster.status.as_ref().is_some_and(|it| it.removal.is_some());
    let is_begun = errand.is_some_and(is_in_hand) || elasticsearch::record(host).is_some();
    (!is_removed && !is_begun).then(|| cluster.name_any())
}

fn is_in_hand(errand: &Errand) -> bool {
    match errand.step {
        RolloutStep::Waiting | RolloutStep::Gate | RolloutStep::Done | RolloutStep::RolledBack => {
            false
        }
        // Else it is up, and nothing was changed for it.
        RolloutStep::Stage => errand.touched,
        RolloutStep::Protect
        | RolloutStep::Cordon
        | RolloutStep::Stop
        | RolloutStep::Withdraw
        | RolloutStep::Rollback
        | RolloutStep::Rejoin
        | RolloutStep::Unprotect
        | RolloutStep::Uncordon
        | RolloutStep::Settle => true,
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::{host_status::OperationKind, rollout_status::RolloutKind},
        controllers::host::tests::scene,
    };

    fn cluster(mode: &str, status: &Value) -> Cluster {
        let object = json!({
            "metadata": { "name": "logs" }, "spec": { "mode": mode }, "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    fn errand(step: RolloutStep, touched: bool) -> Errand {
        Errand {
            run: "r-1".into(),
            kind: RolloutKind::HostRestart,
            step,
            attempt: 1,
            started_at: Timestamp::UNIX_EPOCH,
            touched,
            image: None,
        }
    }

    #[test]
    fn mode_plan_of_its_cluster_holds_a_machine_and_apply_does_not() {
        let host = scene::host();
        let held = by(&host, Some(&cluster("Plan", &json!(null))), None);
        assert_eq!(held.as_deref(), Some("logs"));
        assert_eq!(by(&host, Some(&cluster("Apply", &json!(null))), None), None);
        assert_eq!(by(&host, None, None), None);
    }

    #[test]
    fn what_was_begun_on_a_machine_comes_to_its_end() {
        let mut host = scene::host();
        let plan = cluster("Plan", &json!(null));
        let is_held =
            |step, touched| by(&scene::host(), Some(&plan), Some(&errand(step, touched))).is_some();
        for step in [RolloutStep::Waiting, RolloutStep::Stage, RolloutStep::Gate, RolloutStep::Done]
        {
            assert!(is_held(step, false), "{step:?}");
        }
        assert!(!is_held(RolloutStep::Stage, true), "it is down, and staged anew");
        for step in [RolloutStep::Protect, RolloutStep::Stop, RolloutStep::Rejoin] {
            assert!(!is_held(step, false), "{step:?}");
        }
        host.status.get_or_insert_default().operation = serde_json::from_value(json!({
            "runId": "install-1", "kind": "InstallElasticsearch", "step": "Fetch", "attempt": 1,
            "startedAt": "2026-01-02T03:04:05Z",
        }))
        .unwrap();
        let kind = host.status.as_ref().and_then(|it| it.operation.as_ref()).map(|it| it.kind);
        assert_eq!(kind, Some(OperationKind::InstallElasticsearch));
        assert_eq!(by(&host, Some(&plan), None), None);
        let removal = json!({ "removal": { "startedAt": "2026-01-02T03:04:05Z" } });
        assert_eq!(by(&scene::host(), Some(&cluster("Plan", &removal)), None), None);
    }
}
