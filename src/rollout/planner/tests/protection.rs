use super::*;
use crate::elasticsearch::evidence::{Allocation, Prior};

#[test]
fn allocation_is_held_back_for_a_host_whose_node_is_away_and_can_not_be_announced() {
    let mut evidence = evidence();
    evidence.nodes.remove(&NodeId::from("a"));
    let run = run(Kind::ElasticsearchConfig, &[("a", Step::Protect)]);
    let permitted = Permitted { unavailable: 1, downtime: false, single_copies: false };
    let pace = Pace {
        pause_after: PauseAfter::Never,
        host_timeout: Duration::from_mins(20),
        min_ready: Duration::ZERO,
        on_failure: OnFailure::Pause,
    };
    let world = World {
        evidence: Ok(&evidence),
        owner: "uid",
        members: &[],
        permitted: &permitted,
        pace: &pace,
        protection: Protection::NodeShutdown,
        wanted: None,
        hold: None,
        is_given_up: false,
        drain: None,
        resume: None,
        run: Some(&run),
        now: NOW,
    };
    let planner =
        Planner { world: &world, run: run.clone(), blocks: BTreeMap::new(), act: None, stops: 0 };
    let away = member("a");
    assert!(!planner.is_protected(&away, &evidence));
    assert_eq!(planner.protecting(&away, &evidence), Act::Protect(Prior::Unset));
    let held = Allocation {
        persistent: Some("primaries".into()),
        transient: None,
        prior: Some(Prior::Unset),
        owner: Some("uid".into()),
    };
    assert!(planner.is_protected(&away, &Evidence { allocation: held, ..evidence.clone() }));
    // Where no Elasticsearch is installed there is nothing to protect.
    assert!(planner.is_protected(&Member { is_home: false, ..away }, &evidence));
    // One that is there is announced itself.
    let there = Member { nodes: Match::unit(["b".into()]), ..member("b") };
    assert!(!planner.is_protected(&there, &evidence));
    let act = planner.protecting(&there, &evidence);
    assert!(matches!(act, Act::Announce { node, .. } if node == NodeId::from("b")));
}
