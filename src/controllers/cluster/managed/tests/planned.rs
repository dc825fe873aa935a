//! Mode Plan: nothing is made, formed or installed, and what would be is shown.

use std::{collections::BTreeMap, time::Duration};

use super::*;
use crate::{
    api::index::PlannedCall,
    controllers::cluster::{
        observe::Observed,
        plan as whole, planned,
        rollout::{self, members, outdated::Outdated},
        tests::scene::Scene,
    },
    elasticsearch::snapshot::Snapshot,
};

fn planned() -> World {
    let mut world = World::new();
    world.spec(|it| it["mode"] = json!("Plan"));
    world
}

/// What is shown, where hosts and Elasticsearch are looked at or not.
fn calls(world: &World, is_looked_at: bool) -> Vec<PlannedCall> {
    calls_beside(world, is_looked_at, &BTreeMap::new())
}

/// The same beside these settings, which are to be changed in the running cluster.
fn calls_beside(
    world: &World,
    is_looked_at: bool,
    live: &BTreeMap<String, Value>,
) -> Vec<PlannedCall> {
    let cluster = &world.cluster;
    let managed = Some(world.seen());
    let seen = Observed { managed, connection: Ok(None), ..Scene::new(Snapshot::default()).seen() };
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let plan = whole::next(cluster, &seen, now);
    let outdated = seen.managed.as_ref().and_then(|it| Outdated::find(cluster, it));
    let outdated = outdated.as_ref();
    let look = is_looked_at.then(|| rollout::observe::Seen {
        evidence: Err("Elasticsearch can't be asked".into()),
        members: world.hosts.iter().map(|it| members::member(it, None)).collect(),
        known: world.hosts.clone(),
        took: Duration::ZERO,
    });
    let decided = rollout::plan::next(cluster, look.as_ref(), outdated, None, now);
    assert_eq!((&decided.act, &decided.drain.act), (&None, &None));
    planned::held(cluster, (&seen, &plan), look.as_ref(), outdated, &decided, live).calls
}

fn shown(world: &World, is_looked_at: bool) -> Vec<String> {
    let calls = calls(world, is_looked_at);
    calls.iter().map(|it| format!("{} {}", it.method, it.path)).collect()
}

/// It runs on all hosts, in this version.
fn running(world: &mut World, version: &str) {
    world.pin("own");
    for at in 0..3 {
        let staged = [version];
        let told = json!({
            "version": version, "revision": "old", "data": "Used", "clusterUuid": "own",
            "staged": staged,
        });
        world.tell(at, &told);
    }
}

#[test]
fn no_cluster_is_formed_and_who_would_form_it_and_where_it_would_come_to_is_shown() {
    let mut world = planned();
    let plan = world.plan();
    assert!(matches!(&plan.stand, Stand::Waits(why) if why.contains("mode Plan")), "{plan:?}");
    world.turn();
    assert_eq!(world.formation(), None);
    let expected = [
        "FormCluster hosts/a",
        "InstallElasticsearch hosts/a",
        "InstallElasticsearch hosts/b",
        "InstallElasticsearch hosts/c",
    ];
    assert_eq!(shown(&world, false), expected);
    assert_eq!(calls(&world, false)[1].body.as_deref(), Some(r#"{"version":"8.19.0"}"#));
    world.spec(|it| it["mode"] = json!("Apply"));
    assert_eq!(world.stand(), forms("a"));
    assert_eq!(shown(&world, false), [""; 0]);
}

#[test]
fn no_secret_is_made_and_those_that_would_be_are_shown() {
    let mut world = planned();
    world.found = Found::default();
    let plan = world.plan();
    assert_eq!((plan.make, plan.held), (Vec::new(), vec![Kind::Admin, Kind::AuthorityKey]));
    let all = shown(&world, false);
    assert_eq!(all[..2], ["CreateSecret secrets/logs-admin", "CreateSecret secrets/logs-ca-key"]);
    assert_eq!(all[2..].len(), 3, "{all:?}");
}

#[test]
fn what_is_formed_is_remembered_under_plan_too() {
    let mut world = planned();
    world.pin("own");
    world.tell(0, &json!({ "version": "8.19.0", "data": "Used" }));
    assert!(world.plan().note.is_some());
}

#[test]
fn a_host_that_is_held_back_itself_or_is_at_it_is_not_among_those_that_would_get_it() {
    let mut world = planned();
    world.host(0, |it| it["spec"]["maintenance"] = json!(true));
    world.host(1, |it| {
        it["status"]["operation"] = json!({
            "runId": "install-1", "kind": "InstallElasticsearch", "step": "Fetch", "attempt": 1,
            "startedAt": "2026-01-02T03:04:05Z",
        });
    });
    assert_eq!(shown(&world, false), ["InstallElasticsearch hosts/c"]);
}

#[test]
fn a_machine_that_is_not_as_declared_is_shown_as_its_host_tells() {
    let mut world = planned();
    running(&mut world, "8.19.0");
    world.host(1, |it| {
        it["status"]["conditions"].as_array_mut().unwrap().push(json!({
            "type": "Prepared", "status": "False", "reason": "PlanOnly", "message": "it is so",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }));
    });
    assert!(shown(&world, true).contains(&"Prepare hosts/b".to_owned()));
}

#[test]
fn another_version_is_shown_host_by_host() {
    let mut world = planned();
    running(&mut world, "8.17.0");
    let all = calls(&world, true);
    let names: Vec<&str> = all.iter().map(|it| &*it.path).collect();
    assert_eq!(names, ["hosts/a", "hosts/b", "hosts/c"]);
    for call in all {
        assert_eq!(&*call.method, "DeployElasticsearch");
        assert_eq!(call.body.as_deref(), Some(r#"{"version":"8.19.0"}"#));
        assert_eq!(call.reason, "it does not run the declared version");
    }
}

#[test]
fn a_host_that_leaves_is_shown_and_not_drained() {
    let mut world = planned();
    running(&mut world, "8.19.0");
    world.host(2, |it| it["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z"));
    assert!(shown(&world, true).contains(&"Drain hosts/c".to_owned()));
}

#[test]
fn where_a_person_has_to_decide_first_nothing_is_shown_for_any_host() {
    let mut world = planned();
    world.tell(1, &json!({ "data": "Used" }));
    assert!(matches!(world.stand(), Stand::Refused(_)));
    assert_eq!(shown(&world, false), [""; 0]);
}

#[test]
fn a_setting_that_would_be_changed_in_the_running_cluster_is_shown_as_the_call_that_does_it() {
    let mut world = planned();
    running(&mut world, "8.19.0");
    let live = [("search.max_buckets".to_owned(), json!("2000"))].into();
    let calls = calls_beside(&world, true, &live);
    let call = calls.iter().find(|it| it.method == "PUT").unwrap();
    assert_eq!(call.path, "/_cluster/settings");
    let body = call.body.as_deref();
    assert_eq!(body, Some(r#"{"persistent":{"search.max_buckets":"2000"}}"#));
}
