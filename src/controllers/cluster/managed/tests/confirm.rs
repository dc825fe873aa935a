//! What happens once is decided on the world as the API server itself tells it.

use super::*;
use crate::{
    controllers::cluster::{
        managed::confirm::is_so,
        observe::Observed,
        plan::{Identity, Plan},
        tests::scene::Scene,
    },
    elasticsearch::snapshot::Snapshot,
};

/// Whether what `world` decides is so where the API server has these objects.
async fn confirmed(world: &World, cluster: &Cluster, hosts: &[Arc<Host>]) -> bool {
    let (client, mut script) = api_server();
    let ctx = Context::for_tests(client);
    let managed = Some(world.plan());
    let plan = Plan { step: None, identity: Identity::Unseen(None), managed, let_go: false };
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
            "items": hosts.iter().map(|it| serde_json::to_value(&**it).unwrap()).collect::<Vec<_>>(),
        }));
    };
    let (answer, ()) = tokio::join!(is_so(&ctx, &world.cluster, &seen, &plan), answers);
    answer.unwrap()
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
    let plan = Plan { step: None, identity: Identity::Unseen(None), managed, let_go: false };
    let scene = Scene::new(Snapshot::default());
    let seen = Observed { managed: Some(world.seen()), ..scene.seen() };
    assert!(is_so(&Context::for_tests(client), &world.cluster, &seen, &plan).await.unwrap());
}
