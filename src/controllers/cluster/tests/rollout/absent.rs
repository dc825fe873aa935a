//! A host that is no member any more while the run has it in hand.

use super::*;

/// The run has let a host go down, which is then no member any more.
fn left(is_down: bool) -> Roll {
    let mut roll = Roll::new();
    roll.last_first();
    roll.ask("one");
    if is_down {
        roll.turn_until(RolloutStep::Stop);
        roll.stop(2);
    } else {
        roll.turn_until(RolloutStep::Cordon);
        roll.scene.turn();
    }
    assert_eq!(roll.steps()[2], RolloutStep::Stop);
    roll.seen().members.pop();
    roll
}

#[test]
fn it_is_waited_for_as_long_as_its_nodes_are_away() {
    let mut roll = left(true);
    for _ in 0..20 {
        let turn = roll.turn();
        assert_eq!(turn.decided.act, None, "what protects it stays");
        let waiting = RolloutStep::Waiting;
        assert_eq!(roll.steps(), [waiting, waiting, RolloutStep::Stop]);
    }
    roll.starts[2] += 1;
    roll.start(2);
    roll.finish();
    assert_eq!(roll.starts[..2], [2, 2]);
    assert_eq!(roll.evidence().allocation.prior, None);
}

#[test]
fn a_person_is_asked_once_its_time_is_over_and_may_let_the_run_go_on_without_it() {
    let mut roll = left(true);
    roll.scene.now += 1_300;
    roll.turn();
    let why = roll.pause().expect("it waits for a person");
    assert!(why.contains("no host of the Cluster any more"), "{why}");
    for _ in 0..5 {
        roll.turn();
    }
    assert_eq!(roll.starts[..2], [1, 1]);
    roll.resume();
    roll.finish();
    assert_eq!(roll.starts[..2], [2, 2]);
    assert_eq!(roll.evidence().allocation.prior, None);
    let past = &roll.scene.status().history[0];
    assert_eq!((past.done, past.total), (2, 2), "it was not restarted as far as is known");
}

#[test]
fn one_that_did_not_begin_is_put_right_and_left_out() {
    let mut roll = left(false);
    roll.turn();
    assert_eq!(roll.steps()[2], RolloutStep::Stop, "it may have begun");
    roll.finish();
    assert_eq!(roll.starts, [2, 2, 1]);
    assert_eq!(roll.evidence().allocation.prior, None);
    assert_eq!(roll.scene.status().history[0].total, 2);
}

#[test]
fn one_that_comes_back_goes_on_where_it_was() {
    let mut roll = left(true);
    roll.turn();
    let fresh = roll.look();
    roll.seen().members.extend(fresh.members.into_iter().last());
    roll.stop(2);
    roll.finish();
    assert_eq!(roll.starts[..2], [2, 2]);
    assert_eq!(roll.scene.status().history[0].done, 3);
}
