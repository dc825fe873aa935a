//! What was begun before, and may have formed a cluster that nobody has heard of yet.

use super::*;
use crate::controllers::deployment;

/// A cluster is to be formed by the first host, on which this was seen since.
fn forming(deployed: &Value) -> World {
    let mut world = World::new();
    world.turn();
    assert_eq!(world.formation(), Some("a"));
    world.tell(0, deployed);
    world
}

#[test]
fn what_is_remembered_is_not_taken_up_where_another_cluster_may_have_been_formed_by_then() {
    let remembered = json!({ "data": "Used", "clusterUuid": "old" });
    for begun in [
        json!({ "staged": ["8.19.0"], "data": "Empty" }),
        json!({ "staged": ["8.19.0"], "data": "Used", "version": "8.19.0", "revision": "r" }),
        json!({ "data": "Unknown" }),
    ] {
        let mut world = forming(&begun);
        world.tell(2, &remembered);
        let Stand::Refused(problem) = world.stand() else { panic!("{:?}", world.stand()) };
        let words = "host 'a' is on record to form the cluster, and may have, and another one is \
                     remembered: old (host 'c')";
        assert!(problem.message.starts_with(words), "{}", problem.message);
        world.tell(2, &json!({ "data": "Empty" }));
        assert_eq!(world.stand(), Stand::Forming, "it went away");
        world.remember(Kind::Admin, "old");
        assert!(matches!(world.stand(), Stand::Refused(_)));
    }
    // Where nothing was begun nothing is formed from now on.
    let mut world = forming(&json!({ "data": "Empty" }));
    world.tell(2, &remembered);
    assert_eq!(world.stand(), Stand::Remembered("old".into()));
    let mut world = forming(&remembered);
    world.remember(Kind::Admin, "old");
    assert_eq!(world.stand(), Stand::Remembered("old".into()), "it tells so itself");
}

#[test]
fn what_is_remembered_is_not_taken_up_while_elasticsearch_comes_to_the_host_that_forms_another() {
    let mut world = forming(&json!({ "data": "Empty" }));
    world.host(0, |it| it["status"]["operation"] = installing());
    world.tell(2, &json!({ "data": "Used", "clusterUuid": "old" }));
    assert!(matches!(world.stand(), Stand::Refused(_)), "{:?}", world.stand());
}

fn installing() -> Value {
    json!({
        "runId": "install-1", "kind": "InstallElasticsearch", "step": "Fetch", "attempt": 1,
        "startedAt": "2026-01-02T03:04:05Z",
    })
}

#[test]
fn where_elasticsearch_came_to_a_host_in_an_earlier_life_of_the_object_no_other_host_forms_a_cluster()
 {
    let staged = json!({ "staged": ["8.19.0"], "data": "Empty" });
    let mut world = World::new();
    world.tell(1, &staged);
    assert_eq!(world.stand(), forms("b"), "what may be starting there forms the same one");
    world.tell(2, &staged);
    let Stand::Refused(problem) = world.stand() else { panic!("{:?}", world.stand()) };
    assert!(problem.message.contains("came to the hosts 'b', 'c' before"), "{}", problem.message);
    let mut world = World::new();
    world.host(2, |it| it["status"]["operation"] = installing());
    assert_eq!(world.stand(), forms("c"));
    let groups = json!([
        { "name": "data", "hostSelector": { "matchLabels": { "is": "data" } }, "roles": ["data"] },
        { "name": "rest" },
    ]);
    world.spec(|it| it["elasticsearch"]["nodeGroups"] = groups);
    world.host(2, |it| it["metadata"]["labels"] = json!({ "is": "data" }));
    assert!(matches!(world.stand(), Stand::Refused(_)), "it may not form one by now");
}

#[test]
fn a_host_that_forms_another_cluster_is_left_to_that_one_whichever_it_names_by_now() {
    let mut world = World::new();
    world.turn();
    let mut other = world.cluster.clone();
    other.metadata.name = Some("other".into());
    other.metadata.uid = Some("uid-other".into());
    world.cluster.status = None;
    let others = deployment::others_among(&world.cluster, [Arc::new(other)]);
    let stand = |world: &World| {
        let (found, hosts) = (world.found.clone(), world.hosts.clone());
        let seen = Seen::among(others.clone(), &world.cluster, found, hosts);
        (plan::next(&world.cluster, &seen).stand, seen.is_in_use(&world.cluster))
    };
    let runs = json!({ "data": "Used", "version": "8.19.0", "revision": "r" });
    for deployed in [json!({ "data": "Empty" }), runs] {
        world.tell(0, &deployed);
        let (Stand::Refused(problem), false) = stand(&world) else { panic!("{:?}", stand(&world)) };
        let words = "host 'a' forms the cluster of Cluster ns/other";
        assert!(problem.message.starts_with(words), "{}", problem.message);
        let why = deployment::not_owned(&world.cluster, &world.hosts[0], &others).unwrap();
        assert!(why.contains("forms the cluster of Cluster ns/other"), "{why}");
    }
    world.hosts.remove(0);
    assert_eq!(stand(&world), (forms("b"), false));
}
