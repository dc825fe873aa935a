mod refusals;

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{
    api::condition::Reason,
    controllers::{
        cluster::live::findings::{diagnostics, outstanding},
        deployment::tests::{cluster, found, host},
    },
};

/// A managed Cluster of one host, and what is set in the running Elasticsearch.
struct World {
    cluster: Cluster,
    seen: Seen,
    current: Option<Current>,
}

impl World {
    /// The host runs what is declared, and that is on record.
    fn new(config: &Value) -> Self {
        let mut cluster = cluster(&json!({ "observedGeneration": 1 }));
        cluster.metadata.generation = Some(1);
        let seen = Seen::new(&cluster, found(), vec![host("a", &json!({}), true)]);
        let mut world = Self { cluster, seen, current: Some(Current::default()) };
        world.declare(config);
        world.roll();
        assert!(world.turn().act.is_empty());
        world
    }

    fn declare(&mut self, config: &Value) {
        let groups = json!([{ "name": "all", "config": config }]);
        let elasticsearch = self.cluster.spec.elasticsearch.as_mut().unwrap();
        elasticsearch.node_groups = serde_json::from_value(groups).unwrap();
    }

    /// A run brings the host what it shall run.
    fn roll(&mut self) {
        self.seen.replan(&self.cluster);
        let revision = &self.seen.plans.as_ref().unwrap()["a"].revision;
        let deployed = json!({ "version": "8.19.0", "revision": revision, "data": "Used" });
        let mut object = serde_json::to_value(&*self.seen.hosts[0]).unwrap();
        object["status"]["elasticsearch"] =
            json!({ "unit": "u", "state": "active", "deployed": deployed });
        self.seen.hosts = vec![Arc::new(serde_json::from_value(object).unwrap())];
    }

    /// One reconcile; Elasticsearch takes what is set.
    fn turn(&mut self) -> Decision {
        self.seen.replan(&self.cluster);
        let decision = next(&self.cluster, &mut self.seen, self.current.as_ref());
        self.cluster = noted(&self.cluster, &decision).into_owned();
        if let Some(current) = &mut self.current {
            for (name, value) in &decision.act {
                match value.as_str() {
                    Some(value) => current.set.persistent.insert(name.clone(), value.into()),
                    None => current.set.persistent.remove(name),
                };
            }
        }
        decision
    }

    /// Reconciles until nothing changes; how often something was set.
    fn settle(&mut self) -> usize {
        let mut writes = 0;
        for _ in 0..6 {
            let before = self.cluster.status.clone();
            let decision = self.turn();
            writes += usize::from(!decision.act.is_empty());
            if decision.act.is_empty() && self.cluster.status == before {
                return writes;
            }
        }
        panic!("never comes to rest: {:?}", recorded(&self.cluster));
    }

    /// Whether a run is to restart the host.
    fn is_outdated(&mut self) -> bool {
        self.seen.replan(&self.cluster);
        Outdated::find(&self.cluster, &self.seen).unwrap().is_any()
    }

    fn set(&self, name: &str) -> Option<&str> {
        self.current.as_ref()?.set.persistent.get(name).map(String::as_str)
    }

    fn state(&self, name: &str) -> Option<LiveState> {
        let changes = &recorded(&self.cluster)?.changes;
        changes.iter().find(|it| it.name == name).map(|it| it.state)
    }
}

#[test]
fn a_dynamic_setting_is_changed_in_the_running_cluster_and_taken_back_without_a_run() {
    let mut world = World::new(&json!({}));
    world.declare(&json!({ "search.max_buckets": 5 }));
    let first = world.turn();
    assert_eq!(first.act, [("search.max_buckets".to_owned(), json!("5"))].into());
    assert!(!world.is_outdated(), "on record before it is set");
    assert_eq!(world.settle(), 0);
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Live));
    world.declare(&json!({ "search.max_buckets": 6 }));
    assert_eq!(world.settle(), 1);
    assert_eq!(world.set("search.max_buckets"), Some("6"));
    world.declare(&json!({}));
    assert_eq!(world.settle(), 1);
    assert_eq!(world.set("search.max_buckets"), None);
    assert_eq!(world.state("search.max_buckets"), None);
    assert!(!world.is_outdated());
}

#[test]
fn a_change_of_anything_else_brings_all_of_it_to_the_files_and_takes_back_what_was_set() {
    let mut world = World::new(&json!({ "search.max_buckets": 4 }));
    world.declare(&json!({ "search.max_buckets": 5 }));
    assert_eq!(world.settle(), 1);
    assert!(!world.is_outdated());
    let elasticsearch = world.cluster.spec.elasticsearch.as_mut().unwrap();
    elasticsearch.node_groups[0].heap = Some(serde_json::from_value(json!("1g")).unwrap());
    assert_eq!(world.settle(), 0);
    assert!(world.is_outdated());
    assert_eq!(world.set("search.max_buckets"), Some("5"), "until the files have it");
    world.roll();
    assert!(!world.is_outdated());
    assert_eq!(world.settle(), 1);
    assert_eq!(world.set("search.max_buckets"), None);
    let record = recorded(&world.cluster).unwrap();
    assert_eq!((&*record.files["search.max_buckets"], record.changes.len()), ("5", 0));
}

#[test]
fn a_setting_that_takes_a_restart_takes_all_others_along() {
    let mut world = World::new(&json!({}));
    world.declare(&json!({ "http.max_header_size": "16kb", "search.max_buckets": 5 }));
    world.seen.replan(&world.cluster);
    let asked = next(&world.cluster, &mut world.seen, world.current.as_ref());
    assert_eq!(asked.act.len(), 2, "all or none");
    world.cluster = noted(&world.cluster, &asked).into_owned();
    assert!(!world.is_outdated(), "nothing begins before Elasticsearch was asked");
    world.current.as_mut().unwrap().refused = vec![Refused {
        name: "http.max_header_size".into(),
        value: "16kb".into(),
        cause: Cause::Restart,
        why: "not dynamically updateable".into(),
    }];
    assert_eq!(world.settle(), 0);
    assert!(world.is_outdated());
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Restart));
    world.roll();
    assert_eq!(world.settle(), 0);
    assert!(!world.is_outdated() && recorded(&world.cluster).unwrap().changes.is_empty());
}

#[test]
fn a_setting_that_leaves_the_files_takes_a_run_and_what_was_set_over_it_is_taken_back_after_that() {
    let mut world = World::new(&json!({ "search.max_buckets": 4 }));
    world.declare(&json!({ "search.max_buckets": 5 }));
    world.settle();
    world.declare(&json!({}));
    assert_eq!(world.settle(), 0);
    assert!(world.is_outdated());
    assert_eq!(world.set("search.max_buckets"), Some("5"));
    world.roll();
    assert_eq!(world.settle(), 1);
    assert_eq!(world.set("search.max_buckets"), None);
}

#[test]
fn a_value_that_elasticsearch_does_not_take_comes_to_no_host() {
    let mut world = World::new(&json!({}));
    world.current.as_mut().unwrap().refused = vec![Refused {
        name: "search.max_buckets".into(),
        value: "x".into(),
        cause: Cause::Unnamed,
        why: "words".into(),
    }];
    world.declare(&json!({ "search.max_buckets": "x" }));
    assert_eq!(world.settle(), 0);
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Refused));
    assert!(!world.is_outdated());
    world.declare(&json!({ "search.max_buckets": "x", "http.port": 9201 }));
    world.turn();
    world.declare(&json!({ "search.max_buckets": 5 }));
    assert_eq!(world.settle(), 1);
    assert_eq!(world.set("search.max_buckets"), Some("5"));
}

#[test]
fn nothing_is_begun_while_the_object_is_paused_or_a_run_is_under_way_or_nobody_answers() {
    let declared = || {
        let mut world = World::new(&json!({}));
        world.declare(&json!({ "search.max_buckets": 5 }));
        world
    };
    let mut paused = declared();
    paused.cluster.spec.paused = true;
    let mut rolling = declared();
    let run = json!({
        "runId": "r", "kind": "ElasticsearchRestart", "target": "one", "hosts": [],
        "startedAt": "2026-01-02T03:04:05Z",
    });
    rolling.cluster.status.as_mut().unwrap().rollout = serde_json::from_value(run).unwrap();
    let mut mute = declared();
    mute.current = None;
    for mut world in [paused, rolling, mute] {
        assert_eq!(world.settle(), 0);
        assert_eq!(world.state("search.max_buckets"), None);
    }
}

#[test]
fn what_the_files_say_is_on_record_only_once_all_hosts_run_what_is_declared() {
    let mut world = World::new(&json!({}));
    world.cluster.status.as_mut().unwrap().live_settings = None;
    world.declare(&json!({ "search.max_buckets": 5 }));
    assert_eq!((world.settle(), recorded(&world.cluster)), (0, None));
    assert!(world.is_outdated());
    world.roll();
    world.settle();
    assert_eq!(recorded(&world.cluster).unwrap().files["search.max_buckets"], "5");
    assert!(!is_concerned(&world.cluster));
    world.declare(&json!({}));
    assert!(is_concerned(&world.cluster));
}

#[test]
fn a_drain_that_waits_or_is_over_holds_no_setting_back() {
    for (phase, state) in [
        ("Waiting", Some(LiveState::Live)),
        ("Drained", Some(LiveState::Live)),
        ("Move", None),
        ("Withdraw", None),
    ] {
        let mut world = World::new(&json!({}));
        let drain = json!({
            "host": "b", "hostUid": "uid-b", "node": "b", "phase": phase,
            "startedAt": "2026-01-02T03:04:05Z",
        });
        world.cluster.status.as_mut().unwrap().drain = serde_json::from_value(drain).unwrap();
        world.declare(&json!({ "search.max_buckets": 5 }));
        world.settle();
        assert_eq!(world.state("search.max_buckets"), state, "{phase}");
    }
}

#[test]
fn a_spec_that_has_no_effect_yet_is_told_as_held_back() {
    let mut world = World::new(&json!({ "z": 1 }));
    assert!(outstanding(&world.cluster).is_none());
    world.declare(&json!({ "z": 1, "search.max_buckets": 5 }));
    world.settle();
    assert!(outstanding(&world.cluster).is_none());
    let why = |world: &World| outstanding(&world.cluster).map(|it| (it.reason, it.message));
    world.cluster.spec.paused = true;
    world.settle();
    assert_eq!(why(&world), None, "it is all as declared");
    for other in [json!({ "z": 1, "search.max_buckets": 6 }), json!({ "z": 1 })] {
        world.declare(&other);
        world.settle();
        let (reason, message) = why(&world).unwrap();
        assert_eq!(reason, Reason::Paused);
        assert!(message.starts_with("held back") && message.contains("search.max_buckets"));
    }
    world.cluster.spec.paused = false;
    world.current = None;
    world.settle();
    assert_eq!(why(&world).unwrap().0, Reason::Waiting);
    world.current = Some(Current::default());
    world.settle();
    assert_eq!(why(&world), None);
}

#[test]
fn no_run_begins_before_it_is_known_what_is_set_and_one_in_hand_goes_on() {
    let mut world = World::new(&json!({}));
    world.declare(&json!({ "search.max_buckets": 5 }));
    let current = world.current.take();
    world.settle();
    assert!(world.is_outdated(), "as long as it is not on record");
    let hosts = |world: &World| {
        outdated(&world.cluster, Some(&world.seen), world.current.as_ref()).map(|it| it.is_any())
    };
    assert_eq!(hosts(&world), None);
    assert!(is_unasked(&world.cluster, None), "nor is anything else begun");
    let status = world.cluster.status.clone();
    let run = json!({
        "runId": "r", "kind": "ElasticsearchRestart", "target": "one", "hosts": [],
        "startedAt": "2026-01-02T03:04:05Z",
    });
    world.cluster.status.as_mut().unwrap().rollout = serde_json::from_value(run).unwrap();
    assert_eq!(hosts(&world), Some(true));
    assert!(!is_unasked(&world.cluster, None));
    world.cluster.status = status;
    world.current = current;
    world.settle();
    assert_eq!(hosts(&world), Some(false));
    world.current = None;
    let elasticsearch = world.cluster.spec.elasticsearch.as_mut().unwrap();
    elasticsearch.node_groups[0].heap = Some(serde_json::from_value(json!("1g")).unwrap());
    world.settle();
    assert_eq!(hosts(&world), Some(true), "of settings nothing is to be asked");
}

#[test]
fn what_is_on_record_comes_to_no_file_however_many_settings_there_are() {
    let mut world = World::new(&json!({}));
    world.current.as_mut().unwrap().refused = vec![Refused {
        name: "z".into(),
        value: "x".into(),
        cause: Cause::Unnamed,
        why: "words".into(),
    }];
    world.declare(&json!({ "z": "x" }));
    world.settle();
    assert_eq!(world.state("z"), Some(LiveState::Refused));
    let names = (0..100).map(|it| (format!("b.{it:03}"), json!(1)));
    let many: serde_json::Map<_, _> = names.chain([("z".to_owned(), json!("x"))]).collect();
    world.declare(&many.into());
    world.settle();
    assert!(world.is_outdated(), "what is not kept track of takes a run");
    world.roll();
    world.settle();
    assert_eq!(world.state("z"), Some(LiveState::Refused));
    assert!(!recorded(&world.cluster).unwrap().files.contains_key("z"));
}

#[test]
fn what_was_refused_is_asked_once_more_for_another_spec_and_comes_to_no_file_before() {
    let refused = Refused {
        name: "search.max_buckets".into(),
        value: "5".into(),
        cause: Cause::Unnamed,
        why: "words".into(),
    };
    let mut world = World::new(&json!({}));
    world.declare(&json!({ "search.max_buckets": 5 }));
    world.current.as_mut().unwrap().refused = vec![refused];
    world.settle();
    world.current.as_mut().unwrap().refused.clear();
    assert_eq!(world.settle(), 0, "not asked again for the same spec");
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Refused));
    world.cluster.metadata.generation = Some(2);
    assert_eq!(to_ask_anew(&world.cluster), ["search.max_buckets"]);
    // Something else takes a run: the value waits for its end.
    let elasticsearch = world.cluster.spec.elasticsearch.as_mut().unwrap();
    elasticsearch.node_groups[0].heap = Some(serde_json::from_value(json!("1g")).unwrap());
    assert_eq!(world.turn().act, BTreeMap::new());
    world.cluster.status.as_mut().unwrap().observed_generation = Some(2);
    assert_eq!((world.settle(), to_ask_anew(&world.cluster).len()), (0, 0));
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Pending));
    world.roll();
    assert_eq!(world.settle(), 1);
    assert_eq!(world.state("search.max_buckets"), Some(LiveState::Live));
}
