//! What happens once is decided on the world as the API server itself tells it.

use super::*;
use crate::{
    controllers::cluster::{
        managed::confirm::hold_back,
        observe::Observed,
        plan::{Identity, Plan},
        tests::scene::Scene,
    },
    elasticsearch::snapshot::Snapshot,
};

/// Whether what `world` decides is so where the API server has these objects.
async fn confirmed(world: &World, cluster: &Cluster, hosts: &[Arc<Host>]) -> bool {
    let hosts = hosts.iter().map(|it| serde_json::to_value(&**it).unwrap()).collect();
    left(world, cluster, hosts).await.managed == Some(world.plan())
}

/// What is left of what `world` decides where the API server has these objects.
async fn left(world: &World, cluster: &Cluster, hosts: Vec<Value>) -> Plan {
    let (client, mut script) = api_server();
    let ctx = Context::for_tests(client);
    let managed = Some(world.plan());
    let identity = Identity::Unseen(world.plan().remembered().map(str::to_owned));
    let mut plan = Plan { step: None, identity, managed, let_go: false };
    let scene = Scene::new(Snapshot::default());
    let seen = Observed { managed: Some(world.seen()), ..scene.seen() };
    let answers = async {
        let asked = script.next().await;
        assert!(asked.target.ends_with("/namespaces/ns/clusters/logs"), "{}", asked.target);
        asked.answer(&serde_json::to_value(cluster).unwrap());
        if cluster.metadata != world.cluster.metadata {
            return;
        }
        let asked = script.next().await;
        assert!(asked.target.contains("/namespaces/ns/hosts?"), "{}", asked.target);
        asked.answer(&json!({
            "apiVersion": "drover.dev/v1alpha1", "kind": "HostList", "metadata": {},
            "items": hosts,
        }));
    };
    let (answer, ()) = tokio::join!(hold_back(&ctx, &world.cluster, &seen, &mut plan), answers);
    answer.unwrap();
    plan
}

/// The hosts of `world`, the last of which nobody can read.
fn unreadable(world: &World) -> Vec<Value> {
    let mut hosts: Vec<Value> =
        world.hosts.iter().map(|it| serde_json::to_value(&**it).unwrap()).collect();
    hosts.last_mut().unwrap()["spec"]["paused"] = json!("perhaps");
    hosts
}

#[tokio::test]
async fn a_cluster_is_formed_only_by_the_world_as_it_is_right_then() {
    let world = World::new();
    assert_eq!(world.stand(), forms("a"));
    assert!(confirmed(&world, &world.cluster, &world.hosts).await);
    let changed = |change: fn(&mut Cluster)| {
        let mut cluster = world.cluster.clone();
        change(&mut cluster);
        cluster
    };
    let later = changed(|it| it.metadata.resource_version = Some("later".into()));
    assert!(!confirmed(&world, &later, &world.hosts).await, "somebody wrote to it");
    let again = changed(|it| it.metadata.uid = Some("another".into()));
    assert!(!confirmed(&world, &again, &world.hosts).await, "it was made again");
    let mut now = World::new();
    now.tell(2, &json!({ "data": "Used" }));
    assert!(!confirmed(&world, &world.cluster, &now.hosts).await, "a host has data by now");
    now.tell(2, &json!({ "data": "Used", "clusterUuid": "known" }));
    assert!(!confirmed(&world, &world.cluster, &now.hosts).await, "and knows of which cluster");
    assert!(!confirmed(&world, &world.cluster, &world.hosts[1..]).await, "it is gone");
}

#[tokio::test]
async fn what_signs_is_not_made_where_a_host_is_a_member_by_now() {
    let mut world = World::new();
    world.found = Found::default();
    assert_eq!(world.plan().make, [Kind::Admin, Kind::AuthorityKey]);
    assert!(confirmed(&world, &world.cluster, &world.hosts).await);
    let mut now = World::new();
    now.tell(1, &json!({ "data": "Used", "version": "8.19.0", "revision": "r" }));
    assert!(!confirmed(&world, &world.cluster, &now.hosts).await);
}

#[tokio::test]
async fn nobody_is_asked_where_nothing_happens_that_happens_once() {
    let mut world = World::new();
    world.turn();
    assert_eq!(world.stand(), Stand::Forming);
    let (client, script) = api_server();
    drop(script);
    let managed = Some(world.plan());
    let identity = Identity::Unseen(None);
    let mut plan = Plan { step: None, identity, managed, let_go: false };
    let scene = Scene::new(Snapshot::default());
    let seen = Observed { managed: Some(world.seen()), ..scene.seen() };
    let ctx = Context::for_tests(client);
    hold_back(&ctx, &world.cluster, &seen, &mut plan).await.unwrap();
    assert_eq!(plan.managed, Some(world.plan()));
}

#[tokio::test]
async fn what_is_not_so_holds_back_what_happens_once_and_nothing_else() {
    let world = World::new();
    let mut secrets = World::new();
    secrets.found = Found::default();
    let mut remembers = World::new();
    remembers.tell(2, &json!({ "data": "Used", "clusterUuid": "old" }));
    assert_eq!(remembers.stand(), Stand::Remembered("old".into()));
    let mut notes = World::new();
    notes.pin("own");
    notes.tell(2, &json!({ "data": "Used", "clusterUuid": "own" }));
    assert!(notes.plan().note.is_some());
    for world in [world, secrets, remembers, notes] {
        assert!(world.plan().is_momentous());
        let plan = left(&world, &world.cluster, unreadable(&world)).await;
        assert_eq!(plan.identity.pinned(), None, "nothing is pinned either");
        let managed = plan.managed.unwrap();
        assert!(!managed.is_momentous() && !managed.is_settled());
        assert!(managed.waits_for().contains("a Host that names the Cluster can't be read"));
    }
}

#[tokio::test]
async fn what_is_refused_stays_refused_though_nobody_can_tell_whether_it_is_so() {
    let mut world = World::new();
    world.found = Found::default();
    world.tell(1, &json!({ "data": "Used", "clusterUuid": "one" }));
    world.tell(2, &json!({ "data": "Used", "clusterUuid": "other" }));
    assert!(world.plan().refused().is_some() && world.plan().is_momentous());
    let managed = left(&world, &world.cluster, unreadable(&world)).await.managed.unwrap();
    assert_eq!(managed.refused(), world.plan().refused());
    assert!(managed.make.is_empty());
}
