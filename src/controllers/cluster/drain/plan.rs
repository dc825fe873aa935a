//! The one next step of a host's drain. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use kube::ResourceExt as _;

use super::{
    super::rollout::{self, members, observe::Seen},
    record, roles,
};
use crate::{
    api::{cluster::Cluster, host::Host, index::Mode},
    controllers::deployment::leaving,
    elasticsearch::evidence::Evidence,
    rollout::drain::{self, Cause, Decision, Drain, Fate, Leaving, Phase, Scene},
};

/// Whether there is anything to decide on: `known` are the hosts of the Cluster, and its nodes.
#[must_use]
pub fn is_wanted(cluster: &Cluster, known: &[Arc<Host>]) -> bool {
    let is_under_way = cluster.status.as_ref().is_some_and(|it| it.drain.is_some());
    let leaves = |it: &Arc<Host>| leaving::is_due(cluster, it) || leaving::has_moved(cluster, it);
    is_under_way || known.iter().any(leaves)
}

/// Decides. Nothing moves where nothing was looked at.
#[must_use]
pub fn next(cluster: &Cluster, seen: Option<&Seen>, now: Timestamp) -> Decision {
    let status = cluster.status.as_ref();
    let drain = status.and_then(|it| it.drain.as_ref()).map(record::drain);
    let run = status.and_then(|it| it.rollout.as_ref()).map(rollout::record::run);
    let Some(seen) = seen else { return Decision { drain, act: None, stuck: None } };
    let evidence = seen.evidence.as_ref().ok();
    let mut leaving: Vec<Leaving> = seen
        .known
        .iter()
        .filter(|it| leaves(cluster, it, evidence))
        .filter_map(|it| {
            let (host, uid) = (it.name_any().into(), it.uid()?.into());
            Some(Leaving { host, uid, cause: Cause::Leaves })
        })
        .collect();
    leaving.sort_by(|one, other| one.host.cmp(&other.host));
    let changes = roles::next(cluster, seen, run.as_ref());
    let is_for_roles = |it: &&Drain| it.is_set() && it.of.cause == Cause::Roles;
    let whose = drain.as_ref().filter(is_for_roles).map(|it| &it.of).or(changes.as_ref());
    let lost = whose.and_then(|it| roles::lost(seen, &it.uid));
    // The one that a run waits for goes first.
    let leaving: Vec<Leaving> = changes.into_iter().chain(leaving).collect();
    drain::next(&Scene {
        evidence: seen.evidence.as_ref().map_err(String::as_str),
        owner: cluster.metadata.uid.as_deref().unwrap_or_default(),
        drain: drain.as_ref(),
        fate: drain.as_ref().map_or(Fate::Left, |it| match it.of.cause {
            Cause::Leaves => fate(cluster, seen, it),
            Cause::Roles => roles::fate(cluster, seen, run.as_ref(), it),
        }),
        leaving: &leaving,
        hosts: &hosts(cluster, seen),
        lost: lost.as_ref(),
        hold: hold(cluster),
        ends: !leaving::drains(cluster),
        now,
    })
}

/// The hosts of the Cluster by name, with the addresses that they have told.
fn hosts(cluster: &Cluster, seen: &Seen) -> BTreeMap<Box<str>, BTreeSet<Box<str>>> {
    let of_known = seen.known.iter().filter(|it| leaving::names(cluster, it));
    let of_known = of_known.map(|it| (it.name_any().into(), members::told_addresses(it)));
    let of_members = seen.members.iter().map(|it| (it.name.clone(), BTreeSet::new()));
    of_members.chain(of_known).collect()
}

/// Why no host that leaves is drained.
fn hold(cluster: &Cluster) -> Option<&'static str> {
    if cluster.status.as_ref().is_some_and(|it| it.rollout.is_some()) {
        Some("a run over the hosts is under way: it begins once that is over")
    } else if cluster.spec.mode == Mode::Plan {
        Some("mode Plan of the Cluster holds it back")
    } else if cluster.spec.paused {
        Some("spec.paused of the Cluster holds it back")
    } else {
        None
    }
}

/// Whether `host` is there, and leaves. One that names another Cluster does as long as its node runs.
pub(in super::super) fn leaves(
    cluster: &Cluster,
    host: &Host,
    evidence: Option<&Evidence>,
) -> bool {
    let name = host.name_any();
    let runs = || evidence.is_some_and(|it| it.nodes.values().any(|it| *it.name == *name));
    leaving::is_due(cluster, host) || leaving::has_moved(cluster, host) && runs()
}

fn fate(cluster: &Cluster, seen: &Seen, drain: &Drain) -> Fate {
    let named = |it: &&Arc<Host>| it.name_any() == *drain.of.host;
    let is_member =
        |it: &Host| leaving::names(cluster, it) && it.metadata.deletion_timestamp.is_none();
    let is_it = |it: &&Arc<Host>| it.metadata.uid.as_deref() == Some(&*drain.of.uid);
    let is_back = seen.known.iter().filter(named).any(|it| is_member(it));
    let host = seen.known.iter().find(is_it);
    if !leaving::drains(cluster) || is_back || host.is_some_and(|it| leaving::is_skipped(it)) {
        return Fate::Stays;
    }
    let Ok(evidence) = &seen.evidence else { return Fate::Leaves };
    match host {
        // Nobody waits for it any more: what runs there goes on as it is.
        Some(host) if leaving::has_moved(cluster, host) && drain.phase == Phase::Drained => {
            Fate::Left
        }
        Some(host) if leaves(cluster, host, Some(evidence)) => Fate::Leaves,
        _ => Fate::Left,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::cluster::ElasticsearchStatus,
        controllers::deployment::tests as scene,
        elasticsearch::evidence::{Mark, Node, Prior},
        rollout::drain::Act,
    };

    fn cluster(change: impl FnOnce(&mut Value)) -> Cluster {
        let mut object = serde_json::to_value(scene::cluster(&json!({}))).unwrap();
        let told = ElasticsearchStatus { uuid: "own".into(), ..Default::default() };
        object["status"]["elasticsearch"] = serde_json::to_value(told).unwrap();
        change(&mut object);
        serde_json::from_value(object).unwrap()
    }

    fn host(change: impl FnOnce(&mut Value)) -> Arc<Host> {
        let mut object = serde_json::to_value(&*scene::host("a", &json!({}), true)).unwrap();
        object["metadata"]["uid"] = json!("uid-a");
        object["status"]["elasticsearch"] = json!({ "unit": "u", "state": "active", "deployed": {
            "version": "8.19.0", "staged": ["8.19.0"], "clusterUuid": "own",
        } });
        change(&mut object);
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn deleted(object: &mut Value) {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    }

    fn moved(object: &mut Value) {
        object["spec"]["clusterRef"] = json!({ "name": "another" });
    }

    fn seen(hosts: Vec<Arc<Host>>, runs: bool) -> Seen {
        let mut evidence = Evidence::default();
        if runs {
            let node = Node { name: "a".into(), ..Node::default() };
            evidence.nodes.insert("id-a".into(), node);
            evidence.master = Some("id-a".into());
        }
        evidence.health.nodes = evidence.nodes.len();
        let took = Duration::ZERO;
        Seen { evidence: Ok(evidence), members: Vec::new(), known: hosts, took }
    }

    fn leaving() -> Leaving {
        Leaving { host: "a".into(), uid: "uid-a".into(), cause: Cause::Leaves }
    }

    fn drain(phase: Phase) -> Drain {
        Drain {
            of: leaving(),
            phase,
            started: Timestamp::UNIX_EPOCH,
            clear_since: None,
            blocked: None,
        }
    }

    #[test]
    fn a_host_that_is_deleted_or_names_another_cluster_leaves() {
        let whole = cluster(|_| {});
        let decide = |host| next(&whole, Some(&seen(vec![host], true)), Timestamp::UNIX_EPOCH);
        assert_eq!(decide(host(|_| {})).drain, None);
        for change in [deleted, moved] {
            let begun = decide(host(change)).drain.unwrap();
            assert_eq!(begun.of, leaving());
        }
        assert!(is_wanted(&whole, &[host(deleted)]) && !is_wanted(&whole, &[host(|_| {})]));
    }

    #[test]
    fn what_becomes_of_a_drain_is_what_became_of_its_host() {
        let whole = cluster(|_| {});
        let goes = cluster(deleted);
        let fate = |cluster: &Cluster, hosts: Vec<Arc<Host>>, runs: bool| {
            super::fate(cluster, &seen(hosts, runs), &drain(Phase::Move))
        };
        assert_eq!(fate(&whole, vec![host(deleted)], true), Fate::Leaves);
        assert_eq!(fate(&whole, vec![host(moved)], true), Fate::Leaves);
        assert_eq!(fate(&whole, vec![host(moved)], false), Fate::Left);
        let lets_go = super::fate(&whole, &seen(vec![host(moved)], true), &drain(Phase::Drained));
        assert_eq!(lets_go, Fate::Left, "nobody takes its node away");
        assert_eq!(fate(&whole, vec![], true), Fate::Left);
        assert_eq!(fate(&whole, vec![host(|_| {})], true), Fate::Stays, "it was taken back");
        let again = host(|it| it["metadata"]["uid"] = json!("another"));
        assert_eq!(fate(&whole, vec![again], true), Fate::Stays, "it was made again");
        let skipped = host(|it| {
            deleted(it);
            it["metadata"]["annotations"] = json!({ "drover.dev/skip-drain": "true" });
        });
        assert_eq!(fate(&whole, vec![skipped], true), Fate::Stays);
        assert_eq!(fate(&goes, vec![host(deleted)], true), Fate::Stays, "all of it goes");
    }

    #[test]
    fn beside_a_run_or_while_the_cluster_is_paused_no_drain_begins() {
        let seen = seen(vec![host(deleted)], true);
        for (field, value, words) in
            [("paused", json!(true), "spec.paused"), ("mode", json!("Plan"), "mode Plan")]
        {
            let held = cluster(|it| it["spec"][field] = value);
            let waits = next(&held, Some(&seen), Timestamp::UNIX_EPOCH);
            assert_eq!(waits.act, None);
            assert!(waits.drain.unwrap().blocked.unwrap().contains(words), "{field}");
        }
    }

    #[test]
    fn a_cluster_that_goes_takes_back_also_what_it_keeps_of_nodes_that_were_let_go() {
        let under_way = |goes: bool| {
            cluster(|it| {
                let told = record::status(&drain(Phase::Withdraw));
                it["status"]["drain"] = serde_json::to_value(told).unwrap();
                if goes {
                    deleted(it);
                }
            })
        };
        let mut seen = seen(vec![host(|_| {})], true);
        let evidence = seen.evidence.as_mut().unwrap();
        evidence.nodes.insert("id-x".into(), Node { name: "x".into(), ..Node::default() });
        evidence.health.nodes += 1;
        let act =
            |seen: &Seen, goes: bool| next(&under_way(goes), Some(seen), Timestamp::UNIX_EPOCH).act;
        let whole = under_way(false);
        let owner = whole.metadata.uid.as_deref().unwrap_or_default().into();
        let (node, prior): (Box<str>, _) = ("x,a".into(), Some(Prior::Unset));
        let exclusion = &mut seen.evidence.as_mut().unwrap().exclusion;
        exclusion.persistent = Some(node.clone());
        exclusion.mark = Some(Mark { node, prior, owner });
        assert_eq!(act(&seen, false), Some(Act::Exclude("x".into(), Prior::Unset)));
        assert_eq!(act(&seen, true), Some(Act::Include(Prior::Unset)));
    }

    #[test]
    fn what_was_not_looked_at_stays_as_it_is() {
        let under_way = cluster(|it| {
            it["status"]["drain"] =
                serde_json::to_value(record::status(&drain(Phase::Move))).unwrap();
        });
        let decision = next(&under_way, None, Timestamp::UNIX_EPOCH);
        assert_eq!((decision.drain, decision.act), (Some(drain(Phase::Move)), None));
    }
}
