//! A host whose node is to lose roles stays up until nothing there needs them.

use super::{
    super::*,
    stand::{Stand, among, node_of, open, shut},
};
use crate::rollout::{
    drain::{Cause, Leaving, Phase},
    roles::Roles,
};

const PHASES: [Phase; 6] =
    [Phase::Waiting, Phase::Exclude, Phase::Move, Phase::Vote, Phase::Drained, Phase::Withdraw];

fn drain(host: &str, phase: Phase) -> Drain {
    let uid = format!("uid-{host}").into();
    Drain {
        of: Leaving { host: host.into(), uid, cause: Cause::Roles },
        phase,
        started: Timestamp::UNIX_EPOCH,
        clear_since: None,
        blocked: None,
    }
}

/// A change of settings by which the node of `one`, a master with data, has these roles.
fn to_have(roles: &[&str]) -> Stand {
    Stand::with(|it| {
        it.run.kind = Kind::ElasticsearchConfig;
        it.member("one").roles = Roles::Named(roles.iter().map(|it| (*it).into()).collect());
    })
}

#[test]
fn a_node_is_started_with_fewer_roles_once_it_is_drained() {
    for (roles, words) in [
        (&["master"][..], "the node of one is to lose roles: data."),
        (&["data"], "the node of one is to lose roles: master."),
        (&["master", "data_hot"], "lose roles: data_cold, data_content, data_frozen and more."),
        (&[], "lose roles: data, master."),
    ] {
        let mut stand = to_have(roles);
        shut(&stand, "one", Gate::Roles, words);
        for phase in PHASES {
            stand.drain = Some(drain("one", phase));
            if phase == Phase::Drained {
                open(&stand, "one");
            } else {
                shut(&stand, "one", Gate::Roles, "see status.drain");
            }
        }
        stand.drain = Some(drain("two", Phase::Drained));
        shut(&stand, "one", Gate::Roles, words);
        open(&stand, "two");
    }
}

#[test]
fn what_loses_nothing_or_is_started_as_it_is_is_not_kept_up() {
    open(&to_have(&["master", "data", "ingest"]), "one");
    open(&to_have(&["master", "voting_only", "data"]), "one");
    let mut stand = to_have(&["master"]);
    stand.run.kind = Kind::ElasticsearchRestart;
    open(&stand, "one");
}

#[test]
fn the_last_node_that_may_be_elected_does_not_become_one_that_only_votes() {
    let mut stand = to_have(&["master", "voting_only", "data"]);
    for host in ["two", "three"] {
        let node = stand.evidence.nodes.get_mut(&node_of(host)).unwrap();
        node.roles = ["master".into(), "voting_only".into(), "data".into()].into();
    }
    shut(&stand, "one", Gate::Roles, "one is the last node that may be elected master");
    stand.run.kind = Kind::ElasticsearchRestart;
    open(&stand, "one");
}

#[test]
fn a_host_whose_roles_nobody_knows_stays_up() {
    let mut stand = to_have(&["master"]);
    stand.member("one").roles = Roles::Unknown;
    shut(&stand, "one", Gate::Roles, "it is not known which roles");
    stand.run.kind = Kind::HostRestart;
    open(&stand, "one");
}

#[test]
fn a_host_that_is_down_has_nothing_that_could_move() {
    let mut stand = to_have(&["master"]);
    stand.leaves("one");
    stand.member("one").nodes = crate::rollout::hosts::Match::Stopped;
    stand.count();
    assert!(!stand.evidence.nodes.contains_key(&node_of("one")));
    assert!(stand.judge("one").iter().all(|it| it.gate != Gate::Roles));
}

#[test]
fn a_host_that_is_down_with_shards_is_not_started_without_a_data_role() {
    let mut stand = to_have(&["master"]);
    stand.leaves("one");
    stand.member("one").nodes = crate::rollout::hosts::Match::Stopped;
    stand.count();
    let is_shut = |stand: &Stand| stand.judge("one").iter().any(|it| it.gate == Gate::Roles);
    stand.member("one").may_hold_shards = true;
    among(&stand, "one", Gate::Roles, "one is down, may have shards on its disk");
    stand.drain = Some(drain("two", Phase::Drained));
    assert!(is_shut(&stand));
    stand.drain = Some(drain("one", Phase::Drained));
    assert!(!is_shut(&stand), "it was emptied before");
    stand.drain = None;
    stand.member("one").roles = Roles::Named(["data_hot".into()].into());
    assert!(!is_shut(&stand), "they move once it runs");
    stand.member("one").roles = Roles::Every;
    assert!(!is_shut(&stand));
    stand.member("one").roles = Roles::Named(["master".into()].into());
    stand.run.kind = Kind::HostRestart;
    assert!(!is_shut(&stand), "it stays as it is");
}

#[test]
fn a_restart_never_overrides_the_drain_of_another_host() {
    let mut stand = Stand::new();
    for phase in PHASES {
        stand.drain = Some(drain("two", phase));
        if stand.drain.as_ref().is_some_and(Drain::is_in_flight) {
            shut(&stand, "one", Gate::ForeignExclusion, "two is drained, see status.drain");
        } else {
            open(&stand, "one");
        }
        open(&stand, "two");
    }
    // Where somebody else takes nodes out as well, that is waited for in any case.
    stand.evidence.foreign.push("a filter".into());
    among(&stand, "two", Gate::ForeignExclusion, "a filter");
}
