//! How the steps of hosts came to their ends, as the metrics count them. Pure.

use std::time::Duration;

use jiff::Timestamp;

use super::record;
use crate::{
    api::rollout_status::{RolloutHost, RolloutStatus, RolloutStep},
    rollout::{run::Step, safety::since},
    telemetry::metrics::StepEnding,
};

/// The steps that hosts have left between two statuses, how each ended, and how long it took.
#[must_use]
pub fn steps(
    before: Option<&RolloutStatus>,
    after: Option<&RolloutStatus>,
    now: Timestamp,
) -> Vec<(Step, StepEnding, Duration)> {
    let Some(before) = before else { return Vec::new() };
    let left = before.hosts.iter().filter_map(|was| {
        let step = record::step(was.step);
        let is = after.and_then(|it| it.hosts.iter().find(|is| is.host_uid == was.host_uid));
        let is_left = step.is_in_hand() && is.is_none_or(|is| is.step != was.step);
        is_left.then(|| (step, ending(was, is), since(was.started_at.0, now)))
    });
    left.collect()
}

/// How the step that `was` ended, by where the host `is` now; absent where the run is over.
fn ending(was: &RolloutHost, is: Option<&RolloutHost>) -> StepEnding {
    let Some(is) = is else {
        // Nothing comes after it; whatever else a host is at by then was given up.
        let is_last = matches!(was.step, RolloutStep::Settle | RolloutStep::Uncordon);
        return if is_last { StepEnding::Success } else { StepEnding::Error };
    };
    let is_failed = is.message.is_some() && was.message != is.message;
    let turns_back = is.withdrawn && !was.withdrawn || is.step == RolloutStep::Withdraw;
    let is_anew = matches!(is.step, RolloutStep::Stage | RolloutStep::Waiting);
    let is_begun_anew = is_anew && !was.withdrawn;
    match is.step {
        // That it went back is told there, and was counted when it did.
        RolloutStep::RolledBack => StepEnding::Success,
        _ if is_failed => StepEnding::Error,
        RolloutStep::Rollback => StepEnding::Error,
        _ if turns_back || is_begun_anew => StepEnding::PutOff,
        _ => StepEnding::Success,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(step: &str, message: Option<&str>, withdrawn: bool) -> RolloutStatus {
        let then = "2026-01-02T03:04:05Z";
        let host = json!({
            "name": "a", "hostUid": "a", "step": step, "attempt": 1, "startedAt": then,
            "message": message, "withdrawn": withdrawn,
        });
        let run = json!({
            "runId": "r", "kind": "HostRestart", "target": "t", "hosts": [host], "startedAt": then,
        });
        serde_json::from_value(run).unwrap()
    }

    fn ended(was: &RolloutStatus, is: Option<&RolloutStatus>) -> Vec<StepEnding> {
        let now = "2026-01-02T03:05:05Z".parse().unwrap();
        let left = steps(Some(was), is, now);
        assert!(left.iter().all(|it| it.2 == Duration::from_mins(1)));
        left.into_iter().map(|it| it.1).collect()
    }

    #[test]
    fn a_step_counts_as_what_became_of_it() {
        let plain = |step| run(step, None, false);
        let failed = |step| run(step, Some("the unit fails"), true);
        let back = |step| run(step, None, true);
        for (was, is, expected) in [
            (plain("Protect"), plain("Cordon"), StepEnding::Success),
            (plain("Stop"), plain("Rejoin"), StepEnding::Success),
            (plain("Settle"), plain("Done"), StepEnding::Success),
            (plain("Cordon"), back("Unprotect"), StepEnding::PutOff),
            (plain("Stop"), plain("Withdraw"), StepEnding::PutOff),
            (plain("Stop"), failed("Unprotect"), StepEnding::Error),
            (plain("Stop"), plain("Rollback"), StepEnding::Error),
            (plain("Rejoin"), plain("Rollback"), StepEnding::Error),
            (back("Unprotect"), back("Uncordon"), StepEnding::Success),
            (failed("Unprotect"), failed("Uncordon"), StepEnding::Success),
            (back("Uncordon"), failed("RolledBack"), StepEnding::Success),
        ] {
            assert_eq!(ended(&was, Some(&is)), [expected], "{was:?} {is:?}");
        }
    }

    #[test]
    fn the_last_step_of_a_run_succeeds_and_a_host_that_was_given_up_does_not() {
        assert_eq!(ended(&run("Settle", None, false), None), [StepEnding::Success]);
        assert_eq!(ended(&run("Uncordon", None, true), None), [StepEnding::Success]);
        assert_eq!(ended(&run("Rejoin", None, false), None), [StepEnding::Error]);
        assert_eq!(ended(&run("Waiting", None, false), None), []);
        let same = run("Stop", None, false);
        assert_eq!(ended(&same, Some(&same)), []);
    }
}
