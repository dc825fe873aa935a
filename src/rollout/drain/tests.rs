mod kept;
mod roles;

use super::*;
use crate::elasticsearch::{
    cluster_reads::HealthStatus,
    evidence::{CopyState, Counts, Mark, Record},
};

const OWNER: &str = "uid-es";

/// Three nodes and one shard with a copy on two of them; `c` leaves.
struct World {
    evidence: Evidence,
    drain: Option<Drain>,
    leaving: Vec<Leaving>,
    hosts: BTreeMap<Box<str>, BTreeSet<Box<str>>>,
    lost: Option<Lost>,
    fate: Fate,
    hold: Option<&'static str>,
    ends: bool,
    now: i64,
}

fn leaves(host: &str) -> Leaving {
    Leaving { host: host.into(), uid: format!("uid-{host}").into(), cause: Cause::Leaves }
}

fn copy(index: &str, is_primary: bool, node: Option<&str>) -> Copy {
    let state = if node.is_some() { CopyState::Started } else { CopyState::Unassigned };
    Copy {
        index: index.into(),
        shard: 0,
        is_primary,
        state,
        node: node.map(|it| format!("id-{it}").into()),
        unassigned: None,
        is_mounted: false,
    }
}

impl World {
    fn new() -> Self {
        let node = |name: &str| {
            let roles = ["data".into(), "master".into()].into();
            let node = Node { name: name.into(), roles, ..Node::default() };
            (NodeId::from(format!("id-{name}")), node)
        };
        let mut world = Self {
            evidence: Evidence {
                nodes: ["a", "b", "c"].map(node).into(),
                master: Some("id-a".into()),
                voters: ["a", "b", "c"].map(|it| format!("id-{it}").into()).into(),
                copies: vec![copy("orders", true, Some("a")), copy("orders", false, Some("c"))],
                ..Evidence::default()
            },
            drain: None,
            leaving: vec![leaves("c")],
            hosts: ["a", "b", "c"].map(|it| (it.into(), BTreeSet::new())).into(),
            lost: None,
            fate: Fate::Leaves,
            hold: None,
            ends: false,
            now: 0,
        };
        world.evidence.allocation.persistent = None;
        world.count();
        world
    }

    fn count(&mut self) {
        let count = |state| self.evidence.copies.iter().filter(|it| it.state == state).count();
        let unassigned = count(CopyState::Unassigned);
        let mut nowhere =
            self.evidence.copies.iter().filter(|it| it.state == CopyState::Unassigned);
        self.evidence.health = Counts {
            status: match unassigned {
                0 => HealthStatus::Green,
                _ if nowhere.any(|it| it.is_primary) => HealthStatus::Red,
                _ => HealthStatus::Yellow,
            },
            nodes: self.evidence.nodes.len(),
            active: count(CopyState::Started) + count(CopyState::Relocating),
            relocating: count(CopyState::Relocating),
            initializing: count(CopyState::Initializing),
            unassigned,
            ..Counts::default()
        };
    }

    fn copies(&mut self, copies: Vec<Copy>) {
        self.evidence.copies = copies;
        self.count();
    }

    /// The copies are where they are once `c` was excluded.
    fn moved(&mut self) {
        self.copies(vec![copy("orders", true, Some("a")), copy("orders", false, Some("b"))]);
    }

    /// The node of `c` leaves the cluster; what it had is on no node.
    fn goes(&mut self) {
        self.evidence.nodes.remove("id-c");
        let copies = self.evidence.copies.iter().map(|it| match it.node.as_deref() {
            Some("id-c") => copy(&it.index, it.is_primary, None),
            _ => it.clone(),
        });
        self.evidence.copies = copies.collect();
        self.count();
    }

    fn look(&self) -> Decision {
        next(&Scene {
            evidence: Ok(&self.evidence),
            owner: OWNER,
            drain: self.drain.as_ref(),
            fate: self.fate,
            leaving: &self.leaving,
            hosts: &self.hosts,
            lost: self.lost.as_ref(),
            hold: self.hold,
            ends: self.ends,
            now: Timestamp::from_second(self.now).unwrap(),
        })
    }

    /// One look, ten seconds later; Elasticsearch does what it is told.
    fn turn(&mut self) -> Decision {
        self.now += 10;
        let decision = self.look();
        self.drain.clone_from(&decision.drain);
        let exclusion = &mut self.evidence.exclusion;
        if let Some(act) = &decision.act {
            assert!(act.is_decided_on(exclusion, OWNER), "{act:?} {exclusion:?}");
        }
        match &decision.act {
            Some(Act::Exclude(node, prior)) => {
                exclusion.persistent = Some(node.clone());
                let (node, prior) = (node.clone(), Some(prior.clone()));
                exclusion.mark = Some(Mark { node, prior, owner: OWNER.into() });
            }
            Some(Act::Mark(node)) => {
                let node = node.clone();
                exclusion.mark = Some(Mark { node, prior: None, owner: OWNER.into() });
            }
            Some(Act::Silence(node)) => {
                exclusion.voting.push(node.clone());
                self.evidence.voters.remove(&*format!("id-{node}"));
            }
            Some(Act::Unsilence(_)) => exclusion.voting.clear(),
            Some(Act::Include(prior)) => {
                exclusion.mark = None;
                exclusion.persistent = match prior {
                    Prior::Unset => None,
                    Prior::Value(value) => Some(value.clone()),
                };
            }
            None => {}
        }
        decision
    }

    fn phase(&self) -> Option<Phase> {
        self.drain.as_ref().map(|it| it.phase)
    }

    fn until(&mut self, phase: Option<Phase>) {
        for _ in 0..12 {
            self.turn();
            if self.phase() == phase {
                return;
            }
        }
        panic!("never {phase:?}: {:?}", self.drain);
    }

    fn blocked(&mut self) -> String {
        let drain = self.turn().drain.unwrap();
        drain.blocked.unwrap_or_else(|| panic!("not blocked: {:?}", drain.phase))
    }

    fn refused(change: impl FnOnce(&mut Self)) -> String {
        let mut world = Self::new();
        change(&mut world);
        world.count();
        let why = world.blocked();
        assert_eq!(world.phase(), Some(Phase::Waiting));
        assert_eq!(world.evidence.exclusion.mark.as_ref().filter(|it| &*it.owner == OWNER), None);
        why
    }
}

#[test]
fn a_node_is_excluded_emptied_and_loses_its_vote_before_it_is_drained() {
    let mut world = World::new();
    assert_eq!(world.turn().act, Some(Act::Exclude("c".into(), Prior::Unset)));
    assert_eq!(world.phase(), Some(Phase::Exclude), "it is on record before it is done");
    let moving = world.turn();
    assert_eq!(world.phase(), Some(Phase::Move));
    assert!(moving.drain.unwrap().blocked.unwrap().contains("has copies of orders"));
    world.moved();
    assert_eq!(world.turn().act, None, "one look is not enough");
    assert_eq!(world.turn().act, Some(Act::Silence("c".into())));
    assert_eq!(world.phase(), Some(Phase::Vote));
    world.turn();
    assert_eq!(world.phase(), Some(Phase::Drained));
}

#[test]
fn a_node_that_may_not_be_elected_has_no_vote_that_is_taken() {
    let mut world = World::new();
    world.evidence.nodes.get_mut("id-c").unwrap().roles = ["data".into()].into();
    world.until(Some(Phase::Move));
    world.moved();
    world.until(Some(Phase::Drained));
    assert!(world.evidence.exclusion.voting.is_empty());
}

#[test]
fn a_copy_that_nobody_has_or_that_moves_is_never_drained() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    // A restart of the node empties the list.
    world.copies(vec![copy("orders", true, Some("a")), copy("orders", false, None)]);
    for _ in 0..20 {
        let decision = world.turn();
        assert_eq!((world.phase(), decision.act), (Some(Phase::Move), None));
        assert!(decision.stuck.is_some());
    }
    let relocating = Copy { state: CopyState::Relocating, ..copy("orders", false, Some("b")) };
    world.copies(vec![copy("orders", true, Some("a")), relocating]);
    for _ in 0..5 {
        let decision = world.turn();
        assert_eq!((world.phase(), decision.stuck), (Some(Phase::Move), None), "it gets on");
    }
    // Between two looks that are well, one that is not counts.
    world.moved();
    world.turn();
    world.copies(vec![copy("orders", true, Some("a")), copy("orders", false, Some("c"))]);
    world.turn();
    world.moved();
    assert_eq!(world.turn().act, None);
}

#[test]
fn a_copy_that_can_not_move_is_named_so_that_its_decider_is_asked() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    let stuck = world.turn().stuck.unwrap();
    assert_eq!((&*stuck.index, stuck.node.as_deref()), ("orders", Some("id-c")));
}

#[test]
fn a_node_that_is_away_is_waited_for_a_minute_and_then_given_up_where_no_copy_lacks() {
    let mut world = World::new();
    world.evidence.nodes.remove("id-c");
    world.evidence.voters.remove("id-c");
    world.moved();
    world.until(Some(Phase::Move));
    assert!(world.blocked().contains("not in the cluster"));
    let begun = world.now;
    world.until(Some(Phase::Drained));
    assert!(40 <= world.now - begun, "{}", world.now - begun);
}

#[test]
fn what_was_set_stays_until_the_node_is_gone_and_then_all_of_it_goes() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.moved();
    world.until(Some(Phase::Drained));
    (world.fate, world.leaving) = (Fate::Left, Vec::new());
    for _ in 0..5 {
        assert_eq!((world.turn().act, world.phase()), (None, Some(Phase::Drained)));
    }
    world.evidence.nodes.remove("id-c");
    world.count();
    assert_eq!(world.turn().act, Some(Act::Unsilence("c".into())));
    assert_eq!(world.turn().act, Some(Act::Include(Prior::Unset)));
    world.until(None);
    assert_eq!(world.evidence.exclusion, Exclusion::default());
}

#[test]
fn a_drained_node_that_is_given_shards_again_is_not_drained() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.moved();
    world.until(Some(Phase::Drained));
    world.copies(vec![copy("orders", true, Some("a")), copy("orders", false, Some("c"))]);
    world.turn();
    assert_eq!(world.phase(), Some(Phase::Move));
    world.moved();
    world.until(Some(Phase::Drained));
    world.evidence.exclusion.persistent = None;
    assert!(world.blocked().contains("somebody has changed"));
    assert_eq!(world.phase(), Some(Phase::Move));
}

#[test]
fn a_leave_that_is_taken_back_takes_everything_back_from_any_phase() {
    for phase in [Phase::Exclude, Phase::Move, Phase::Vote, Phase::Drained] {
        for fate in [Fate::Stays, Fate::Left] {
            let mut world = World::new();
            world.evidence.exclusion.persistent = Some("".into());
            if Phase::Move < phase {
                world.until(Some(Phase::Move));
                world.moved();
            }
            world.until(Some(phase));
            (world.fate, world.leaving) = (fate, Vec::new());
            if fate == Fate::Left {
                world.goes();
            }
            world.until(None);
            assert!(world.evidence.exclusion.voting.is_empty(), "{phase:?}");
            assert_eq!(world.evidence.exclusion.mark, None);
            assert_eq!(world.evidence.exclusion.persistent.as_deref(), Some(""), "as it was");
        }
    }
    let mut world = World::new();
    world.hold = Some("a run is under way");
    world.turn();
    (world.fate, world.leaving) = (Fate::Stays, Vec::new());
    assert_eq!(world.turn().act, None);
    assert_eq!(world.drain, None);
}

#[test]
fn a_removal_that_would_harm_is_refused_with_the_reason() {
    let last = World::refused(|it| {
        for (id, node) in &mut it.evidence.nodes {
            if &**id != "id-c" {
                node.roles = ["data".into()].into();
            }
        }
    });
    assert!(last.contains("c is the last node that may be elected"), "{last}");
    let voters = World::refused(|it| {
        for id in ["id-a", "id-b"] {
            let roles = ["master".into(), "voting_only".into(), "data".into()].into();
            it.evidence.nodes.get_mut(id).unwrap().roles = roles;
        }
    });
    assert!(voters.contains("c is the last node that may be elected"), "{voters}");
    let three = || ["a", "b", "c"].map(|on| copy("orders", on == "a", Some(on))).to_vec();
    let few = World::refused(|it| it.evidence.copies = three());
    assert!(few.contains("2 nodes for data, and orders shall have 3 copies"), "{few}");
    let mut expanding = World::new();
    expanding.copies(three());
    expanding.evidence.expanding.insert("orders".into());
    assert!(expanding.turn().act.is_some(), "its copies follow the nodes");
    let red = World::refused(|it| it.evidence.copies[0] = copy("orders", true, None));
    assert!(red.contains("Elasticsearch is red"), "{red}");
}

#[test]
fn what_somebody_else_takes_out_is_not_written_over() {
    let announced = World::refused(|it| {
        let reason = "drover uid-other r-1".into();
        let record = Record { kind: "restart".into(), reason, ..Record::default() };
        it.evidence.shutdowns.records.insert("b".into(), record);
    });
    assert!(announced.contains("has announced that a node goes down"), "{announced}");
    let foreign = World::refused(|it| it.evidence.foreign.push("a filter".into()));
    assert!(foreign.contains("somebody takes nodes out of the cluster: a filter"), "{foreign}");
    let transient = World::refused(|it| it.evidence.exclusion.transient = Some("".into()));
    assert!(transient.contains("a transient"), "{transient}");
    let other = World::refused(|it| {
        let (node, owner) = ("b".into(), "another".into());
        it.evidence.exclusion.mark = Some(Mark { node, prior: Some(Prior::Unset), owner });
    });
    assert!(other.contains("the node b is drained for the Cluster object with the uid another"));
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.evidence.exclusion.persistent = Some("b".into());
    world.moved();
    assert!(world.blocked().contains("somebody has changed"));
    world.fate = Fate::Stays;
    world.until(None);
    assert_eq!(world.evidence.exclusion.persistent.as_deref(), Some("b"), "the last word");
}

#[test]
fn nothing_begins_beside_a_run_and_one_drain_at_a_time_is_under_way() {
    let why = World::refused(|it| it.hold = Some("a run over the hosts is under way"));
    assert_eq!(why, "a run over the hosts is under way");
    let mut world = World::new();
    world.leaving.push(leaves("d"));
    world.until(Some(Phase::Move));
    assert_eq!(&*world.drain.as_ref().unwrap().of.host, "c");
}

#[test]
fn a_host_that_may_not_leave_does_not_keep_another_one_from_it() {
    let mut world = World::new();
    world.evidence.foreign.push("a filter".into());
    world.blocked();
    let since = world.drain.as_ref().unwrap().started;
    world.blocked();
    assert_eq!(world.drain.as_ref().unwrap().started, since, "the same wait");
    world.evidence.foreign.clear();
    for id in ["id-b", "id-c"] {
        world.evidence.nodes.get_mut(id).unwrap().roles = ["data".into()].into();
    }
    world.leaving.insert(0, leaves("a"));
    world.turn();
    assert_eq!(&*world.drain.as_ref().unwrap().of.host, "c", "a is the last master");
}

#[test]
fn what_can_not_be_asked_is_waited_for_and_proves_nothing() {
    let mut world = World::new();
    world.until(Some(Phase::Move));
    world.moved();
    world.turn();
    let drain = world.drain.clone().unwrap();
    assert!(drain.clear_since.is_some());
    let decision = next(&Scene {
        evidence: Err("it answers 500"),
        owner: OWNER,
        drain: Some(&drain),
        fate: Fate::Leaves,
        leaving: &world.leaving,
        hosts: &world.hosts,
        lost: None,
        hold: None,
        ends: false,
        now: Timestamp::from_second(world.now + 10).unwrap(),
    });
    let after = decision.drain.unwrap();
    assert_eq!((after.clear_since, after.phase), (None, Phase::Move));
    assert_eq!(after.blocked.as_deref(), Some("it answers 500"));
    // Half an answer is none.
    world.evidence.health.active += 1;
    assert!(world.blocked().contains("do not agree"));
}
