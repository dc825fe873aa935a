//! What people are told of settings that are changed in the running cluster. Pure.

use std::collections::BTreeSet;

use super::plan::{is_held, recorded, unheeded};
use crate::api::{
    cluster::{Cluster, conditions},
    cluster_status::{Diagnostic, DiagnosticLevel},
    condition::{Finding, Reason},
    live::{LiveSetting, LiveState},
};

/// The most settings that one text names.
const NAMED: usize = 5;

/// Why the cluster is not as declared, where that is so because of such a setting.
#[must_use]
pub fn outstanding(cluster: &Cluster) -> Option<Finding> {
    let refused = names(cluster, |it| it == LiveState::Refused);
    let unseen = names(cluster, |it| it == LiveState::Unseen);
    let verdicts = [(refused, "does not take"), (unseen, "has taken, and does not show,")];
    let verdicts = verdicts.into_iter().filter(|it| !it.0.is_empty());
    let verdicts: Vec<String> =
        verdicts.map(|(names, verdict)| format!("{verdict} the value of {names}")).collect();
    if !verdicts.is_empty() {
        let message = format!(
            "Elasticsearch {}: see status.liveSettings. It comes to no host before it is changed",
            verdicts.join(", and ")
        );
        return Some(Finding::no(conditions::READY, Reason::InvalidSpec, message));
    }
    let pending = names(cluster, |it| it == LiveState::Pending);
    let unheeded = unheeded(cluster);
    if !unheeded.is_empty() || (!pending.is_empty() && is_held(cluster)) {
        return Some(held_back(cluster, unheeded));
    }
    (!pending.is_empty()).then(|| {
        let message = format!("changed in the running cluster: {pending}");
        Finding::no(conditions::READY, Reason::InProgress, message)
    })
}

/// Why the spec has no effect yet on settings, which are those in `unheeded`, or else those to be set.
fn held_back(cluster: &Cluster, unheeded: BTreeSet<String>) -> Finding {
    let first: Vec<String> = unheeded.into_iter().take(NAMED).collect();
    let first = if first.is_empty() {
        names(cluster, |it| it == LiveState::Pending)
    } else {
        first.join(", ")
    };
    let (reason, why) = if cluster.spec.paused {
        (Reason::Paused, "while spec.paused is true")
    } else if is_held(cluster) {
        (Reason::Waiting, "until what is under way is over")
    } else {
        (Reason::Waiting, "until Elasticsearch tells what is set there")
    };
    let message = format!("held back {why}, to be changed in the running cluster: {first}");
    Finding::no(conditions::READY, reason, message)
}

/// What somebody else has set in the running cluster.
#[must_use]
pub fn diagnostics(cluster: &Cluster) -> Vec<Diagnostic> {
    let drifted = in_state(cluster, |it| it == LiveState::Drifted);
    let left = in_state(cluster, |it| it == LiveState::Withdrawn);
    let left = left.filter(|it| it.is_left_to_people()).map(|it| Diagnostic {
        rule: "live_setting".into(),
        level: DiagnosticLevel::Warning,
        subject: format!("a value of {} that the spec had may hold yet", it.name),
        advice: it.message.as_ref().map(ToString::to_string).unwrap_or_default(),
    });
    let diagnostic = |it: &LiveSetting| Diagnostic {
        rule: "live_setting".into(),
        level: DiagnosticLevel::Warning,
        subject: match &it.message {
            Some(why) => format!("{} is not as declared: {why}", it.name),
            None => format!("{} is not as declared", it.name),
        },
        advice: "take the other value away by PUT _cluster/settings, or declare it".into(),
    };
    drifted.map(diagnostic).chain(left).collect()
}

fn in_state(
    cluster: &Cluster,
    is_meant: impl Fn(LiveState) -> bool,
) -> impl Iterator<Item = &LiveSetting> {
    let changes = recorded(cluster).into_iter().flat_map(|it| &it.changes);
    changes.filter(move |it| is_meant(it.state))
}

fn names(cluster: &Cluster, is_meant: impl Fn(LiveState) -> bool) -> String {
    let names = in_state(cluster, is_meant).take(NAMED).map(|it| it.name.as_str());
    names.collect::<Vec<_>>().join(", ")
}
