//! A node that is to be started with fewer roles.

use super::*;

/// `c` is the one that the run has next, and loses these data roles, and its vote or not.
fn world(data: &[&'static str], vote: bool) -> World {
    let mut world = World::new();
    world.leaving = vec![Leaving { cause: Cause::Roles, ..leaves("c") }];
    world.lost = Some(Lost { data: data.iter().copied().collect(), vote, ..Lost::default() });
    world
}

/// The node runs with its new roles.
fn restarted(world: &mut World) {
    (world.fate, world.lost, world.leaving) = (Fate::Stays, Some(Lost::default()), Vec::new());
}

fn refused(data: &[&'static str], vote: bool, change: impl FnOnce(&mut World)) -> String {
    let mut world = world(data, vote);
    change(&mut world);
    world.count();
    let why = world.blocked();
    assert_eq!(world.phase(), Some(Phase::Waiting));
    why
}

#[test]
fn a_node_that_loses_its_data_roles_is_emptied_and_keeps_its_vote() {
    let mut world = world(&["data_hot"], false);
    world.hold = Some("a run is under way");
    assert_eq!(world.turn().act, Some(Act::Exclude("c".into(), Prior::Unset)));
    world.until(Some(Phase::Move));
    assert!(world.blocked().contains("has copies of orders"));
    world.moved();
    world.until(Some(Phase::Drained));
    assert!(world.evidence.exclusion.voting.is_empty());
    assert!(world.evidence.voters.contains("id-c"));
    restarted(&mut world);
    assert_eq!(world.turn().act, Some(Act::Include(Prior::Unset)));
    world.until(None);
    assert_eq!(world.evidence.exclusion, Exclusion::default());
}

#[test]
fn a_node_that_loses_its_vote_alone_keeps_its_copies() {
    let mut world = world(&[], true);
    assert_eq!(world.turn().act, Some(Act::Mark("c".into())));
    world.until(Some(Phase::Vote));
    assert!(world.evidence.exclusion.silences("c"));
    world.until(Some(Phase::Drained));
    assert_eq!(world.evidence.exclusion.persistent, None, "no shard moves");
    restarted(&mut world);
    assert_eq!(world.turn().act, Some(Act::Unsilence("c".into())));
    world.until(None);
    assert_eq!(world.evidence.exclusion, Exclusion::default());
}

#[test]
fn while_the_node_is_down_or_nobody_knows_its_roles_it_is_left_as_it_is() {
    for phase in [Phase::Move, Phase::Drained] {
        let mut world = world(&["data"], true);
        world.until(Some(Phase::Move));
        world.moved();
        world.until(Some(phase));
        let lost = world.lost.take();
        world.evidence.nodes.remove("id-c");
        world.count();
        for _ in 0..10 {
            assert_eq!((world.turn().act, world.phase()), (None, Some(phase)));
        }
        // It came back as it was, and with what it had.
        let node = Node { name: "c".into(), ..world.evidence.nodes["id-a"].clone() };
        world.evidence.nodes.insert("id-c".into(), node);
        world.copies(vec![copy("orders", true, Some("a")), copy("orders", false, Some("c"))]);
        world.lost = lost;
        assert!(world.blocked().contains("has copies of orders"));
        assert_eq!(world.phase(), Some(Phase::Move));
    }
}

#[test]
fn nothing_is_taken_back_from_a_node_that_may_go_down_yet_whatever_is_wanted_by_now() {
    for lost in [Lost::default(), Lost { vote: true, ..Lost::default() }] {
        let mut world = world(&["data"], true);
        world.until(Some(Phase::Move));
        world.moved();
        world.until(Some(Phase::Drained));
        (world.fate, world.lost) = (Fate::Held, Some(lost.clone()));
        for _ in 0..5 {
            assert_eq!((world.turn().act, world.phase()), (None, Some(Phase::Drained)), "{lost:?}");
        }
        world.fate = if lost.is_nothing() { Fate::Stays } else { Fate::Leaves };
        world.turn();
        assert_eq!(world.phase(), Some(Phase::Withdraw), "{lost:?}");
    }
}

#[test]
fn no_drain_begins_while_allocation_is_held_back_for_another_host() {
    let why = refused(&["data"], false, |it| {
        let allocation = &mut it.evidence.allocation;
        allocation.persistent = Some("primaries".into());
        (allocation.prior, allocation.owner) = (Some(Prior::Unset), Some(OWNER.into()));
    });
    assert!(why.contains("cluster.routing.allocation.enable"), "{why}");
}

#[test]
fn a_vote_that_comes_back_is_taken_again_before_the_node_may_go() {
    let mut world = world(&[], true);
    world.until(Some(Phase::Drained));
    world.evidence.exclusion.voting.clear();
    world.turn();
    assert_ne!(world.phase(), Some(Phase::Drained));
    world.until(Some(Phase::Drained));
    assert!(world.evidence.exclusion.silences("c"));
}

#[test]
fn a_drain_of_less_than_is_lost_by_now_is_taken_back_and_begins_anew() {
    let mut world = world(&[], true);
    world.until(Some(Phase::Drained));
    world.lost = Some(Lost { data: ["data"].into(), vote: true, ..Lost::default() });
    world.turn();
    assert_eq!(world.phase(), Some(Phase::Withdraw));
    world.until(None);
    assert_eq!(world.turn().act, Some(Act::Exclude("c".into(), Prior::Unset)));
}

#[test]
fn the_last_nodes_of_a_tier_keep_it_as_long_as_an_index_goes_there() {
    let tiers = |world: &mut World, preferred: &[&str], roles: [&str; 3]| {
        let preferred = preferred.iter().map(|it| (*it).into()).collect();
        world.evidence.tiers = [("orders".into(), preferred)].into();
        for (name, role) in ["a", "b", "c"].into_iter().zip(roles) {
            let node = world.evidence.nodes.get_mut(&*format!("id-{name}")).unwrap();
            node.roles = [role.into()].into();
        }
    };
    let both = ["data_warm", "data_hot"];
    let last = refused(&["data_warm"], false, |it| {
        tiers(it, &both, ["data_hot", "data_hot", "data_warm"]);
    });
    assert!(last.contains("0 nodes of the tier data_warm, and orders shall have 2"), "{last}");
    let few = refused(&["data_warm"], false, |it| {
        tiers(it, &both, ["data_hot", "data_warm", "data_warm"]);
    });
    assert!(few.contains("1 nodes of the tier data_warm"), "{few}");
    for (preferred, roles) in [
        (&both[..], ["data", "data_warm", "data_warm"]),
        (&both[1..], ["data_hot", "data_hot", "data_warm"]),
    ] {
        let mut world = world(&["data_warm"], false);
        tiers(&mut world, preferred, roles);
        assert!(world.turn().act.is_some(), "{preferred:?} {roles:?}");
    }
}

#[test]
fn no_vote_is_taken_where_the_others_or_the_node_itself_would_not_go_on_without() {
    let few = refused(&[], true, |it| drop(it.evidence.nodes.remove("id-b")));
    assert!(few.contains("without c only 1 of 2 voting masters would be there"), "{few}");
    let last = refused(&[], true, |it| {
        for id in ["id-a", "id-b"] {
            it.evidence.nodes.get_mut(id).unwrap().roles = ["data".into()].into();
        }
    });
    assert!(last.contains("c is the last node that may be elected"), "{last}");
    let bare = refused(&["data"], true, |it| it.lost.as_mut().unwrap().is_bare = true);
    assert!(bare.contains("would not start c with neither a data role nor master"), "{bare}");
    let mut of_data = world(&["data"], false);
    of_data.copies(vec![copy("orders", true, Some("c"))]);
    of_data.evidence.nodes.remove("id-b");
    of_data.count();
    assert!(of_data.turn().act.is_some(), "its vote stays");
}
