mod roles;
mod shards;
mod stand;
mod yellow;

use super::*;
use crate::{
    elasticsearch::evidence::{Counts, Origin, Prior, Record},
    rollout::{hosts::Match, run::Step},
};
use stand::{NAMES, OWNER, Stand, among, copy, member, node_of, open, shut};

#[test]
fn in_a_green_cluster_any_host_may_go_down() {
    for host in NAMES {
        open(&Stand::new(), host);
    }
}

#[test]
fn answers_that_do_not_agree_are_no_evidence_and_nothing_else_is_said() {
    let counts: [fn(&mut Counts); 5] = [
        |it| it.nodes += 1,
        |it| it.active += 1,
        |it| it.relocating += 1,
        |it| it.initializing += 1,
        |it| it.unassigned += 1,
    ];
    let words = ["nodes", "active", "relocating", "initializing", "unassigned"];
    for (change, word) in counts.into_iter().zip(words) {
        let mut stand = Stand::new();
        change(&mut stand.evidence.health);
        shut(&stand, "one", Gate::Evidence, word);
        assert_eq!(stand.scene().recovered().len(), 1);
    }
    let stand = Stand::with(|it| it.evidence.master = None);
    shut(&stand, "one", Gate::Evidence, "no elected master");
    let stand = Stand::with(|it| it.evidence.copies[0].node = Some("gone".into()));
    shut(&stand, "one", Gate::Evidence, "on a node that is no member");
    let stand = Stand::with(|it| it.evidence.copies[0].node = None);
    shut(&stand, "one", Gate::Evidence, "on a node that is no member");
}

#[test]
fn a_majority_of_the_voting_masters_stays() {
    // Two of three are gone, with what only they had.
    let mut stand = Stand::with(|it| {
        it.permitted.unavailable = 2;
        it.leaves("three");
        it.evidence.copies.retain(|it| it.node.is_some());
        it.evidence.copies.retain(|it| &*it.index == "a");
    });
    let words = "without one only 1 of 3 voting masters would be there, which is no majority";
    shut(&stand, "one", Gate::Quorum, words);
    // With three masters downtime can't be allowed.
    stand.permitted.downtime = true;
    shut(&stand, "one", Gate::Quorum, words);
    // A host without a voter takes none away.
    stand.evidence.voters.remove(&node_of("one"));
    open(&stand, "one");
}

#[test]
fn two_masters_need_a_permission_for_downtime() {
    let mut stand = Stand::with(|it| {
        it.evidence.voters = [node_of("one"), node_of("two")].into();
    });
    shut(&stand, "one", Gate::Quorum, "; set rollout.allowDowntime to accept that");
    open(&stand, "three");
    stand.permitted.downtime = true;
    open(&stand, "one");
    // Elasticsearch counts only one of two masters: the other one may go.
    stand.evidence.voters = [node_of("one")].into();
    stand.permitted.downtime = false;
    shut(&stand, "one", Gate::Quorum, "only 0 of 1");
    open(&stand, "two");
}

#[test]
fn a_single_node_needs_a_permission_for_downtime() {
    let mut stand = Stand::with(|it| {
        it.members.truncate(1);
        it.evidence.nodes.retain(|id, _| *id == node_of("one"));
        it.evidence.master = Some(node_of("one"));
        it.evidence.voters = [node_of("one")].into();
        it.evidence.copies = vec![copy("c", true, Some("one"))];
        it.permitted.single_copies = true;
    });
    shut(&stand, "one", Gate::Quorum, "set rollout.allowDowntime");
    stand.permitted.downtime = true;
    open(&stand, "one");
}

#[test]
fn hosts_that_are_out_of_service_count_whoever_took_them_out() {
    let in_maintenance = Stand::with(|it| it.member("two").in_maintenance = true);
    let words = "as many hosts as may be are out of service already: two. Bring them back";
    shut(&in_maintenance, "one", Gate::MaxUnavailable, words);
    let mut in_maintenance = in_maintenance;
    in_maintenance.permitted.unavailable = 2;
    open(&in_maintenance, "one");

    let down = Stand::with(|it| it.leaves("two"));
    among(&down, "one", Gate::MaxUnavailable, "already: two");
    // It does not count against itself.
    assert!(down.judge("two").iter().all(|it| it.gate != Gate::MaxUnavailable));

    for step in Step::ALL {
        let stand = Stand::with(|it| it.in_hand("three", step));
        let is_out = Step::Stop <= step && step < Step::Done;
        let counts = stand.judge("one").iter().any(|it| it.gate == Gate::MaxUnavailable);
        assert_eq!(counts, is_out, "{step:?}");
    }
}

#[test]
fn a_host_that_is_no_member_any_more_is_out_of_service_as_long_as_it_may_be_down() {
    let mut stand = Stand::with(|it| {
        it.leaves("three");
        it.members.retain(|it| &*it.name != "three");
        it.in_hand("three", Step::Rejoin);
    });
    among(&stand, "one", Gate::MaxUnavailable, "already: three");
    stand.permitted.unavailable = 2;
    // Any copy that no node has may be one of its.
    let words = "one and a host that is down have copies of";
    stand.evidence.copies.push(copy("b", false, Some("one")));
    stand.count();
    among(&stand, "one", Gate::ShardCopies, words);
    // What it had and has yet goes with it.
    let up = Stand::with(|it| {
        it.permitted.unavailable = 2;
        it.members.retain(|it| &*it.name != "two");
        it.in_hand("two", Step::Stop);
    });
    among(&up, "one", Gate::ShardCopies, "one has the only copy in service of a[0]");
}

#[test]
fn a_node_beside_the_unit_does_not_stand_in_for_it() {
    let mut stand = Stand::with(|it| {
        let beside = it.evidence.nodes[&node_of("three")].clone();
        it.evidence.nodes.insert("beside".into(), beside);
        it.leaves("three");
        it.evidence.copies.retain(|it| it.node.is_some());
        it.evidence.voters = [node_of("two")].into();
        let (of_unit, others) = ([].into(), ["beside".into()].into());
        it.member("three").nodes = Match::Nodes { of_unit, others };
    });
    open(&stand, "one");
    stand.in_hand("three", Step::Done);
    shut(&stand, "one", Gate::MaxUnavailable, "already: three");
}

#[test]
fn a_host_in_maintenance_is_not_begun_and_counts_once() {
    let mut stand = Stand::with(|it| it.member("one").in_maintenance = true);
    shut(&stand, "one", Gate::Host, "one: spec.maintenance holds it");
    stand.permitted.unavailable = 2;
    stand.in_hand("one", Step::Settle);
    open(&stand, "two");
}

#[test]
fn a_host_on_which_nothing_ever_ran_is_not_out_of_service() {
    let mut stand = Stand::with(|it| {
        let nodes = Match::Stopped;
        it.members.push(Member { nodes, is_home: false, ..member("four", "10.0.0.4") });
    });
    open(&stand, "one");
    // One that ran in this run and does not any more is.
    stand.in_hand("four", Step::Done);
    shut(&stand, "one", Gate::MaxUnavailable, "already: four");
}

#[test]
fn a_host_on_which_somebody_has_stopped_elasticsearch_is_out_of_service() {
    let stand = Stand::with(|it| {
        it.members.push(Member { nodes: Match::Stopped, ..member("four", "10.0.0.4") });
    });
    shut(&stand, "one", Gate::MaxUnavailable, "already: four");
}

#[test]
fn a_restriction_of_allocation_blocks_wherever_it_stands() {
    let value = |text: &str| Some(text.into());
    for (persistent, transient, is_open) in [
        (None, None, true),
        (value("all"), None, true),
        (value("ALL"), value("all"), true),
        (value("primaries"), None, false),
        (None, value("none"), false),
        (value("all"), value("new_primaries"), false),
        (value("none"), value("all"), false),
    ] {
        let allocation = |it: &mut Stand| {
            it.evidence.allocation.persistent = persistent.clone();
            it.evidence.allocation.transient = transient.clone();
        };
        let stand = Stand::with(allocation);
        if is_open {
            open(&stand, "one");
        } else {
            shut(&stand, "one", Gate::Allocation, "take the setting away");
        }
    }
}

#[test]
fn drovers_own_restriction_blocks_only_if_one_was_there_before_or_is_beside_it() {
    let protected = |prior: Prior, transient: Option<&str>| {
        Stand::with(|it| {
            let allocation = &mut it.evidence.allocation;
            allocation.persistent = Some("primaries".into());
            allocation.prior = Some(prior);
            allocation.owner = Some(OWNER.into());
            allocation.transient = transient.map(Into::into);
        })
    };
    open(&protected(Prior::Unset, None), "one");
    open(&protected(Prior::Value("all".into()), None), "one");
    let before = protected(Prior::Value("none".into()), None);
    shut(&before, "one", Gate::Allocation, "somebody restricts");
    let beside = protected(Prior::Unset, Some("none"));
    shut(&beside, "one", Gate::Allocation, "somebody restricts");
}

#[test]
fn another_run_in_the_same_cluster_is_let_come_to_its_end() {
    let kept_by = |owner: Option<&str>| {
        Stand::with(|it| {
            let allocation = &mut it.evidence.allocation;
            allocation.persistent = Some("primaries".into());
            allocation.prior = Some(Prior::Unset);
            allocation.owner = owner.map(Into::into);
        })
    };
    open(&kept_by(Some(OWNER)), "one");
    shut(&kept_by(Some("uid-other")), "one", Gate::OtherRun, "with the uid uid-other");
    shut(&kept_by(None), "one", Gate::OtherRun, "with the uid unknown");
}

#[test]
fn what_others_take_out_blocks() {
    let stand = Stand::with(|it| it.evidence.foreign.push("a voting exclusion of two".into()));
    shut(&stand, "one", Gate::ForeignExclusion, "out of the cluster: a voting exclusion of two");
}

#[test]
fn a_node_that_is_announced_for_another_cluster_object_blocks_and_an_own_one_does_not() {
    let announced = |reason: &str| {
        Stand::with(|it| {
            let record =
                Record { kind: "restart".into(), reason: reason.into(), ..Record::default() };
            it.evidence.shutdowns.records.insert(node_of("two"), record);
        })
    };
    open(&announced(&format!("drover {OWNER} r-1")), "one");
    let other = announced("drover uid-other r-1");
    shut(&other, "one", Gate::ForeignExclusion, "with the uid uid-other");
    shut(&other, "one", Gate::ForeignExclusion, "DELETE _nodes/node-two/shutdown");
}

#[test]
fn a_snapshot_is_let_come_to_its_end() {
    let stand = Stand::with(|it| it.evidence.snapshots.push("nightly".into()));
    shut(&stand, "one", Gate::Snapshot, "is being taken or restored: nightly");
}

#[test]
fn the_disks_of_those_that_stay_have_room() {
    let stand = Stand::with(|it| it.evidence.full = [node_of("two")].into());
    shut(&stand, "one", Gate::Disk, "no copy could go to two");
    open(&stand, "two");
}

#[test]
fn a_host_whose_node_is_not_known_stays() {
    let nodes = |nodes: Match| Stand::with(|it| it.member("one").nodes = nodes);
    let unknown = nodes(Match::Unknown("its unit can't be asked".into()));
    shut(&unknown, "one", Gate::NodeNotFound, "one: its unit can't be asked");
    let elsewhere = nodes(Match::unit(["node-of-another-cluster".into()]));
    shut(&elsewhere, "one", Gate::NodeNotFound, "Elasticsearch on one is not in the cluster");
    let stopped = nodes(Match::Stopped);
    shut(&stopped, "one", Gate::NodeNotFound, "the cluster has a node at its address");
    // Nothing is known of where it is either, so no shard can be asked about.
    let mut lost = unknown;
    lost.member("one").addresses.clear();
    shut(&lost, "one", Gate::NodeNotFound, "can't be asked");
}

#[test]
fn a_host_that_can_not_be_worked_on_stays() {
    let stand = Stand::with(|it| it.member("one").fit = Err("it does not answer".into()));
    shut(&stand, "one", Gate::Host, "one: it does not answer");
    open(&stand, "two");
}

#[test]
fn a_host_that_is_down_needs_no_shard_gate() {
    let stand = Stand::with(|it| {
        it.leaves("one");
        it.member("one").nodes = Match::Stopped;
        it.evidence.copies.push(copy("c", true, None));
        it.evidence.snapshots.push("nightly".into());
        it.evidence.foreign.push("an exclusion".into());
        it.evidence.full = [node_of("two")].into();
    });
    assert_eq!(stand.evidence.health.status, HealthStatus::Red);
    open(&stand, "one");
    let mut stand = stand;
    // What somebody restricts is not loosened for it.
    stand.evidence.allocation.persistent = Some("none".into());
    shut(&stand, "one", Gate::Allocation, "somebody restricts");
    stand.evidence.allocation.persistent = None;
    stand.member("two").in_maintenance = true;
    shut(&stand, "one", Gate::MaxUnavailable, "already: two");
}

#[test]
fn a_change_of_version_asks_whether_the_version_may_follow_also_where_a_host_is_down() {
    let mut stand = Stand::with(|it| {
        it.run.kind = Kind::ElasticsearchVersion;
        it.run.target = "8.17.0/abc".into();
        for (index, created) in [("a", 8_536_000), ("old", 6_082_399)] {
            let origin = Origin { version: created, verified_read_only: false };
            it.evidence.origins.insert(index.into(), origin);
        }
    });
    shut(&stand, "one", Gate::Version, "can't go back to an older version");
    stand.run.target = "8.19.0/abc".into();
    shut(&stand, "one", Gate::Version, "made: old.");
    let mut down = Stand::with(|it| it.leaves("one"));
    down.run.clone_from(&stand.run);
    down.evidence.origins.clone_from(&stand.evidence.origins);
    among(&down, "one", Gate::Version, "made: old.");
    // A restart changes no version.
    stand.run.kind = Kind::ElasticsearchRestart;
    open(&stand, "one");
}
