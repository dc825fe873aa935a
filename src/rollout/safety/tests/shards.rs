//! Copies of shards: each on a host that goes down has another one that serves elsewhere.

use super::{
    super::*,
    stand::{Stand, among, copy, node, node_of, open, shut},
};
use crate::{
    elasticsearch::evidence::CopyState,
    rollout::{hosts::Match, run::Step},
};

#[test]
fn while_a_primary_is_nowhere_nothing_goes_down() {
    let stand = Stand::with(|it| it.evidence.copies.push(copy("c", true, None)));
    shut(&stand, "one", Gate::Red, "a primary is on no node");
    let mut stand = Stand::new();
    stand.evidence.health.status = HealthStatus::Unknown;
    shut(&stand, "one", Gate::Red, "tells no health");
}

#[test]
fn while_a_replica_is_being_built_its_primary_stays() {
    let stand = Stand::with(|it| it.evidence.copies[1].state = CopyState::Initializing);
    among(&stand, "one", Gate::Recovering, "are being built");
    among(&stand, "one", Gate::ShardCopies, "one has the only copy in service of a[0]");
    // Neither does a host go down that has nothing of it.
    among(&stand, "three", Gate::Recovering, "are being built");
    assert!(stand.judge("three").iter().all(|it| it.gate != Gate::ShardCopies));
}

#[test]
fn whatever_moves_or_waits_is_waited_for() {
    let stand = Stand::with(|it| it.evidence.copies[3].state = CopyState::Relocating);
    shut(&stand, "one", Gate::Recovering, "or wait for their node: this ends by itself");
    let mut stand = Stand::new();
    stand.evidence.health.fetches = 1;
    shut(&stand, "one", Gate::Recovering, "or wait for their node");
    stand.evidence.health.fetches = 0;
    stand.evidence.health.delayed = 1;
    shut(&stand, "one", Gate::Recovering, "wait for their node");
    // Those of a host that this run has taken down are its own doing.
    stand.permitted.unavailable = 2;
    stand.in_hand("three", Step::Stop);
    assert!(stand.judge("one").iter().all(|it| it.gate != Gate::Recovering));
}

#[test]
fn the_last_copy_in_service_stays() {
    let stand = Stand::with(|it| it.evidence.copies[1] = copy("a", false, None));
    among(&stand, "one", Gate::ShardCopies, "one has the only copy in service of a[0]");
    assert!(stand.judge("three").iter().all(|it| it.gate != Gate::ShardCopies));
}

#[test]
fn two_copies_on_one_machine_are_one() {
    // Another node at the address of the first host, which no Host tells of.
    let second = |address: &'static str| {
        Stand::with(move |it| {
            it.evidence.nodes.insert(node_of("beside"), node("beside", address));
            it.evidence.copies[1].node = Some(node_of("beside"));
        })
    };
    open(&second("10.0.0.9"), "one");
    shut(&second("10.0.0.0"), "one", Gate::ShardCopies, "one has the only copy in service of a[0]");
    // The same where the Host tells of both, at different addresses.
    let mut stand = second("10.0.0.9");
    stand.member("one").nodes =
        Match::Nodes { of_unit: [node_of("one")].into(), others: [node_of("beside")].into() };
    shut(&stand, "one", Gate::ShardCopies, "a[0]");
}

#[test]
fn hosts_that_share_a_shard_are_never_down_together() {
    let mut stand = Stand::with(|it| {
        it.permitted.unavailable = 2;
        // With three copies one would still serve without two of them.
        it.evidence.copies.push(copy("b", false, Some("one")));
        it.evidence.voters = [node_of("three")].into();
        it.in_hand("two", Step::Stop);
    });
    let words = "one and a host that is down have copies of b[0]";
    stand.evidence.copies.retain(|it| &*it.index == "b");
    stand.count();
    shut(&stand, "one", Gate::ShardCopies, words);
    // It makes no difference that the other one is down by now.
    stand.leaves("two");
    stand.count();
    shut(&stand, "one", Gate::ShardCopies, words);
    // And one that has nothing of it may go down as well.
    stand.evidence.copies.retain(|it| it.node != Some(node_of("one")));
    stand.count();
    open(&stand, "one");
}

#[test]
fn an_index_without_replicas_blocks_unless_that_is_allowed() {
    let mut stand = Stand::with(|it| it.evidence.copies.push(copy("c", true, Some("one"))));
    shut(&stand, "one", Gate::SingleCopy, "one has data of indices without replicas: c. Give them");
    open(&stand, "two");
    stand.permitted.single_copies = true;
    open(&stand, "one");
    // That allows nothing where there should be replicas.
    stand.evidence.copies[1] = copy("a", false, None);
    stand.count();
    among(&stand, "one", Gate::ShardCopies, "a[0]");
}

#[test]
fn what_is_only_a_cache_of_a_snapshot_blocks_nothing() {
    let mut mounted = copy("c", true, Some("one"));
    mounted.is_mounted = true;
    open(&Stand::with(|it| it.evidence.copies.push(mounted)), "one");
}

#[test]
fn a_message_names_a_few_and_does_not_count_the_rest() {
    let single = ["c", "d", "e", "f", "g"].map(|it| copy(it, true, Some("one")));
    let stand = Stand::with(|it| it.evidence.copies.extend(single));
    shut(&stand, "one", Gate::SingleCopy, "without replicas: c, d, e and more. ");
}
