//! What a run means for the condition Ready. Pure.

use super::{
    super::planned::PLANNED,
    plan::{Decided, Foreign, UNASKED},
    wishes,
};
use crate::{
    api::{
        RESUME,
        cluster::{Cluster, conditions as kinds},
        cluster_status::{Diagnostic, DiagnosticLevel},
        condition::{Finding, Reason},
    },
    rollout::{
        drain::{Cause, Drain, Phase},
        run::{HostRun, Run, Step},
    },
};

/// The rule of the diagnostic that tells of what another run holds back.
const ALLOCATION: &str = "allocation";
/// What is said of a run that brings hosts nothing until a person has decided.
const REFUSED: &str = "no host gets what the spec asks for as long as that can't be worked with: see \
                       the conditions Accepted and ResolvedRefs";
/// What is said where nobody knows yet whether what the spec asks for takes a run.
const WAITS: &str = "what the spec asks of the hosts is held back until Elasticsearch tells which settings are \
                     set in the running cluster";
/// How many hosts a message names at most.
const NAMED: usize = 10;

/// Why the Cluster is not Ready, where all else is well: something is wanted of its hosts.
#[must_use]
pub fn outstanding(decided: &Decided) -> Option<Finding> {
    let no = |reason, message: String| Some(Finding::no(kinds::READY, reason, message));
    let drain = decided.drain.drain.as_ref().filter(|it| it.phase != Phase::Drained);
    let Some(run) = &decided.run else {
        if let Some(drain) = drain {
            let host = &drain.of.host;
            return match (&drain.blocked, drain.phase) {
                (Some(why), Phase::Waiting) => {
                    no(Reason::Blocked, format!("host '{host}' can't leave yet: {why}"))
                }
                // What is drained for a run is over with it.
                (_, phase) if phase == Phase::Withdraw || drain.of.cause == Cause::Roles => {
                    let message = format!("what was set to drain host '{host}' is taken back");
                    no(Reason::InProgress, message)
                }
                (Some(why), _) => no(
                    Reason::InProgress,
                    format!("host '{host}' is drained before it leaves: {why}"),
                ),
                (None, _) => {
                    no(Reason::InProgress, format!("host '{host}' is drained before it leaves"))
                }
            };
        }
        return match decided.hold {
            _ if !decided.is_outstanding => None,
            Some("Planned") => no(Reason::PlanOnly, PLANNED.into()),
            Some("Paused") => {
                no(Reason::Paused, "spec.paused holds back what the spec asks of the hosts".into())
            }
            Some("Refused") => no(Reason::Blocked, REFUSED.into()),
            Some(UNASKED) => no(Reason::Waiting, WAITS.into()),
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
    let in_hand = run.hosts.iter().any(HostRun::is_in_hand);
    if decided.hold == Some("Planned") && !in_hand {
        return no(Reason::PlanOnly, PLANNED.into());
    }
    if decided.hold == Some("Paused") && !in_hand {
        return no(Reason::Paused, "spec.paused holds back the other hosts of the run".into());
    }
    if decided.hold == Some("Refused") && !in_hand {
        return no(Reason::Blocked, REFUSED.into());
    }
    if let Some((gate, block)) = run.blocked.first_key_value() {
        return no(Reason::Blocked, format!("{gate}: {}", block.message));
    }
    no(Reason::InProgress, "a run over the hosts is under way: see status.rollout".into())
}

/// What people are advised to do about what runs leave, and about requests.
#[must_use]
pub fn diagnostics(cluster: &Cluster, decided: &Decided) -> Vec<Diagnostic> {
    let warning = |rule: &str, subject, advice: &str| Diagnostic {
        rule: rule.into(),
        level: DiagnosticLevel::Warning,
        subject,
        advice: advice.into(),
    };
    let before = cluster.status.iter().flat_map(|it| &it.diagnostics);
    let mut list: Vec<Diagnostic> = match &decided.foreign {
        Foreign::NotAsked => before.filter(|it| it.rule == ALLOCATION).cloned().collect(),
        Foreign::Nobody => Vec::new(),
        Foreign::Owner(uid) => vec![warning(
            ALLOCATION,
            format!(
                "allocation of replicas is held back by a run of the Cluster object with the uid \
                 {uid}, which may be gone"
            ),
            "if it is gone, put cluster.routing.allocation.enable right and take \
             cluster.metadata.drover.* away",
        )],
    };
    let is_gone = |it: &&Drain| it.phase == Phase::Drained && it.of.cause == Cause::Leaves;
    if let Some(drain) = decided.drain.drain.as_ref().filter(is_gone) {
        list.push(warning(
            "drain",
            format!("the node {} is drained, and still in the cluster", drain.of.node()),
            "stop drover-elasticsearch.service on its machine: until then the node is kept without \
             shards",
        ));
    }
    let others = [
        ("restart", "target", wishes::other_target(cluster)),
        ("deploy", "version", wishes::other_version(cluster)),
    ];
    for (operation, field, request) in others {
        let Some(request) = request else { continue };
        list.push(warning(
            "operations",
            format!(
                "spec.operations.{operation} has another {field} than when '{request}' was asked \
                 for, which is not followed"
            ),
            "give it another requestId: each one is followed once",
        ));
    }
    list
}

/// What is left as it is where nobody brings hosts of `run` back any more; nothing where none was in
/// hand. `may_protect` says that allocation may be held back yet.
#[must_use]
pub fn left_behind(run: &Run, may_protect: bool) -> Option<String> {
    let in_hand = || run.hosts.iter().filter(|it| it.is_in_hand());
    let named = |is_meant: &dyn Fn(&HostRun) -> bool| {
        let names = in_hand().filter(|it| is_meant(it)).map(|it| &*it.name);
        names.take(NAMED).collect::<Vec<_>>().join(", ")
    };
    in_hand().next()?;
    let mut left = Vec::new();
    let down = named(&HostRun::may_be_down);
    if !down.is_empty() {
        left.push(format!("Elasticsearch may be down on {down}"));
    }
    let cordoned = named(&|it| Step::Cordon <= it.step && it.step <= Step::Uncordon);
    if !cordoned.is_empty() {
        left.push(format!("the Node may be cordoned of {cordoned}"));
    }
    if may_protect {
        left.push(
            "allocation of replicas may be held back: put cluster.routing.allocation.enable right, \
             and take cluster.metadata.drover.* away, and shutdown records whose reason begins with \
             'drover'"
                .into(),
        );
    }
    let left = if left.is_empty() { "nothing else is known".into() } else { left.join("; ") };
    Some(format!("the run was given up before its hosts were back: {left}"))
}
