use super::*;
use crate::{
    elasticsearch::{
        cluster_reads::HealthStatus,
        evidence::{Counts, Node, NodeId},
    },
    rollout::{
        drain::{Cause, Drain, Leaving, Phase},
        hosts::Match,
        roles::Roles,
        run::Kind,
        safety::Permitted,
    },
};

mod protection;
mod rollback;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn host(name: &str, step: Step) -> HostRun {
    HostRun {
        name: name.into(),
        uid: name.into(),
        step,
        revision: None,
        attempt: 1,
        since: NOW,
        before: BTreeMap::new(),
        touched: false,
        withdrawn: false,
        rollback: None,
        trouble: None,
    }
}

fn member(name: &str) -> Member {
    Member {
        name: name.into(),
        uid: name.into(),
        addresses: BTreeSet::new(),
        nodes: Match::Stopped,
        is_home: true,
        runs: true,
        others_run: false,
        is_failing: false,
        roles: Roles::Every,
        fit: Ok(()),
        may_hold_shards: false,
        has_images: None,
        in_maintenance: false,
        is_cordoned: false,
        answer: None,
    }
}

fn run(kind: Kind, hosts: &[(&str, Step)]) -> Run {
    Run {
        id: "r-1".into(),
        kind,
        target: "8.19.0/a".into(),
        hosts: hosts.iter().map(|(name, step)| host(name, *step)).collect(),
        pause: None,
        passed: 0,
        blocked: BTreeMap::new(),
        told: BTreeSet::new(),
        settled: None,
        well_since: None,
        started_at: NOW,
    }
}

/// What becomes of the run where this is wanted, and Elasticsearch can't be asked.
fn after(run: &Run, target: &str, hosts: &[&str]) -> Decision {
    let wanted = Wanted {
        id: "r-2".into(),
        kind: run.kind,
        target: target.into(),
        hosts: hosts.iter().map(|it| (*it).into()).collect(),
    };
    let members: Vec<Member> = run.hosts.iter().map(|it| member(&it.name)).collect();
    let permitted = Permitted { unavailable: 1, downtime: false, single_copies: false };
    let pace = Pace {
        pause_after: PauseAfter::Never,
        host_timeout: Duration::from_mins(20),
        min_ready: Duration::ZERO,
        on_failure: OnFailure::Pause,
    };
    next(&World {
        evidence: Err("Elasticsearch can't be asked"),
        owner: "uid",
        members: &members,
        permitted: &permitted,
        pace: &pace,
        protection: Protection::AllocationSettings,
        wanted: Some(&wanted),
        hold: None,
        is_given_up: false,
        drain: None,
        resume: None,
        run: Some(run),
        now: NOW,
    })
}

fn steps(decision: &Decision) -> Vec<Step> {
    decision.run.iter().flat_map(|it| &it.hosts).map(|it| it.step).collect()
}

#[test]
fn a_host_that_runs_what_it_shall_before_its_turn_is_done_and_a_restart_is_for_all() {
    let before = [("a", Step::Waiting), ("b", Step::Stage), ("c", Step::Waiting)];
    let config = run(Kind::ElasticsearchConfig, &before);
    let decision = after(&config, "8.19.0/a", &["c"]);
    assert_eq!(steps(&decision), [Step::Done, Step::Done, Step::Waiting]);
    let decision = after(&config, "8.19.0/a", &[]);
    assert_eq!(decision.ended.map(|it| it.0), Some(End::Finished));
    // What it is at is brought to its end.
    let busy = run(Kind::ElasticsearchConfig, &[("a", Step::Rejoin)]);
    assert_eq!(steps(&after(&busy, "8.19.0/a", &[])), [Step::Rejoin]);
    let restart = run(Kind::ElasticsearchRestart, &before);
    let decision = after(&restart, "8.19.0/a", &["c"]);
    assert_eq!(steps(&decision)[0], Step::Waiting);
}

/// Two nodes, each on the host of its name, and nothing on them.
fn evidence() -> Evidence {
    let node = |(at, name): (usize, &str)| {
        let (address, roles) = (format!("10.0.0.{at}").into(), ["data".into()].into());
        let node = Node { name: name.into(), address, roles, ..Node::default() };
        (NodeId::from(name), node)
    };
    Evidence {
        nodes: [(1, "a"), (2, "b")].map(node).into(),
        master: Some("b".into()),
        health: Counts { status: HealthStatus::Green, nodes: 2, ..Counts::default() },
        ..Evidence::default()
    }
}

#[test]
fn a_host_that_loses_roles_waits_at_its_gates_with_nothing_held_back_until_it_is_drained() {
    let (evidence, run) = (evidence(), run(Kind::ElasticsearchConfig, &[("a", Step::Gate)]));
    let of_host = |name: &str| Member { nodes: Match::unit([name.into()]), ..member(name) };
    let roles = Roles::Named(["ingest".into()].into());
    let members = [Member { roles, ..of_host("a") }, of_host("b")];
    let permitted = Permitted { unavailable: 1, downtime: false, single_copies: false };
    let pace = Pace {
        pause_after: PauseAfter::Never,
        host_timeout: Duration::from_mins(20),
        min_ready: Duration::ZERO,
        on_failure: OnFailure::Pause,
    };
    let wanted = Wanted {
        id: "r-2".into(),
        kind: run.kind,
        target: run.target.clone(),
        hosts: vec!["a".into()],
    };
    let after = |phase: Option<Phase>| {
        let drain = phase.map(|phase| Drain {
            of: Leaving { host: "a".into(), uid: "a".into(), cause: Cause::Roles },
            phase,
            started: NOW,
            clear_since: None,
            blocked: None,
        });
        let decision = next(&World {
            evidence: Ok(&evidence),
            owner: "uid",
            members: &members,
            permitted: &permitted,
            pace: &pace,
            protection: Protection::AllocationSettings,
            wanted: Some(&wanted),
            hold: None,
            is_given_up: false,
            drain: drain.as_ref(),
            resume: None,
            run: Some(&run),
            now: NOW,
        });
        assert_eq!(decision.act, None);
        let run = decision.run.unwrap();
        (run.hosts[0].step, run.blocked.into_keys().collect::<Vec<_>>())
    };
    for phase in [None, Some(Phase::Waiting), Some(Phase::Move), Some(Phase::Vote)] {
        assert_eq!(after(phase), (Step::Gate, vec![Gate::Roles]), "{phase:?}");
    }
    assert_eq!(after(Some(Phase::Drained)), (Step::Protect, vec![]));
}

#[test]
fn who_comes_to_have_a_role_goes_before_the_one_that_loses_it() {
    let mut evidence = evidence();
    evidence.nodes.get_mut("b").unwrap().roles = ["master".into()].into();
    let of_host = |name: &str, roles: &str| Member {
        nodes: Match::unit([name.into()]),
        roles: Roles::Named([roles.into()].into()),
        ..member(name)
    };
    let members = [of_host("a", "ingest"), of_host("b", "data")];
    let permitted = Permitted { unavailable: 1, downtime: true, single_copies: false };
    let pace = Pace {
        pause_after: PauseAfter::Never,
        host_timeout: Duration::from_mins(20),
        min_ready: Duration::ZERO,
        on_failure: OnFailure::Pause,
    };
    let steps = |kind: Kind, members: &[Member], of_a: Step, phase: Phase| {
        let run = run(kind, &[("a", of_a), ("b", Step::Waiting)]);
        let (id, target) = ("r-2".into(), run.target.clone());
        let wanted = Wanted { id, kind, target, hosts: vec!["a".into(), "b".into()] };
        let of = Leaving { host: "a".into(), uid: "a".into(), cause: Cause::Roles };
        let drain = Drain { of, phase, started: NOW, clear_since: None, blocked: None };
        let decision = next(&World {
            evidence: Ok(&evidence),
            owner: "uid",
            members,
            permitted: &permitted,
            protection: Protection::AllocationSettings,
            pace: &pace,
            wanted: Some(&wanted),
            hold: None,
            is_given_up: false,
            drain: Some(&drain),
            resume: None,
            run: Some(&run),
            now: NOW,
        });
        decision.run.unwrap().hosts.iter().map(|it| it.step).collect::<Vec<_>>()
    };
    let config = Kind::ElasticsearchConfig;
    let b_begins = [Step::Waiting, Step::Stage];
    assert_eq!(steps(config, &members, Step::Waiting, Phase::Waiting), b_begins);
    assert_eq!(steps(config, &members, Step::Gate, Phase::Waiting), b_begins, "it gives way");
    let goes_on = [Step::Gate, Step::Waiting];
    assert_eq!(steps(config, &members, Step::Gate, Phase::Move), goes_on, "it is emptied already");
    // Where nobody comes to have what it loses, or each what the other one has, the order is as ever.
    let both = [of_host("a", "master"), of_host("b", "data")];
    let neither = [of_host("a", "ingest"), of_host("b", "master")];
    for members in [both, neither] {
        let begun = steps(config, &members, Step::Waiting, Phase::Waiting);
        assert_eq!(begun, [Step::Stage, Step::Waiting]);
        assert_eq!(steps(config, &members, Step::Gate, Phase::Waiting), goes_on);
    }
}
