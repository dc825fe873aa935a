//! What a run means for the condition Ready. Pure.

use super::plan::Decided;
use crate::api::{
    RESUME,
    cluster::conditions as kinds,
    condition::{Finding, Reason},
};

/// Why the Cluster is not Ready, where all else is well: something is wanted of its hosts.
#[must_use]
pub fn outstanding(decided: &Decided) -> Option<Finding> {
    let no = |reason, message: String| Some(Finding::no(kinds::READY, reason, message));
    let Some(run) = &decided.run else {
        return match decided.hold {
            _ if !decided.is_outstanding => None,
            Some("Paused") => {
                no(Reason::Paused, "spec.paused holds back what the spec asks of the hosts".into())
            }
            _ => no(Reason::InProgress, "what the spec asks of the hosts is about to begin".into()),
        };
    };
    if let Some(pause) = &run.pause {
        let token = &pause.token;
        return no(
            Reason::RolloutPaused,
            format!("{}; to go on, set the annotation {RESUME} to {token}", pause.reason),
        );
    }
    let in_hand = run.hosts.iter().any(|it| it.step.is_in_hand());
    if decided.hold == Some("Paused") && !in_hand {
        return no(Reason::Paused, "spec.paused holds back the other hosts of the run".into());
    }
    if let Some((gate, block)) = run.blocked.first_key_value() {
        return no(Reason::Blocked, format!("{gate}: {}", block.message));
    }
    no(Reason::InProgress, "a run over the hosts is under way: see status.rollout".into())
}
