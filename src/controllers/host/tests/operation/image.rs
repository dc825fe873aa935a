//! Images that are deployed to the machine.

use super::*;

const VERSION: &str = "41.1";

/// The Cluster permits a step of a run that deploys an image.
fn permits_image(scene: &mut Scene, step: RolloutStep, attempt: u32) {
    permits(scene, step, attempt);
    let errand = scene.errand.as_mut().unwrap();
    (errand.kind, errand.image) = (RolloutKind::HostDeploy, Some(VERSION.to_owned()));
}

/// A machine that boots from images, and has a permit to stage one.
fn staging() -> Scene {
    let mut scene = member_of(Family::Ostree);
    permits_image(&mut scene, RolloutStep::Stage, 1);
    scene
}

/// At the work of `Stop`.
fn deploying() -> (Scene, Vec<Notice>) {
    let mut scene = member_of(Family::Ostree);
    permits_image(&mut scene, RolloutStep::Stop, 1);
    let notices = begin(&mut scene);
    check(&scene, "Stop", RunStatus::InProcess, true);
    assert_eq!(operation(&scene).unit.as_deref(), Some("drover-r-1-upgrade-1.service"));
    (scene, notices)
}

#[test]
fn an_image_is_fetched_by_a_unit_of_the_machine_and_on_record_before() {
    let mut scene = staging();
    scene.settle();
    check(&scene, "Stage", RunStatus::InProcess, false);
    let at_work = operation(&scene);
    assert_eq!(at_work.kind, OperationKind::DeployHost);
    assert_eq!(at_work.image.as_ref().unwrap().as_str(), VERSION);
    assert_eq!(at_work.unit.as_deref(), Some("drover-r-1-fetch-1.service"));
    assert_eq!((scene.machine.begun, &scene.machine.outcome), (1, &Outcome::UnderWay));
    scene.machine.outcome = Outcome::Done;
    scene.settle();
    check(&scene, "Stage", RunStatus::Finished, false);
    assert!(operation(&scene).unit.is_some());
}

#[test]
fn a_machine_that_has_booted_it_already_takes_no_unit() {
    let mut scene = staging();
    scene.machine.outcome = Outcome::Spared;
    scene.settle();
    check(&scene, "Stage", RunStatus::Finished, false);
    assert_eq!((operation(&scene).unit.as_deref(), scene.machine.begun), (None, 0));
}

#[test]
fn a_machine_without_images_and_an_image_that_nobody_has_are_told_before_anything_goes_down() {
    let mut plain = member();
    permits_image(&mut plain, RolloutStep::Stage, 1);
    plain.settle();
    check(&plain, "Stage", RunStatus::Failed, false);
    assert!(message(&plain).contains("it boots from no image"), "{}", message(&plain));
    assert_eq!(plain.machine.begun, 0);
    let mut scene = staging();
    scene.settle();
    let why = "the image 41.1 can't be fetched: error: Version 41.1 not found";
    scene.machine.outcome = Outcome::Failed(why.into());
    scene.settle();
    check(&scene, "Stage", RunStatus::Failed, false);
    assert_eq!(message(&scene), why);
}

#[test]
fn an_image_is_deployed_once_another_boot_has_it() {
    let (mut scene, mut notices) = deploying();
    scene.machine.facts.identity.boot_id = Some("second-boot".into());
    scene.machine.outcome = Outcome::Done;
    notices.extend(scene.settle());
    check(&scene, "Stop", RunStatus::Finished, true);
    let told = reasons(&notices);
    assert!(told.contains(&"ImageBegun") && told.contains(&"ImageDeployed"), "{told:?}");
    assert_eq!(scene.status().history[0].kind, OperationKind::DeployHost);
}

#[test]
fn a_machine_that_comes_up_with_another_image_is_told_and_finished_once_somebody_mends_it() {
    let (mut scene, mut notices) = deploying();
    let why = "it has booted the image 40.1 and not 41.1: see to it by hand";
    scene.machine.outcome = Outcome::Failed(why.into());
    notices.extend(scene.settle());
    check(&scene, "Stop", RunStatus::Failed, true);
    assert_eq!(message(&scene), why);
    assert!(reasons(&notices).contains(&"ImageFailed"));
    scene.machine.outcome = Outcome::Done;
    scene.settle();
    check(&scene, "Stop", RunStatus::Finished, true);
}
