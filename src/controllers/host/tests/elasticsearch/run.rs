//! A member's part in a run that brings another version, or other settings, into service.

use super::*;
use crate::{
    api::{
        host_status::Operation,
        line::Line,
        rollout_status::{RolloutKind, RolloutStep},
    },
    controllers::host::operation::errand::Errand,
    ssh::operation::{Outcome as Worked, spent::Spent},
};

mod cure;

fn permits(scene: &mut Scene, step: RolloutStep, attempt: u32) {
    scene.errand = Some(Errand {
        run: "r-1".into(),
        kind: RolloutKind::ElasticsearchVersion,
        step,
        attempt,
        started_at: Timestamp::from_second(scene.now).unwrap(),
        touched: false,
        image: None,
    });
}

/// A member whose Cluster declares another version by now.
fn outdated() -> Scene {
    let mut scene = member();
    amend(&mut scene, |it| {
        it.plan = node("8.19.1", "1");
        it.deployment = it.plan.deployment(None).unwrap();
        it.is_rolling = true;
    });
    scene.settle();
    scene
}

fn operation(scene: &Scene) -> &Operation {
    scene.status().operation.as_ref().expect("it is at a run")
}

fn message(scene: &Scene) -> &str {
    operation(scene).message.as_ref().map_or("", |it| it.as_str())
}

/// All that is to run waits on the machine.
fn staged() -> Scene {
    let mut scene = outdated();
    permits(&mut scene, RolloutStep::Stage, 1);
    scene.settle();
    assert_eq!(operation(&scene).status, Some(RunStatus::Finished), "{}", message(&scene));
    scene
}

#[test]
fn a_stage_is_answered_when_the_version_waits_and_nothing_was_started() {
    let mut scene = outdated();
    permits(&mut scene, RolloutStep::Stage, 1);
    while !is_installing(&scene) {
        assert!(
            scene
                .status()
                .operation
                .as_ref()
                .is_none_or(|it| it.status != Some(RunStatus::Finished))
        );
        scene.turn();
    }
    let kind = operation(&scene).kind;
    assert_eq!(kind, OperationKind::DeployElasticsearch);
    scene.settle();
    assert_eq!(operation(&scene).status, Some(RunStatus::Finished));
    assert_eq!(scene.machine.starts, 1, "that was the installation");
    let versions = deployed(&scene.host).unwrap().staged.clone();
    assert_eq!(versions.iter().map(Line::as_str).collect::<Vec<_>>(), ["8.19.0", "8.19.1"]);
    let Some(Aim::Kept(care)) = treatment(&scene).unwrap().elasticsearch else { panic!() };
    assert!(!care.prunes, "the older one is needed until the run is over");
}

#[test]
fn a_stage_fails_in_the_machines_words_or_for_an_older_build() {
    let mut scene = outdated();
    scene.machine.installing = Some(Outcome::Failed("the archive is damaged".into()));
    permits(&mut scene, RolloutStep::Stage, 1);
    scene.settle();
    assert_eq!(operation(&scene).status, Some(RunStatus::Failed));
    assert!(message(&scene).contains("the archive is damaged"));

    let mut scene = outdated();
    let trees = &mut scene.machine.elasticsearch.trees;
    trees.get_mut("8.19.0").unwrap().build = "Build: tar/0/2026-01-01T00:00:00Z, JVM: 21".into();
    permits(&mut scene, RolloutStep::Stage, 1);
    scene.settle();
    assert!(message(&scene).contains("8.19.1 was built before 8.19.0"), "{}", message(&scene));
}

#[test]
fn a_stage_fails_in_the_words_of_what_could_not_be_prepared() {
    let mut scene = outdated();
    scene.machine.refuses = Some(fault("failed"));
    permits(&mut scene, RolloutStep::Stage, 1);
    scene.settle();
    assert_eq!(operation(&scene).status, Some(RunStatus::Failed));
    assert!(message(&scene).contains("gather facts"), "{}", message(&scene));
}

#[test]
fn a_swap_names_what_it_leads_to_and_is_done_by_proof() {
    let mut scene = staged();
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.pace = 2;
    for _ in 0..6 {
        scene.turn();
    }
    let target = operation(&scene).target.clone().unwrap();
    assert_eq!(target.version.as_str(), "8.19.1");
    assert_eq!(target.revision.as_str(), &*deployment(&scene).revision);
    assert_eq!(operation(&scene).unit.as_deref(), Some("drover-r-1-swap-1.service"));
    assert_eq!(scene.machine.begun, 1);
    assert!(operation(&scene).touched && is_at_run(&scene));
    let next = deployment(&scene);
    scene.machine.elasticsearch.swap(&next, "second");
    scene.machine.outcome = Worked::Done;
    let notices = scene.settle();
    assert_eq!(operation(&scene).status, Some(RunStatus::Finished));
    assert_eq!(told(&notices, "Deployed"), 1);
    assert_eq!(deployed(&scene.host).unwrap().version.as_ref().unwrap().as_str(), "8.19.1");
    scene.check("ElasticsearchInstalled", "True", "AsExpected");
    let left = Spent::new("r-1", 1).unwrap().with_jobs("r-1", 1);
    assert_eq!(scene.machine.cleared, [left], "the jobs go too, once nobody asks them any more");
}

#[test]
fn what_was_proven_to_run_is_told_with_the_answer_whenever_all_is_looked_at_again() {
    let mut scene = staged();
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.pace = 2;
    while scene.machine.begun == 0 {
        scene.turn();
    }
    // What is seen from now on is what was.
    scene.machine.is_slow = true;
    scene.machine.outcome = Worked::Done;
    while operation(&scene).status != Some(RunStatus::Finished) {
        scene.turn();
    }
    for _ in 0..4 {
        let told = deployed(&scene.host).unwrap();
        let told = (told.version.as_ref().unwrap(), told.revision.as_ref().unwrap());
        assert_eq!((told.0.as_str(), told.1.as_str()), ("8.19.1", &*deployment(&scene).revision));
        scene.turn();
    }
    // What is seen then counts.
    scene.machine.is_slow = false;
    scene.settle();
    assert_eq!(deployed(&scene.host).unwrap().version.as_ref().unwrap().as_str(), "8.19.0");
}

fn is_at_run(scene: &Scene) -> bool {
    let installed = scene.condition("ElasticsearchInstalled");
    (&*installed.status, &*installed.reason) == ("True", "InProgress")
}

#[test]
fn nothing_is_begun_where_what_is_declared_by_now_does_not_wait() {
    let mut scene = staged();
    amend(&mut scene, |it| {
        it.plan = node("8.19.1", "2");
        it.deployment = it.plan.deployment(None).unwrap();
    });
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.pace = 2;
    scene.settle();
    assert_eq!(operation(&scene).status, Some(RunStatus::Failed));
    assert!(message(&scene).contains("does not wait on the machine"), "{}", message(&scene));
    assert!(!operation(&scene).touched);
    assert_eq!(scene.machine.begun, 0);
}

#[test]
fn no_installation_comes_in_the_way_of_a_run() {
    let mut scene = staged();
    permits(&mut scene, RolloutStep::Stop, 1);
    scene.pace = 2;
    for _ in 0..6 {
        scene.turn();
    }
    scene.machine.elasticsearch.stop("inactive");
    scene.annotate("drover.dev/reconcile-at", "now");
    scene.turn();
    scene.turn();
    assert_eq!(operation(&scene).kind, OperationKind::DeployElasticsearch);
    assert_eq!(scene.machine.starts, 1);
}

#[test]
fn no_permit_is_taken_while_elasticsearch_comes_to_the_machine() {
    let mut scene = bare();
    asks(&mut scene, wanted());
    while !is_installing(&scene) {
        scene.turn();
    }
    permits(&mut scene, RolloutStep::Stage, 1);
    scene.turn();
    assert_eq!(operation(&scene).kind, OperationKind::InstallElasticsearch);
    scene.settle();
    assert_eq!(operation(&scene).kind, OperationKind::DeployElasticsearch, "after that it is");
}
