//! Upgrades of the machine's packages.

use super::*;

/// The Cluster permits a step of a run that upgrades packages.
fn permits_upgrade(scene: &mut Scene, step: RolloutStep, attempt: u32) {
    permits(scene, step, attempt);
    scene.errand.as_mut().unwrap().kind = RolloutKind::HostUpgrade;
}

/// At the work of `Stop`.
fn upgrading() -> (Scene, Vec<Notice>) {
    let mut scene = member();
    permits_upgrade(&mut scene, RolloutStep::Stop, 1);
    let notices = begin(&mut scene);
    check(&scene, "Stop", RunStatus::InProcess, true);
    assert_eq!(operation(&scene).kind, OperationKind::UpgradeHost);
    assert_eq!(operation(&scene).unit.as_deref(), Some("drover-r-1-upgrade-1.service"));
    (scene, notices)
}

#[test]
fn what_will_be_installed_is_fetched_after_a_look_and_whatever_the_age_of_the_permit() {
    let mut scene = member();
    permits_upgrade(&mut scene, RolloutStep::Stage, 1);
    scene.errand.as_mut().unwrap().started_at = Timestamp::UNIX_EPOCH;
    scene.settle();
    check(&scene, "Stage", RunStatus::InProcess, false);
    assert_eq!(operation(&scene).unit.as_deref(), Some("drover-r-1-fetch-1.service"));
    assert_eq!(scene.machine.outcome, Outcome::UnderWay);
    scene.machine.outcome = Outcome::Done;
    scene.settle();
    check(&scene, "Stage", RunStatus::Finished, false);
}

#[test]
fn a_transaction_that_must_not_be_keeps_the_machine_as_it_is() {
    let mut scene = member();
    permits_upgrade(&mut scene, RolloutStep::Stage, 1);
    scene.settle();
    scene.machine.outcome = Outcome::Failed("the upgrade would change elasticsearch".into());
    scene.settle();
    check(&scene, "Stage", RunStatus::Failed, false);
    assert_eq!(message(&scene), "the upgrade would change elasticsearch");
    let mut full = member();
    full.machine.facts.root_disk.as_mut().unwrap().free_bytes = 0;
    permits_upgrade(&mut full, RolloutStep::Stage, 1);
    full.settle();
    check(&full, "Stage", RunStatus::Failed, false);
}

#[test]
fn an_upgrade_without_a_boot_is_done_and_nothing_was_touched() {
    let (mut scene, mut notices) = upgrading();
    scene.machine.outcome = Outcome::Spared;
    notices.extend(scene.settle());
    check(&scene, "Stop", RunStatus::Finished, false);
    let told = reasons(&notices);
    assert!(told.contains(&"UpgradeBegun") && told.contains(&"Upgraded"), "{told:?}");
    let history = &scene.status().history;
    assert_eq!(
        (history[0].kind, history[0].status),
        (OperationKind::UpgradeHost, RunStatus::Finished)
    );
}

#[test]
fn an_upgrade_with_a_boot_is_proven_by_that() {
    let (mut scene, _) = upgrading();
    scene.machine.facts.identity.boot_id = Some("second-boot".into());
    scene.machine.outcome = Outcome::Done;
    scene.settle();
    check(&scene, "Stop", RunStatus::Finished, true);
}

#[test]
fn a_boot_that_takes_another_permit_leaves_the_machine_up() {
    let (mut scene, _) = upgrading();
    scene.machine.outcome = Outcome::Due("the machine has to boot".into());
    scene.settle();
    check(&scene, "Stop", RunStatus::Failed, false);
    assert_eq!(message(&scene), "the machine has to boot");
    // The next attempt is a unit of its own.
    scene.machine.outcome = not_begun();
    permits_upgrade(&mut scene, RolloutStep::Stop, 2);
    begin(&mut scene);
    assert_eq!(operation(&scene).unit.as_deref(), Some("drover-r-1-upgrade-2.service"));
}

#[test]
fn an_upgrade_that_fails_half_way_says_so_and_in_which_words() {
    let (mut scene, mut notices) = upgrading();
    scene.machine.outcome = Outcome::Failed("the upgrade failed: no space left".into());
    notices.extend(scene.settle());
    check(&scene, "Stop", RunStatus::Failed, true);
    assert_eq!(message(&scene), "the upgrade failed: no space left");
    assert!(reasons(&notices).contains(&"UpgradeFailed"));
}

#[test]
fn an_upgrade_that_fails_while_elasticsearch_runs_on_is_over_and_nothing_is_down() {
    let (mut scene, mut notices) = upgrading();
    scene.machine.outcome = Outcome::Vain("the upgrade failed: no space left".into());
    notices.extend(scene.settle());
    check(&scene, "Stop", RunStatus::Failed, false);
    assert!(operation(&scene).vain);
    assert_eq!(message(&scene), "the upgrade failed: no space left");
    assert!(reasons(&notices).contains(&"UpgradeFailed"));
    assert_eq!(scene.status().history.len(), 1);
}

#[test]
fn elasticsearch_that_comes_back_after_an_upgrade_that_failed_is_told() {
    let (mut scene, _) = upgrading();
    scene.machine.outcome = Outcome::Failed("the upgrade failed: no space left".into());
    scene.settle();
    check(&scene, "Stop", RunStatus::Failed, true);
    scene.machine.outcome = Outcome::Vain("the upgrade failed: no space left".into());
    scene.settle();
    check(&scene, "Stop", RunStatus::Failed, false);
    assert!(operation(&scene).vain);
    assert_eq!(scene.status().history.len(), 1, "it failed once");
}
