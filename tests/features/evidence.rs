//! What real Elasticsearch says before a host may go down, and the restriction that protects.

use std::{sync::Arc, time::Duration};

use drover::{
    elasticsearch::{
        calls::Write,
        client::{Client, Meter},
        cluster_reads::HealthStatus,
        connection::{Auth, Connection},
        error::Category,
        evidence::{Allocation, Copy, CopyState, Evidence, Prior},
        version::Version,
    },
    gate::WriteGate,
};
use serde_json::{Value, json};

use crate::{
    common::{
        certificates::Authority,
        elasticsearch::{Elasticsearch, Settings},
        paths::runs_here,
        wait::eventually,
    },
    world::{PASSWORD, ROLE, SOON, USER},
};

/// The role that the documentation tells people to give Drover where it rolls over hosts.
const ROLE_WITH_ROLLS: &str = include_str!("../../examples/elasticsearch/role-with-rolls.json");
/// A user with that.
const ROLLING_USER: &str = "drover-with-rolls";

struct Unmetered;

impl Meter for Unmetered {
    fn request(&self, _: &'static str, _: &'static str, _: f64) {}
}

fn client(server: &Elasticsearch, auth: Auth) -> Client {
    let connection = Connection {
        endpoints: vec![server.url().parse().unwrap()],
        auth,
        ca: server.tls().then(|| Authority::shared().pem().into_bytes()),
        fingerprint: None,
        server_name: None,
        timeout: Duration::from_secs(20),
    };
    Client::new(connection, WriteGate::always_open(), Arc::new(Unmetered)).unwrap()
}

fn user(server: &Elasticsearch, name: &str) -> Client {
    client(server, Auth::Basic { username: name.into(), password: PASSWORD.into() })
}

/// The first evidence without a contradiction of which `is_so`.
async fn evidence(client: &Client, what: &str, is_so: impl Fn(&Evidence) -> bool) -> Evidence {
    eventually(what, SOON, async || {
        let evidence = client.evidence("test", None).await.map_err(|it| format!("{it:?}"))?;
        evidence.check().map_err(|it| format!("{it:?} {evidence:?}"))?;
        let serve = evidence.nodes.values().all(|it| it.serves);
        let is_so = |it: &Evidence| serve && is_so(it);
        if is_so(&evidence) { Ok(evidence) } else { Err(format!("{evidence:?}")) }
    })
    .await
}

fn copies<'a>(evidence: &'a Evidence, index: &str) -> Vec<&'a Copy> {
    evidence.copies.iter().filter(|it| &*it.index == index).collect()
}

async fn set(server: &Elasticsearch, settings: &Value) {
    server.ok("PUT", "/_cluster/settings", Some(settings)).await;
}

#[tokio::test]
async fn one_node_of_7_17_tells_all_that_decides_and_is_protected() {
    one_node_tells_all("7.17.29").await;
}

#[tokio::test]
async fn one_node_of_8_19_tells_all_that_decides_and_is_protected() {
    one_node_tells_all("8.19.0").await;
}

#[tokio::test]
async fn one_node_of_9_2_tells_all_that_decides_and_is_protected() {
    if runs_here("9.2.0") {
        one_node_tells_all("9.2.0").await;
    }
}

async fn one_node_tells_all(version: &str) {
    let settings = Settings::new(version).name("evidence").role(USER, ROLE);
    let settings = settings.user(USER, PASSWORD, USER).role("rolls", ROLE_WITH_ROLLS);
    let server = settings.user(ROLLING_USER, PASSWORD, "rolls").start().await;
    let reader = user(&server, USER);
    green_with_every_sort_of_index(&server, &reader).await;
    what_bars_another_major_version_is_told(&server).await;
    what_others_hold_back_shows(&server, &reader).await;
    protection_comes_and_goes(&server, &reader).await;
    that_nothing_can_be_announced_is_told(&server).await;
}

/// None of the packages here has the module for node shutdown: its path is that of another API then.
async fn that_nothing_can_be_announced_is_told(server: &Elasticsearch) {
    let asked = user(server, ROLLING_USER).evidence_with_shutdowns("test", None).await.unwrap();
    assert!(asked.shutdowns.unusable.is_some(), "{:?}", asked.shutdowns);
}

async fn green_with_every_sort_of_index(server: &Elasticsearch, reader: &Client) {
    let replicas = |count: u8| json!({ "settings": { "number_of_replicas": count } });
    for index in ["open", "shut"] {
        server.ok("PUT", &format!("/{index}"), Some(&replicas(0))).await;
    }
    let hidden = json!({ "settings": { "number_of_replicas": 0, "hidden": true } });
    server.ok("PUT", "/.hidden", Some(&hidden)).await;
    server.ok("POST", "/shut/_close", None).await;
    let is_green = |it: &Evidence| it.health.status == HealthStatus::Green;
    let green = evidence(reader, "green", is_green).await;
    assert_eq!(*green.uuid, *server.uuid().await);
    let (id, node) = green.nodes.first_key_value().unwrap();
    assert_eq!(
        (&*node.name, &*node.address, &*node.version),
        ("evidence-1", "127.0.0.1", server.version())
    );
    assert_eq!(node.process, Some(server.pid(0)));
    let major: u64 = server.version().split('.').next().unwrap().parse().unwrap();
    for index in ["open", "shut", ".hidden"] {
        assert_eq!(green.origins[index].version / 1_000_000, major, "{index}");
    }
    assert!(node.is_master_eligible() && node.roles.contains("data"), "{node:?}");
    assert_eq!((green.master.as_ref(), &green.voters), (Some(id), &[id.clone()].into()));
    for index in ["open", "shut", ".hidden"] {
        let [copy] = copies(&green, index)[..] else { panic!("{index}: {green:?}") };
        assert_eq!(
            (copy.is_primary, copy.state, copy.node.as_ref()),
            (true, CopyState::Started, Some(id))
        );
    }
    assert!(green.foreign.is_empty() && green.snapshots.is_empty(), "{green:?}");
    assert_eq!((green.allocation, green.full), (Allocation::default(), [].into()));

    server.ok("PUT", "/open/_settings", Some(&json!({ "number_of_replicas": 1 }))).await;
    let yellow =
        evidence(reader, "a replica that has no place", |it| 0 < it.health.unassigned).await;
    assert_eq!(yellow.health.status, HealthStatus::Yellow);
    let replica = copies(&yellow, "open").into_iter().find(|it| !it.is_primary).unwrap();
    assert_eq!((replica.state, &replica.node), (CopyState::Unassigned, &None));
    assert_eq!(replica.unassigned.as_deref(), Some("REPLICA_ADDED"));
    server.ok("PUT", "/open/_settings", Some(&json!({ "number_of_replicas": 0 }))).await;
}

async fn what_bars_another_major_version_is_told(server: &Elasticsearch) {
    let client = user(server, ROLLING_USER);
    let running = Version::parse(server.version()).unwrap();
    let deprecations = async |next| client.evidence("test", next).await.unwrap().deprecations;
    let next = Version(running.0 + 1, 0, 0);
    assert_eq!(deprecations(Some(running)).await, None, "it is the same major version");
    let told = deprecations(Some(next)).await.expect("it was asked");
    assert_eq!(
        told,
        Ok(Vec::new()),
        "the published archive without Elastic's own plugins has no such API"
    );
}

async fn what_others_hold_back_shows(server: &Elasticsearch, reader: &Client) {
    let exclude = "cluster.routing.allocation.exclude._name";
    for place in ["persistent", "transient"] {
        set(server, &json!({ place: { exclude: ["somebody", "else"] } })).await;
        let seen = reader.evidence("test", None).await.unwrap();
        let expected = format!("{exclude}: somebody,else");
        assert!(seen.foreign.iter().map(|it| &**it).eq([expected]), "{:?}", seen.foreign);
        set(server, &json!({ place: { exclude: null } })).await;
    }
    // This machine's disk is used by more than that.
    let disk = "cluster.routing.allocation.disk";
    let marks = |low: Value, high: Value, flood: Value, is_on: Value| {
        json!({ "persistent": {
            format!("{disk}.watermark.low"): low,
            format!("{disk}.watermark.high"): high,
            format!("{disk}.watermark.flood_stage"): flood,
            format!("{disk}.threshold_enabled"): is_on,
        } })
    };
    for (high, is_full) in [("0.02%", true), ("99.999%", false)] {
        set(server, &marks(json!("0.01%"), json!(high), json!("100%"), json!(true))).await;
        let seen = reader.evidence("test", None).await.unwrap();
        assert_eq!(seen.full.iter().eq(seen.nodes.keys()), is_full, "{high}: {:?}", seen.full);
    }
    set(server, &marks(Value::Null, Value::Null, Value::Null, Value::Null)).await;
}

async fn protection_comes_and_goes(server: &Elasticsearch, reader: &Client) {
    let writer = user(server, ROLLING_USER);
    let at = writer.state_version("test").await.unwrap().endpoint;
    let persistent = async || {
        let settings = server.ok("GET", "/_cluster/settings?flat_settings=true", None).await;
        settings["persistent"].clone()
    };
    let enable = "cluster.routing.allocation.enable";
    for value in [Value::Null, json!("all"), json!("new_primaries")] {
        set(server, &json!({ "persistent": { enable: value } })).await;
        let before = persistent().await;
        let prior = reader.evidence("test", None).await.unwrap().allocation.as_prior();
        let expected = value.as_str().map_or(Prior::Unset, |it| Prior::Value(it.into()));
        assert_eq!(prior, expected);

        let protect = Write::protect(&prior, "the-uid", "test");
        let refused = reader.write_at(at, &protect).await.unwrap_err();
        assert_eq!(refused.category(), Category::Forbidden, "{refused:?}");
        writer.write_at(at, &protect).await.unwrap().acknowledged().unwrap();
        let allocation = reader.evidence("test", None).await.unwrap().allocation;
        let protected = Allocation {
            persistent: Some("primaries".into()),
            transient: None,
            prior: Some(prior.clone()),
            owner: Some("the-uid".into()),
        };
        assert_eq!(allocation, protected);
        assert_eq!(allocation.is_free(), value != json!("new_primaries"));

        let unprotect = Write::unprotect(&prior, "test");
        writer.write_at(at, &unprotect).await.unwrap().acknowledged().unwrap();
        assert_eq!(persistent().await, before);
    }
    set(server, &json!({ "persistent": { enable: null } })).await;
}

#[tokio::test]
async fn what_moves_and_who_left_is_counted_as_health_counts_it() {
    let settings = Settings::new("8.19.0").name("moving").nodes(3).heap_megabytes(256);
    let mut server = settings.without_security().start().await;
    let reader = client(&server, Auth::Anonymous);
    a_relocation_agrees_with_health(&server, &reader).await;

    let path = "/_cluster/voting_config_exclusions";
    server.ok("POST", &format!("{path}?node_names=moving-3"), None).await;
    let excluded = reader.evidence("test", None).await.unwrap();
    assert!(excluded.foreign.iter().map(|it| &**it).eq(["a voting exclusion of moving-3"]));
    let id = excluded.nodes.iter().find(|(_, it)| &*it.name == "moving-3").unwrap().0;
    assert!(!excluded.voters.contains(id), "{excluded:?}");
    server.ok("DELETE", &format!("{path}?wait_for_removal=false"), None).await;
    evidence(&reader, "all three vote", |it| it.voters.len() == 3).await;

    let everywhere = json!({ "settings": { "number_of_replicas": 2 } });
    server.ok("PUT", "/everywhere", Some(&everywhere)).await;
    let all = |it: &Evidence| it.health.status == HealthStatus::Green && it.health.active == 4;
    evidence(&reader, "a copy on each node", all).await;
    server.stop(2).await;
    let left = evidence(&reader, "a node has left", |it| it.health.delayed == 1).await;
    assert_eq!((left.nodes.len(), left.voters.len()), (2, 3));
    let mut missing = copies(&left, "everywhere").into_iter().filter(|it| !it.serves());
    let reason = missing.next().and_then(|it| it.unassigned.as_deref());
    assert_eq!((reason, missing.next()), (Some("NODE_LEFT"), None));
}

/// An index goes from the first node to the second, as its own settings want: nobody is excluded.
async fn a_relocation_agrees_with_health(server: &Elasticsearch, reader: &Client) {
    let speed =
        |value: Value| json!({ "persistent": { "indices.recovery.max_bytes_per_sec": value } });
    set(server, &speed(json!("20kb"))).await;
    let home = "index.routing.allocation.require._name";
    let index = json!({ "settings": { "number_of_replicas": 0, home: "moving-1" } });
    server.ok("PUT", "/slow", Some(&index)).await;
    // What can't be compressed takes its time.
    let text: String = (0..1_000_000).map(|_| fastrand::alphanumeric()).collect();
    let document = json!({ "text": text });
    let mapping = json!({ "properties": { "text": { "type": "keyword", "index": false, "doc_values": false } } });
    server.ok("PUT", "/slow/_mapping", Some(&mapping)).await;
    server.ok("PUT", "/slow/_doc/1?refresh=true", Some(&document)).await;
    server.ok("POST", "/slow/_flush", None).await;
    server.ok("PUT", "/slow/_settings", Some(&json!({ home: "moving-2" }))).await;
    let moving = evidence(reader, "the copy moves", |it| it.health.relocating == 1).await;
    let name = |evidence: &Evidence| {
        let [copy] = copies(evidence, "slow")[..] else { panic!("{evidence:?}") };
        (copy.state, evidence.nodes[copy.node.as_ref().unwrap()].name.clone())
    };
    assert_eq!(name(&moving), (CopyState::Relocating, "moving-1".into()));
    assert_eq!((moving.health.active, moving.health.initializing), (moving.copies.len(), 0));
    assert!(moving.foreign.is_empty(), "{:?}", moving.foreign);
    set(server, &speed(Value::Null)).await;
    let moved = evidence(reader, "the copy has moved", |it| it.health.relocating == 0).await;
    assert_eq!(name(&moved), (CopyState::Started, "moving-2".into()));
}
