//! A drain as the status holds it, and as it is decided on. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    api::{
        cluster_status::ClusterStatus,
        condition::whole_second,
        drain::{DrainPhase, DrainReason, DrainStatus},
        line::Line,
    },
    kubernetes::events::Notice,
    rollout::drain::{Cause, Drain, Leaving, Phase},
};

/// The drain that a status tells of.
#[must_use]
pub fn drain(status: &DrainStatus) -> Drain {
    Drain {
        of: Leaving {
            host: status.host.as_str().into(),
            uid: status.host_uid.as_str().into(),
            cause: match status.reason {
                DrainReason::Leaves => Cause::Leaves,
                DrainReason::Roles => Cause::Roles,
            },
        },
        phase: match status.phase {
            DrainPhase::Waiting => Phase::Waiting,
            DrainPhase::Exclude => Phase::Exclude,
            DrainPhase::Move => Phase::Move,
            DrainPhase::Vote => Phase::Vote,
            DrainPhase::Drained => Phase::Drained,
            DrainPhase::Withdraw => Phase::Withdraw,
        },
        started: status.started_at.0,
        clear_since: status.clear_since.as_ref().map(|it| it.0),
        blocked: status.blocked_by.as_ref().map(ToString::to_string),
    }
}

/// How the status tells of `drain`.
#[must_use]
pub fn status(drain: &Drain) -> DrainStatus {
    DrainStatus {
        host: drain.of.host.to_string(),
        host_uid: drain.of.uid.to_string(),
        node: drain.of.node().to_owned(),
        phase: match drain.phase {
            Phase::Waiting => DrainPhase::Waiting,
            Phase::Exclude => DrainPhase::Exclude,
            Phase::Move => DrainPhase::Move,
            Phase::Vote => DrainPhase::Vote,
            Phase::Drained => DrainPhase::Drained,
            Phase::Withdraw => DrainPhase::Withdraw,
        },
        reason: match drain.of.cause {
            Cause::Leaves => DrainReason::Leaves,
            Cause::Roles => DrainReason::Roles,
        },
        started_at: Time(whole_second(drain.started)),
        clear_since: drain.clear_since.map(|it| Time(whole_second(it))),
        blocked_by: drain.blocked.as_deref().map(Line::new),
    }
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(before: Option<&ClusterStatus>, after: &ClusterStatus) -> Vec<Notice> {
    let before = before.and_then(|it| it.drain.as_ref());
    let after = after.drain.as_ref();
    let phase = |it: Option<&DrainStatus>| it.map(|it| (it.host_uid.clone(), it.phase));
    let Some(now) = after.filter(|_| phase(before) != phase(after)) else { return Vec::new() };
    let host = &now.host;
    let (wish, comes) = match now.reason {
        DrainReason::Leaves => ("leave", "leaves, and its shards move to others first"),
        DrainReason::Roles => ("lose roles", "is to lose roles, and what needs them goes first"),
    };
    let notice = match now.phase {
        DrainPhase::Waiting => {
            let why = now.blocked_by.as_ref().map(ToString::to_string).unwrap_or_default();
            Notice::warning(
                "DrainBlocked",
                "Drain",
                format!("host '{host}' can't {wish} yet: {why}"),
            )
        }
        DrainPhase::Exclude => {
            Notice::normal("DrainBegun", "Drain", format!("host '{host}' {comes}"))
        }
        DrainPhase::Drained => {
            let note = match now.reason {
                DrainReason::Leaves => format!("nothing is left on the node of host '{host}'"),
                DrainReason::Roles => {
                    format!("host '{host}' has nothing left that needs its roles")
                }
            };
            Notice::normal("Drained", "Drain", note)
        }
        DrainPhase::Withdraw if before.is_some_and(|it| it.phase != DrainPhase::Drained) => {
            let note = format!("host '{host}' is not drained any more");
            Notice::normal("DrainWithdrawn", "Drain", note)
        }
        DrainPhase::Move | DrainPhase::Vote | DrainPhase::Withdraw => return Vec::new(),
    };
    vec![notice]
}
