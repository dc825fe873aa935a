//! Where nothing has changed that anybody goes by, nothing is written, and nothing is told again.

use super::*;

fn count(turn: &Turn, reason: &str) -> usize {
    turn.notices.iter().filter(|it| it.reason() == reason).count()
}

#[test]
fn a_gate_that_opens_and_shuts_again_is_told_of_once_for_each_step() {
    let mut roll = Roll::new();
    roll.evidence().snapshots = vec!["nightly".into()];
    roll.evidence().foreign = vec!["an exclusion".into()];
    roll.ask("one");
    let mut told = 0;
    for at in 0..20 {
        told += count(&roll.turn(), "RolloutBlocked");
        // The other one keeps the host where it is.
        roll.evidence().snapshots = if at % 2 == 0 { Vec::new() } else { vec!["nightly".into()] };
    }
    assert_eq!(told, 2, "each gate once");
}

#[test]
fn how_elasticsearch_fails_to_answer_may_change_without_a_write() {
    let mut roll = Roll::new();
    roll.ask("one");
    roll.turn();
    let fail = |roll: &mut Roll, why: &str| roll.seen().evidence = Err(why.into());
    fail(&mut roll, "Elasticsearch can't be asked: es-1 refuses");
    roll.turn();
    roll.turn();
    for why in ["es-2 does not answer in 10s", "es-1 refuses"] {
        fail(&mut roll, &format!("Elasticsearch can't be asked: {why}"));
        assert!(!roll.turn().wrote, "{why}");
    }
    // What is another failure is told.
    fail(&mut roll, "another cluster answers: see IdentityMatches");
    assert!(roll.turn().wrote);
}

#[test]
fn a_run_that_waits_for_a_person_takes_no_note_of_how_the_cluster_looks() {
    let mut roll = Roll::new();
    roll.spec("rollout", json!({ "pauseAfter": "First" }));
    roll.ask("one");
    while roll.scene.status().rollout.as_ref().is_none_or(|it| it.pause.is_none()) {
        assert!(roll.scene.now < 10_000, "it never waits: {:?}", roll.steps());
        roll.turn();
    }
    roll.turn();
    for at in 0..6 {
        roll.evidence().health.fetches = at % 2;
        roll.evidence().health.status =
            if at % 3 == 0 { HealthStatus::Yellow } else { HealthStatus::Green };
        assert!(!roll.turn().wrote, "{at}");
    }
    roll.evidence().health.fetches = 0;
    roll.evidence().health.status = HealthStatus::Green;
    roll.resume();
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}

#[test]
fn a_host_that_fails_its_checks_is_tried_again_and_asks_for_a_person_once() {
    let mut roll = Roll::new();
    roll.ask("one");
    let (mut paused, mut asked, mut attempts) = (0, false, 0);
    for _ in 0..80 {
        let turn = roll.scene.turn();
        paused += count(&turn, "RolloutPaused");
        assert!(!asked || roll.pause().is_some(), "it goes on and stops again");
        asked = roll.pause().is_some();
        let run = roll.scene.status().rollout.clone().unwrap();
        attempts = run.hosts.iter().map(|it| it.attempt).max().unwrap();
        for at in 0..3 {
            let host = &run.hosts[at];
            if host.step == RolloutStep::Stage {
                roll.member(at).unwrap().answer = Some(Answer {
                    run: run.run_id.as_str().into(),
                    step: Step::Stage,
                    attempt: host.attempt,
                    progress: Progress::Failed { reason: "no room".into(), touched: false },
                });
            }
        }
    }
    assert!(asked && 3 < attempts, "{attempts}");
    assert_eq!(paused, 1);
    let why = roll.pause().unwrap();
    assert!(why.contains("no room"), "{why}");
    // Mended, and let go on.
    roll.resume();
    roll.finish();
    assert_eq!(roll.starts, [2; 3]);
}
