//! What is set beyond the drain that the status tells of, and what bears the name of a host that is not its
//! node.

use super::*;

/// `c` is drained, and was let go though it runs; `b` leaves next.
fn let_go() -> World {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.copies(vec![copy("orders", true, Some("b"))]);
    world.until(Some(Phase::Drained));
    world.hosts.remove("c");
    (world.fate, world.leaving) = (Fate::Left, vec![leaves("b")]);
    world
}

/// Whoever was told of first is out of the cluster.
fn stops(world: &mut World, name: &str) {
    world.evidence.nodes.remove(&*format!("id-{name}"));
    world.count();
}

#[test]
fn a_drained_node_that_was_let_go_and_runs_is_kept_empty_and_keeps_no_other_host() {
    let mut world = let_go();
    assert_eq!(world.turn().act, Some(Act::Exclude("c,b".into(), Prior::Unset)));
    assert_eq!(&*world.drain.as_ref().unwrap().of.host, "b");
    world.fate = Fate::Leaves;
    world.until(Some(Phase::Move));
    world.copies(vec![copy("orders", true, Some("a"))]);
    world.until(Some(Phase::Drained));
    assert_eq!(world.evidence.exclusion.voting.len(), 2);
    // It goes for good, and the first one goes on.
    (world.fate, world.leaving) = (Fate::Left, Vec::new());
    world.hosts.remove("b");
    stops(&mut world, "b");
    assert_eq!(world.turn().act, Some(Act::Unsilence("b".into())));
    assert_eq!(world.turn().act, Some(Act::Exclude("c".into(), Prior::Unset)));
    for _ in 0..5 {
        world.turn();
    }
    let told = world.drain.clone().unwrap();
    assert_eq!((&*told.of.host, told.phase), ("c", Phase::Drained));
    assert_eq!(world.evidence.exclusion.persistent.as_deref(), Some("c"));
    stops(&mut world, "c");
    world.until(None);
    assert_eq!(world.evidence.exclusion, Exclusion::default());
}

#[test]
fn a_node_that_was_let_go_does_not_count_as_one_that_remains() {
    let mut world = let_go();
    world.copies(vec![copy("orders", true, Some("a")), copy("orders", false, Some("b"))]);
    assert!(world.blocked().contains("without b there are 1 nodes for data"));
    assert_eq!(world.evidence.exclusion.persistent.as_deref(), Some("c"), "it is kept empty");
    let mut world = let_go();
    world.evidence.nodes.get_mut("id-a").unwrap().roles = ["data".into()].into();
    assert!(world.blocked().contains("b is the last node that may be elected"));
}

#[test]
fn a_host_that_stays_after_all_leaves_the_one_that_was_let_go_as_it_is() {
    let mut world = let_go();
    world.turn();
    (world.fate, world.leaving) = (Fate::Stays, Vec::new());
    assert_eq!(world.turn().act, Some(Act::Exclude("c".into(), Prior::Unset)));
    world.fate = Fate::Left;
    for _ in 0..3 {
        assert_eq!(world.turn().act, None);
    }
    assert_eq!(world.phase(), Some(Phase::Drained));
}

#[test]
fn a_cluster_that_goes_keeps_nobody_out() {
    for phase in [Phase::Move, Phase::Drained] {
        let mut world = let_go();
        world.turn();
        world.fate = Fate::Leaves;
        world.until(Some(Phase::Move));
        world.copies(vec![copy("orders", true, Some("a"))]);
        world.until(Some(phase));
        (world.fate, world.leaving, world.ends) = (Fate::Stays, Vec::new(), true);
        // The vote of the one that was let go is given back with the other one's.
        assert_eq!(world.turn().act, Some(Act::Unsilence("b".into())));
        assert_eq!(world.turn().act, Some(Act::Include(Prior::Unset)));
        world.until(None);
        assert_eq!(world.evidence.exclusion, Exclusion::default());
    }
}

#[test]
fn what_a_late_request_has_set_is_found_and_taken_back() {
    for voting in [Vec::new(), vec!["c".into()]] {
        let mut world = World::new();
        (world.fate, world.leaving) = (Fate::Stays, Vec::new());
        assert_eq!(world.turn().drain, None);
        world.evidence.exclusion.persistent = Some("c".into());
        let (node, prior) = ("c".into(), Some(Prior::Value("".into())));
        world.evidence.exclusion.mark = Some(Mark { node, prior, owner: OWNER.into() });
        world.evidence.exclusion.voting = voting;
        let found = world.turn();
        assert_eq!((world.phase(), found.act), (Some(Phase::Withdraw), None), "on record first");
        world.until(None);
        let expected = Exclusion { persistent: Some("".into()), ..Exclusion::default() };
        assert_eq!(world.evidence.exclusion, expected);
    }
}

#[test]
fn a_drain_whose_setting_was_taken_back_by_a_late_request_begins_anew() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.evidence.exclusion = Exclusion::default();
    assert_eq!(world.turn().act, Some(Act::Exclude("c".into(), Prior::Unset)));
    assert_eq!(world.phase(), Some(Phase::Exclude));
}

#[test]
fn a_vote_that_may_be_taken_late_is_waited_for_before_the_mark_goes() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.moved();
    world.until(Some(Phase::Vote));
    // The request had no answer, and was not carried out.
    world.evidence.exclusion.voting.clear();
    (world.fate, world.leaving) = (Fate::Stays, Vec::new());
    assert!(world.blocked().contains("may be carried out yet"));
    world.evidence.exclusion.voting.push("c".into());
    assert_eq!(world.turn().act, Some(Act::Unsilence("c".into())));
    world.until(None);
    assert_eq!(world.evidence.exclusion, Exclusion::default());
}

#[test]
fn votes_that_somebody_else_has_taken_are_never_given_back() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.moved();
    world.until(Some(Phase::Drained));
    world.evidence.exclusion.voting.push("x".into());
    (world.fate, world.leaving) = (Fate::Stays, Vec::new());
    for _ in 0..3 {
        assert!(world.blocked().contains("somebody else has taken votes too"));
    }
    assert_eq!(world.evidence.exclusion.voting.len(), 2);
    assert!(!Act::Unsilence("c".into()).is_decided_on(&world.evidence.exclusion, OWNER));
    // What is given back by somebody else is waited for no longer.
    world.evidence.exclusion.voting = vec!["x".into()];
    world.until(None);
    assert_eq!(world.evidence.exclusion.voting, [Box::<str>::from("x")]);
    assert_eq!(world.evidence.exclusion.mark, None);
}

#[test]
fn a_node_of_the_same_name_that_is_not_the_hosts_is_never_taken_out() {
    let twin = |world: &mut World| {
        let node = world.evidence.nodes["id-c"].clone();
        world.evidence.nodes.insert("id-of-another".into(), node);
    };
    let why = World::refused(twin);
    assert!(why.contains("several nodes have the name c"), "{why}");
    let why = World::refused(|it| {
        it.hosts.insert("c".into(), ["10.0.0.3".into()].into());
        it.evidence.nodes.get_mut("id-c").unwrap().address = "10.0.0.9".into();
    });
    assert!(why.contains("the node with the name c is at 10.0.0.9"), "{why}");
    // One that comes while the host's own is emptied is let be.
    let mut world = World::new();
    world.until(Some(Phase::Move));
    twin(&mut world);
    world.count();
    assert_eq!(world.turn().act, Some(Act::Include(Prior::Unset)));
    world.until(Some(Phase::Waiting));
    assert_eq!(world.evidence.exclusion, Exclusion::default());
}

#[test]
fn that_elasticsearch_can_not_be_asked_is_told_once_in_the_same_words() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    let mut told = |why: &str| {
        let evidence = Err(why);
        let (drain, leaving, hosts) = (world.drain.clone(), &world.leaving, &world.hosts);
        let (fate, now) = (Fate::Leaves, Timestamp::UNIX_EPOCH);
        let drain = drain.as_ref();
        let scene = Scene {
            evidence,
            owner: OWNER,
            drain,
            fate,
            leaving,
            hosts,
            lost: None,
            hold: None,
            ends: false,
            now,
        };
        world.drain = next(&scene).drain;
        world.drain.as_ref().unwrap().blocked.clone().unwrap()
    };
    let first = told("Elasticsearch can't be asked: one is away");
    assert_eq!(told("Elasticsearch can't be asked: two is away"), first);
    assert_eq!(told("another cluster answers"), "another cluster answers");
}

#[test]
fn a_node_that_leaves_just_as_another_one_is_to_be_taken_out_beside_it_keeps_nobody() {
    let mut world = let_go();
    let before = world.evidence.exclusion.clone();
    world.turn();
    // The request was not carried out, and the first one stops meanwhile.
    world.evidence.exclusion = before;
    world.fate = Fate::Leaves;
    stops(&mut world, "c");
    // Its vote is given back with that of the other one.
    assert_eq!(world.turn().act, Some(Act::Exclude("c,b".into(), Prior::Unset)));
    world.until(Some(Phase::Move));
    world.copies(vec![copy("orders", true, Some("a"))]);
    world.until(Some(Phase::Drained));
    (world.fate, world.leaving) = (Fate::Stays, Vec::new());
    world.until(None);
    assert_eq!(world.evidence.exclusion, Exclusion::default());
}

#[test]
fn the_vote_of_a_node_that_became_the_last_to_be_elected_meanwhile_is_not_taken() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.moved();
    for id in ["id-a", "id-b"] {
        world.evidence.nodes.get_mut(id).unwrap().roles = ["data".into()].into();
    }
    world.turn();
    assert!(world.blocked().contains("c is the last node that may be elected"));
    assert!(world.evidence.exclusion.voting.is_empty());
}
