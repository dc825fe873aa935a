//! A cluster that can't be green.

use super::{
    super::*,
    stand::{OWNER, Stand, copy, node_of, open, shut},
};
use crate::{
    elasticsearch::evidence::{CopyState, Counts, Prior},
    rollout::{hosts::Match, run::Step},
};

/// A cluster with one replica more than it has nodes for.
fn yellow() -> Stand {
    Stand::with(|it| it.evidence.copies.push(copy("a", false, None)))
}

#[test]
fn yellow_is_taken_for_how_it_is_after_a_minute_and_not_before() {
    let mut stand = yellow();
    let words = "once the same replicas have been unassigned for a minute";
    shut(&stand, "one", Gate::Unsettled, words);
    stand.look();
    stand.now += Duration::from_secs(59);
    stand.look();
    shut(&stand, "one", Gate::Unsettled, words);
    stand.now += Duration::from_secs(1);
    stand.look();
    open(&stand, "one");
    assert_eq!(stand.scene().recovered(), []);
    // Another replica is nowhere now: that is another yellow.
    stand.evidence.copies.push(copy("b", false, None));
    stand.count();
    shut(&stand, "one", Gate::Unsettled, words);
    stand.look();
    shut(&stand, "one", Gate::Unsettled, words);
    stand.now += SETTLED;
    stand.look();
    open(&stand, "one");
}

#[test]
fn while_anything_moves_no_yellow_settles() {
    let moves: [fn(&mut Counts); 4] = [
        |it| it.initializing = 1,
        |it| it.relocating = 1,
        |it| it.delayed = 1,
        |it| it.fetches = 1,
    ];
    for change in moves {
        let mut stand = yellow();
        stand.look();
        let before = stand.evidence.health;
        change(&mut stand.evidence.health);
        stand.now += SETTLED;
        stand.look();
        assert_eq!(stand.run.settled, None);
        stand.evidence.health = before;
        stand.look();
        shut(&stand, "one", Gate::Unsettled, "yellow");
    }
}

#[test]
fn yellow_does_not_settle_without_all_members() {
    let mut stand = Stand::with(|it| {
        it.leaves("three");
        it.permitted.unavailable = 2;
        it.evidence.voters = [node_of("two")].into();
        it.evidence.copies.retain(|it| &*it.index == "a" || it.node.is_none());
        it.evidence.copies.push(copy("b", true, Some("two")));
    });
    stand.look();
    stand.now += SETTLED;
    stand.look();
    shut(&stand, "one", Gate::Unsettled, "yellow, and has no node on three");
    // Who says that nothing runs there has to be right about where it ran in this run.
    stand.in_hand("three", Step::Done);
    stand.member("three").nodes = Match::Stopped;
    shut(&stand, "one", Gate::Unsettled, "yellow, and has no node on three");
}

#[test]
fn a_settled_yellow_stays_settled_under_protection_and_none_settles_there() {
    let protect = |stand: &mut Stand| {
        stand.evidence.allocation.persistent = Some("primaries".into());
        stand.evidence.allocation.prior = Some(Prior::Unset);
        stand.evidence.allocation.owner = Some(OWNER.into());
    };
    let mut stand = yellow();
    stand.look();
    stand.now += SETTLED;
    stand.look();
    protect(&mut stand);
    stand.look();
    open(&stand, "one");
    // A replica that is nowhere only since protection may be held back by it.
    stand.evidence.copies.push(copy("b", false, None));
    stand.count();
    for _ in 0..2 {
        stand.look();
        stand.now += SETTLED;
        stand.look();
        shut(&stand, "one", Gate::Unsettled, "yellow");
    }
}

#[test]
fn a_cluster_has_recovered_when_it_is_green_or_has_settled() {
    assert_eq!(Stand::new().scene().recovered(), []);
    let gates = |stand: &Stand| -> Vec<Gate> {
        stand.scene().recovered().into_iter().map(|it| it.gate).collect()
    };
    assert_eq!(gates(&yellow()), [Gate::Unsettled]);
    let building = Stand::with(|it| it.evidence.copies[1].state = CopyState::Initializing);
    assert_eq!(gates(&building), [Gate::Recovering, Gate::Unsettled]);
    let red = Stand::with(|it| it.evidence.copies.push(copy("c", true, None)));
    assert_eq!(gates(&red), [Gate::Red]);
}
