use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    apply,
    observe::Seen,
    plan::{self, Stand},
    status,
};
use crate::{
    api::{
        cluster::{Cluster, ClusterStatus, ElasticsearchStatus},
        condition::Reason,
        host::Host,
    },
    authority::secrets::{CLUSTER_UUID, Kind},
    context::Context,
    controllers::deployment::{
        secrets::Found,
        tests::{cluster, found, host},
    },
    elasticsearch::{cluster_reads::Node, fixtures},
    kubernetes::scripted::api_server,
};

mod before;
mod confirm;
mod left_alone;
mod planned;

const NEEDED: [&str; 4] = ["Accepted", "ResolvedRefs", "Reachable", "Inspected"];

/// A Cluster, its Secrets, and three hosts that wait for Elasticsearch.
struct World {
    cluster: Cluster,
    found: Found,
    hosts: Vec<Arc<Host>>,
}

impl World {
    fn new() -> Self {
        let mut world = Self { cluster: cluster(&json!(null)), found: found(), hosts: Vec::new() };
        for name in ["a", "b", "c"] {
            world.hosts.push(host(name, &json!({}), true));
        }
        for at in 0..3 {
            world.tell(at, &json!({ "data": "Empty" }));
        }
        world
    }

    /// What a host tells of the Elasticsearch of Drover on it, besides that all is well with it.
    fn tell(&mut self, at: usize, deployed: &Value) {
        self.host(at, |it| {
            let conditions = NEEDED.map(|kind| {
                json!({
                    "type": kind, "status": "True", "reason": "AsExpected", "message": "it is so",
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                })
            });
            it["status"]["conditions"] = json!(conditions);
            it["status"]["elasticsearch"] =
                json!({ "unit": "u", "state": "inactive", "deployed": deployed });
        });
    }

    fn host(&mut self, at: usize, change: impl FnOnce(&mut Value)) {
        let mut object = serde_json::to_value(&*self.hosts[at]).unwrap();
        change(&mut object);
        self.hosts[at] = Arc::new(serde_json::from_value(object).unwrap());
    }

    fn spec(&mut self, change: impl FnOnce(&mut Value)) {
        let mut object = serde_json::to_value(&self.cluster).unwrap();
        change(&mut object["spec"]);
        self.cluster = serde_json::from_value(object).unwrap();
    }

    fn remember(&mut self, kind: Kind, uuid: &str) {
        let at = Kind::ALL.into_iter().position(|it| it == kind).unwrap();
        let secret = self.found[at].as_mut().unwrap();
        secret.annotations.insert(CLUSTER_UUID.into(), uuid.into());
    }

    fn pin(&mut self, uuid: &str) {
        let elasticsearch = ElasticsearchStatus { uuid: uuid.into(), ..Default::default() };
        let status = self.cluster.status.get_or_insert_default();
        status.elasticsearch = Some(elasticsearch);
    }

    fn seen(&self) -> Seen {
        Seen::new(&self.cluster, self.found.clone(), self.hosts.clone())
    }

    fn plan(&self) -> plan::Plan {
        plan::next(&self.cluster, &self.seen())
    }

    fn stand(&self) -> Stand {
        self.plan().stand
    }

    /// One reconcile, as far as the status tells of the formation.
    fn turn(&mut self) {
        let seen = self.seen();
        let plan = plan::next(&self.cluster, &seen);
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let formation = status::formation(&self.cluster, Some((&seen, &plan)), now);
        self.cluster.status.get_or_insert_default().formation = formation;
    }

    fn formation(&self) -> Option<&str> {
        Some(self.cluster.status.as_ref()?.formation.as_ref()?.host.as_str())
    }
}

fn forms(name: &str) -> Stand {
    Stand::Forms { host: name.into(), uid: format!("uid-{name}") }
}

#[test]
fn three_bare_hosts_are_formed_into_a_cluster_by_the_first_of_them() {
    let world = World::new();
    assert_eq!(world.stand(), forms("a"));
    assert!(world.plan().make.is_empty() && world.plan().note.is_none());
    let mut missing = World::new();
    missing.tell(0, &json!({ "data": "Missing" }));
    assert_eq!(missing.stand(), forms("a"));
}

#[test]
fn a_host_that_only_votes_or_holds_data_forms_nothing() {
    let mut world = World::new();
    world.spec(|it| {
        it["elasticsearch"]["nodeGroups"] = json!([
            { "name": "data", "hostSelector": { "matchLabels": { "is": "data" } }, "roles": ["data"] },
            {
                "name": "votes", "hostSelector": { "matchLabels": { "is": "vote" } },
                "roles": ["master", "voting_only"],
            },
            { "name": "rest" },
        ]);
    });
    world.host(0, |it| it["metadata"]["labels"] = json!({ "is": "data" }));
    world.host(1, |it| it["metadata"]["labels"] = json!({ "is": "vote" }));
    assert_eq!(world.stand(), forms("c"));
}

/// Why nothing is formed, once `change` is so.
#[track_caller]
fn waits(change: impl FnOnce(&mut World), words: &str) {
    let mut world = World::new();
    change(&mut world);
    match world.stand() {
        Stand::Waits(why) => assert!(why.contains(words), "{why}"),
        other => panic!("{other:?}"),
    }
    world.turn();
    assert_eq!(world.formation(), None);
}

#[track_caller]
fn refuses(change: impl FnOnce(&mut World), reason: Reason, words: &str) {
    let mut world = World::new();
    change(&mut world);
    match world.stand() {
        Stand::Refused(problem) => {
            assert_eq!(problem.reason, reason);
            assert!(problem.message.contains(words), "{}", problem.message);
        }
        other => panic!("{other:?}"),
    }
    let before = world.formation().map(str::to_owned);
    world.turn();
    assert_eq!(world.formation().map(str::to_owned), before);
}

#[test]
fn no_cluster_is_formed_as_long_as_anything_is_not_known_yet() {
    waits(|it| it.hosts.clear(), "no Host names this Cluster");
    waits(|it| it.found[0] = None, "Secret 'logs-admin' is not there");
    waits(|it| it.tell(1, &json!({ "data": "Unknown" })), "host 'b' has not told");
    waits(
        |it| it.host(2, |it| it["status"]["elasticsearch"]["deployed"] = Value::Null),
        "host 'c' has not told",
    );
    waits(|it| it.host(2, |it| it["status"]["facts"] = Value::Null), "host 'c' has not told");
    waits(|it| it.host(1, |it| it["status"]["conditions"] = json!([])), "host 'b': it was not");
    for (at, kind) in NEEDED.into_iter().enumerate() {
        let fail = |it: &mut Value| it["status"]["conditions"][at]["status"] = json!("False");
        waits(|it| it.host(1, fail), &format!("host 'b': {kind}"));
    }
}

#[test]
fn no_cluster_is_formed_while_somebody_holds_it_back() {
    waits(|it| it.spec(|it| it["paused"] = json!(true)), "spec.paused");
    waits(|it| it.host(0, |it| it["spec"]["paused"] = json!(true)), "host 'a': spec.paused");
    waits(|it| it.host(0, |it| it["spec"]["maintenance"] = json!(true)), "spec.maintenance");
    let deleting = json!("2026-01-02T03:04:05Z");
    let leaves = |it: &mut World| {
        it.host(0, |it| it["metadata"]["deletionTimestamp"] = deleting.clone());
    };
    waits(leaves, "host 'a': it is being deleted");
    waits(
        |it| {
            let mut object = serde_json::to_value(&it.cluster).unwrap();
            object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
            it.cluster = serde_json::from_value(object).unwrap();
        },
        "the object is being deleted",
    );
}

#[test]
fn an_elasticsearch_that_runs_is_asked_before_anything_is_formed() {
    let runs = json!({ "version": "8.19.0", "revision": "r", "data": "Used" });
    waits(|it| it.tell(2, &runs), "is asked which cluster it is");
    let mut world = World::new();
    assert!(world.seen().connection(&world.cluster).unwrap().is_none(), "nobody is there to ask");
    world.tell(2, &runs);
    let connection = world.seen().connection(&world.cluster).unwrap().unwrap();
    let endpoints: Vec<&str> = connection.endpoints.iter().map(reqwest::Url::as_str).collect();
    let all = ["https://a.example:9200/", "https://b.example:9200/", "https://c.example:9200/"];
    assert_eq!(endpoints, all);
    assert!(connection.ca.is_some() && !format!("{connection:?}").contains("\"secret\""));
}

#[test]
fn data_that_nobody_knows_is_not_touched() {
    refuses(
        |it| it.tell(1, &json!({ "data": "Used" })),
        Reason::NotOwned,
        "host 'b' has something in /var/lib/drover-elasticsearch",
    );
    // Also where others are not known yet, or are held back.
    refuses(
        |it| {
            it.tell(1, &json!({ "data": "Used" }));
            it.tell(0, &json!({ "data": "Unknown" }));
            it.spec(|it| it["paused"] = json!(true));
        },
        Reason::NotOwned,
        "host 'b'",
    );
}

#[test]
fn a_member_whose_data_is_not_where_it_is_to_be_is_told_and_nothing_is_changed() {
    let elsewhere = json!({ "version": "8.19.0", "revision": "old", "data": "Missing" });
    let lost = json!({ "staged": ["8.19.0"], "clusterUuid": "known", "data": "Empty" });
    for told in [&elsewhere, &lost] {
        refuses(
            |it| {
                it.pin("known");
                it.tell(0, &json!({ "data": "Used", "clusterUuid": "known" }));
                it.tell(1, told);
            },
            Reason::Conflict,
            "host 'b' has been a member of a cluster, and its data is not in \
             /var/lib/drover-elasticsearch",
        );
    }
    let mut world = World::new();
    world.pin("known");
    world.tell(1, &json!({ "version": "8.19.0", "revision": "old", "data": "Used" }));
    // One that was just started has not written anything yet.
    let revision = world.seen().plans.unwrap()["c"].revision.clone();
    world.tell(2, &json!({ "version": "8.19.0", "revision": revision, "data": "Empty" }));
    assert_eq!(world.stand(), Stand::Known);
}

#[test]
fn what_a_secret_or_a_host_remembers_is_joined_and_nothing_is_formed() {
    for kind in Kind::ALL {
        let mut world = World::new();
        world.remember(kind, "old");
        // Who is of it has not told yet.
        world.tell(2, &json!({ "data": "Unknown" }));
        assert_eq!(world.stand(), Stand::Remembered("old".into()));
        assert_eq!(world.plan().remembered(), Some("old"));
    }
    let mut world = World::new();
    world.tell(2, &json!({ "data": "Used", "clusterUuid": "old" }));
    assert_eq!(world.stand(), Stand::Remembered("old".into()));
    world.remember(Kind::Admin, "old");
    assert_eq!(world.stand(), Stand::Remembered("old".into()));
    // A wiped host beside it changes nothing.
    world.tell(0, &json!({ "data": "Missing" }));
    assert_eq!(world.stand(), Stand::Remembered("old".into()));
}

#[test]
fn who_remembers_several_clusters_is_left_alone() {
    refuses(
        |it| {
            it.tell(0, &json!({ "data": "Used", "clusterUuid": "one" }));
            it.tell(1, &json!({ "data": "Used", "clusterUuid": "two" }));
        },
        Reason::Conflict,
        "one (host 'a'), two (host 'b')",
    );
    refuses(
        |it| {
            it.tell(0, &json!({ "data": "Used", "clusterUuid": "one" }));
            it.remember(Kind::Admin, "two");
        },
        Reason::Conflict,
        "one (host 'a'), two (a Secret)",
    );
    refuses(
        |it| {
            it.pin("one");
            it.remember(Kind::AuthorityKey, "two");
        },
        Reason::Conflict,
        "belong to the cluster two, not to one",
    );
}

#[test]
fn a_cluster_that_is_known_is_never_formed_again() {
    let mut world = World::new();
    world.tell(1, &json!({ "data": "Used", "clusterUuid": "known" }));
    world.pin("known");
    assert_eq!(world.stand(), Stand::Known);
    let mut world = World::new();
    world.tell(1, &json!({ "version": "8.19.0", "revision": "r", "data": "Used" }));
    let endpoints = json!(["https://es.example:9200"]);
    world.spec(|it| {
        it["connection"] = json!({ "endpoints": endpoints, "expectedUuid": "known" });
    });
    assert_eq!(world.stand(), Stand::Known);
    assert_eq!(world.plan().note, None, "it was not seen yet");
}

#[test]
fn who_was_chosen_stays_chosen_until_everybody_remembers_what_was_formed() {
    let mut world = World::new();
    world.turn();
    assert_eq!(world.formation(), Some("a"));
    // Whatever happens to the others.
    world.tell(0, &json!({ "version": "8.19.0", "revision": "r", "data": "Used" }));
    world.tell(1, &json!({ "data": "Used" }));
    world.spec(|it| it["paused"] = json!(true));
    world.turn();
    assert_eq!((world.stand(), world.formation()), (Stand::Forming, Some("a")));

    world.pin("formed");
    world.turn();
    assert_eq!((world.stand(), world.formation()), (Stand::Known, Some("a")));
    assert_eq!(world.plan().note, Some(("formed".into(), Kind::ALL.into())));
    world.remember(Kind::Admin, "formed");
    world.remember(Kind::Authorities, "formed");
    assert_eq!(world.plan().note, Some(("formed".into(), vec![Kind::AuthorityKey])));
    world.remember(Kind::AuthorityKey, "formed");
    world.turn();
    assert_eq!((world.plan().note, world.formation()), (None, Some("a")), "the host does not know");
    let runs = json!({
        "version": "8.19.0", "revision": "r", "data": "Used", "clusterUuid": "formed",
    });
    world.tell(0, &runs);
    world.turn();
    assert_eq!(world.formation(), None);
}

#[test]
fn a_host_that_was_chosen_and_is_made_again_forms_nothing() {
    let mut world = World::new();
    world.turn();
    world.host(0, |it| it["metadata"]["uid"] = json!("another"));
    let Stand::Refused(problem) = world.stand() else { panic!("{:?}", world.stand()) };
    assert!(problem.message.contains("host 'a', which was to form the cluster, is gone"));
    world.turn();
    assert_eq!(world.formation(), Some("a"), "and nobody else does");
}

#[test]
fn the_formation_and_its_end_are_told_once() {
    let mut world = World::new();
    let words = |before: Option<&ClusterStatus>, after: &ClusterStatus| {
        let notices = status::notices(before, after).into_iter();
        notices.map(|it| it.reason().to_string()).collect::<Vec<_>>()
    };
    let mut step = |change: &dyn Fn(&mut World)| {
        let before = world.cluster.status.clone();
        change(&mut world);
        world.turn();
        words(before.as_ref(), world.cluster.status.as_ref().unwrap())
    };
    assert_eq!(step(&|_| {}), ["FormationBegun"]);
    assert!(step(&|_| {}).is_empty());
    assert_eq!(step(&|it| it.pin("formed")), ["Formed"]);
    assert!(step(&|_| {}).is_empty());
}

#[test]
fn secrets_are_made_where_none_are_and_never_beside_somebody_elses() {
    let mut world = World::new();
    world.found = Found::default();
    assert_eq!(world.plan().make, [Kind::Admin, Kind::AuthorityKey]);
    assert!(world.seen().connection(&world.cluster).unwrap().is_none(), "nothing is amiss");
    let all = found();
    world.found[2].clone_from(&all[2]);
    assert_eq!(world.plan().make, [Kind::Admin, Kind::Authorities], "by what was read back");
    world.found = all;
    world.found[2] = None;
    assert!(world.plan().make.is_empty(), "nodes trust the one that is gone");
    let problem = world.seen().connection(&world.cluster).unwrap_err();
    assert_eq!(problem.reason, Reason::SecretNotFound);
    world.found = Found::default();
    world.found[1] = found()[1].clone();
    world.found[1].as_mut().unwrap().labels.clear();
    assert!(world.plan().make.is_empty());
    let problem = world.seen().connection(&world.cluster).unwrap_err();
    assert_eq!(problem.reason, Reason::NotOwned);
}

#[test]
fn a_host_without_elasticsearch_or_whose_node_does_not_run_or_has_not_joined_is_outstanding() {
    let mut world = World::new();
    let view = |names: &[&str]| {
        let mut view = fixtures::view("formed");
        let node = view.nodes.values().next().unwrap().clone();
        view.nodes = names
            .iter()
            .map(|name| ((*name).to_owned(), Node { name: (*name).into(), ..node.clone() }))
            .collect();
        view
    };
    let runs = json!({ "version": "8.19.0", "revision": "r", "data": "Used" });
    world.tell(0, &runs);
    world.tell(1, &runs);
    let outstanding = |world: &World, names: &[&str]| {
        plan::outstanding(&world.seen(), Some(&view(names))).unwrap_or_default()
    };
    assert!(outstanding(&world, &["a", "b"]).contains("not installed on host 'c'"));
    assert!(outstanding(&world, &["a"]).contains("on host 'b' has not joined"));
    world.tell(2, &runs);
    assert_eq!(outstanding(&world, &["a", "b", "c"]), "");
    // However well the others are.
    world.tell(2, &json!({ "staged": ["8.19.0"], "data": "Used" }));
    assert!(outstanding(&world, &["a", "b"]).contains("on host 'c' does not run"));
}

#[test]
fn what_the_spec_can_not_be_is_told_with_its_path() {
    let mut world = World::new();
    world.spec(|it| {
        let config = json!({ "path.data": "/x" });
        it["elasticsearch"]["nodeGroups"] = json!([{ "name": "all", "config": config }]);
    });
    let problem = world.seen().invalid().unwrap();
    assert_eq!(problem.reason, Reason::InvalidSpec);
    let path = "spec.elasticsearch.nodeGroups[all].config.path.data: ";
    assert!(problem.message.starts_with(path), "{}", problem.message);
    waits(
        |it| {
            let config = json!({ "path.data": "/x" });
            it.spec(|it| {
                it["elasticsearch"]["nodeGroups"] = json!([{ "name": "all", "config": config }]);
            });
        },
        "can't be worked with",
    );
}

#[tokio::test]
async fn of_two_who_make_the_same_secret_one_has_made_it_and_nobody_fails() {
    let mut world = World::new();
    world.found = Found::default();
    let (client, mut script) = api_server();
    let ctx = Context::for_tests(client);
    let (seen, plan) = (world.seen(), world.plan());
    let (done, made) = tokio::join!(apply::run(&ctx, &world.cluster, &seen, &plan), async {
        let mut made = BTreeMap::new();
        for _ in 0..2 {
            let asked = script.next().await;
            assert_eq!(asked.method, http::Method::POST);
            let name = asked.body["metadata"]["name"].as_str().unwrap().to_owned();
            made.insert(name, asked.body["data"].clone());
            asked.refuse(409, "AlreadyExists");
        }
        made
    });
    assert_eq!(done.unwrap(), None);
    // What is trusted is not made of what was not stored.
    assert_eq!(made.keys().collect::<Vec<_>>(), ["logs-admin", "logs-ca-key"]);
}

#[tokio::test]
async fn a_secret_that_drover_may_not_make_is_for_a_person_to_mend() {
    let mut world = World::new();
    world.found[0] = None;
    let (client, mut script) = api_server();
    let ctx = Context::for_tests(client);
    let (seen, plan) = (world.seen(), world.plan());
    let (done, ()) = tokio::join!(apply::run(&ctx, &world.cluster, &seen, &plan), async {
        script.next().await.refuse(403, "Forbidden");
    });
    let problem = done.unwrap().unwrap();
    assert_eq!(problem.reason, Reason::Forbidden);
    assert!(problem.message.contains("Secret 'logs-admin' may not be made"));
}
