//! Images that are deployed to the hosts.

use super::*;
use crate::api::rollout_status::RolloutKind;

fn ask(roll: &mut Roll, request: &str, version: &str) {
    roll.spec("operations", json!({ "deploy": { "requestId": request, "version": version } }));
}

#[test]
fn a_request_deploys_an_image_to_each_host_that_has_not_booted_it_already() {
    let mut roll = Roll::new();
    roll.ready = vec![1];
    ask(&mut roll, "one", "41.1");
    let reasons = roll.finish();
    assert_eq!(roll.starts, [2, 1, 2], "what has it booted stays up");
    assert_eq!(reasons.iter().filter(|it| **it == "HostStopping").count(), 2);
    assert_eq!(roll.evidence().allocation.prior, None);
    let status = roll.scene.status();
    let deploy = status.deploy.as_ref().unwrap();
    let told = (deploy.status, deploy.request_id.as_str(), deploy.version.as_str());
    assert_eq!(told, (RunStatus::Finished, "one", "41.1"));
    assert_eq!(deploy.deployed, NAMES);
    assert!(deploy.in_process.is_empty() && deploy.failed.is_empty());
    assert!(status.upgrade.is_none() && status.elasticsearch_deploy.is_none());
    let past = &status.history[0];
    assert_eq!((past.kind, past.target.as_str()), (RolloutKind::HostDeploy, "41.1/one"));
    assert_eq!(status.requests.as_ref().unwrap().deploy.as_deref(), Some("one"));
    roll.scene.check("Ready", "True", "AsExpected");
    // The same request again is none.
    roll.finish();
    assert_eq!(roll.starts, [2, 1, 2]);
}

#[test]
fn a_host_without_images_is_named_and_no_other_one_is_begun() {
    let mut roll = Roll::new();
    roll.member(1).unwrap().has_images = Some(false);
    ask(&mut roll, "one", "41.1");
    for _ in 0..10 {
        roll.turn();
        assert_eq!(roll.steps(), [RolloutStep::Waiting; 3]);
    }
    roll.scene.check("Ready", "False", "Blocked");
    let run = roll.scene.status().rollout.clone().unwrap();
    let [block] = &run.blocked_by[..] else { panic!("{:?}", run.blocked_by) };
    assert_eq!(block.gate, Gate::Host.as_str());
    assert!(block.message.as_str().starts_with("b: it boots from no image"), "{}", block.message);
    assert_eq!(roll.starts, [1; 3]);
    // Its packages may be upgraded all the same.
    roll.spec("operations", json!({ "upgrade": { "requestId": "two" } }));
    roll.finish();
    let history = &roll.scene.status().history;
    assert_eq!((history[0].kind, history[0].done), (RolloutKind::HostUpgrade, 3));
    assert_eq!((history[1].status, history[1].done), (RunStatus::Failed, 0));
}

#[test]
fn another_version_under_the_same_id_is_not_followed_and_told() {
    let mut roll = Roll::new();
    ask(&mut roll, "one", "41.1");
    roll.turn_until(RolloutStep::Rejoin);
    ask(&mut roll, "one", "41.2");
    roll.finish();
    let status = roll.scene.status();
    assert_eq!((status.history.len(), status.history[0].target.as_str()), (1, "41.1/one"));
    assert_eq!(status.history[0].status, RunStatus::Finished);
    let told = status.diagnostics.iter().find(|it| it.rule == "operations").unwrap();
    let words = "operations.deploy has another version than when 'one' was asked for";
    assert!(told.subject.contains(words), "{}", told.subject);
    ask(&mut roll, "two", "41.2");
    roll.finish();
    assert_eq!(roll.scene.status().history[0].target, "41.2/two");
    assert_eq!(roll.starts, [3; 3]);
}

#[test]
fn an_image_that_can_not_be_fetched_is_told_with_the_host_and_nothing_goes_down() {
    let mut roll = Roll::new();
    roll.last_first();
    ask(&mut roll, "one", "41.1");
    roll.turn_until(RolloutStep::Stage);
    let run = roll.scene.status().rollout.as_ref().unwrap().run_id.as_str().into();
    let reason = "the image 41.1 can't be fetched: error: Version 41.1 not found".into();
    let progress = Progress::Failed { reason, touched: false };
    roll.seen().members[2].answer = Some(Answer { run, step: Step::Stage, attempt: 1, progress });
    roll.scene.turn();
    let failed = roll.scene.status().deploy.as_ref().unwrap().failed.clone();
    assert_eq!(failed[0].host, "c");
    assert!(failed[0].reason.as_str().contains("Version 41.1 not found"));
    assert_eq!((roll.steps()[2], roll.starts), (RolloutStep::Waiting, [1; 3]));
}
