use serde_json::{Value, json};

use super::super::{
    calls::ANSWER_LIMIT,
    error::Category,
    evidence::{Copy, CopyState, Origin, Prior},
    scripted::{Reply, Server, client, connection, json as answer},
};
use super::*;

/// What real clusters answered to these very requests: with an open index of two shards that wants
/// more replicas than there are nodes, a hidden and a closed one, Drover's protection, an exclusion
/// by name, a voting exclusion, and a snapshot on its way.
const RECORDED: [(&str, &str); 3] = [
    ("7.17.29", include_str!("recorded/7.17.json")),
    ("8.19.0", include_str!("recorded/8.19.json")),
    ("9.2.0", include_str!("recorded/9.2.json")),
];

fn recorded() -> Value {
    serde_json::from_str(RECORDED[1].1).unwrap()
}

/// Under which word the recorded files have the answer to a request.
fn part(request: &str) -> &'static str {
    let path = request.split([' ', '?']).nth(1).unwrap();
    match path {
        "/_cluster/health" => "health",
        "/_cluster/settings" => "settings",
        "/_nodes/process,http" => "processes",
        "/_nodes/stats/fs" => "disks",
        state if state.starts_with("/_cluster/state/") => "state",
        other => panic!("{other}"),
    }
}

fn give(answers: &Value, request: &str) -> Reply {
    answer(200, &answers[part(request)].to_string())
}

async fn evidence(answers: Value) -> Result<Evidence, Error> {
    let server = Server::http(move |it| give(&answers, it)).await;
    client(connection(&[&server])).evidence("me", None).await
}

fn count(evidence: &Evidence, state: CopyState) -> usize {
    evidence.copies.iter().filter(|it| it.state == state).count()
}

#[tokio::test]
async fn what_each_version_answers_is_understood() {
    for (version, text) in RECORDED {
        let answers: Value = serde_json::from_str(text).unwrap();
        let evidence = evidence(answers.clone()).await.unwrap();
        evidence.check().unwrap();
        assert_eq!(*evidence.uuid, *answers["state"]["cluster_uuid"].as_str().unwrap());
        let (id, node) = evidence.nodes.iter().find(|(_, it)| &*it.name == "n1").unwrap();
        assert_eq!((&*node.version, node.is_master_eligible()), (version, true));
        assert_eq!(
            node.process.map(i64::from),
            answers["processes"]["nodes"][&**id]["process"]["id"].as_i64()
        );
        assert_eq!(
            format!("{}:29300", node.address),
            answers["state"]["nodes"][&**id]["transport_address"].as_str().unwrap()
        );
        // Of two, or of three with one excluded, one decides.
        assert_eq!(evidence.voters.iter().collect::<Vec<_>>(), [evidence.master.as_ref().unwrap()]);
        assert_eq!(evidence.health.status, HealthStatus::Yellow);
        assert_eq!(count(&evidence, CopyState::Started), 6);
        let nowhere = evidence.copies.iter().filter(|it| it.state == CopyState::Unassigned);
        let nowhere: Vec<&Copy> = nowhere.collect();
        assert!(nowhere.iter().all(|it| &*it.index == "open" && !it.is_primary), "{nowhere:?}");
        assert!(nowhere.iter().all(|it| it.unassigned.as_deref() == Some("REPLICA_ADDED")));
        for index in [".hid", "shut"] {
            let copies = evidence.copies.iter().filter(|it| &*it.index == index);
            let copies: Vec<_> = copies.map(|it| (it.shard, it.is_primary, it.state)).collect();
            assert_eq!(copies, [(0, true, CopyState::Started)], "{index}");
        }
        assert_eq!(
            evidence.allocation,
            Allocation {
                persistent: Some("primaries".into()),
                transient: None,
                prior: Some(Prior::Unset),
                owner: Some("uid-1".into()),
            }
        );
        let expected =
            ["a voting exclusion of n2", "cluster.routing.allocation.exclude._name: nobody"];
        assert!(evidence.foreign.iter().map(|it| &**it).eq(expected), "{:?}", evidence.foreign);
        assert!(evidence.snapshots.iter().map(|it| &**it).eq(["nightly"]));
        assert!(evidence.full.is_empty(), "the cluster does not look at disks");
    }
}

#[tokio::test]
async fn a_cluster_without_any_index_has_no_copies() {
    let mut answers = recorded();
    answers["state"].as_object_mut().unwrap().remove("routing_table");
    for key in ["active_shards", "unassigned_shards"] {
        answers["health"][key] = json!(0);
    }
    let evidence = evidence(answers).await.unwrap();
    evidence.check().unwrap();
    assert!(evidence.copies.is_empty());
}

/// Removes what a JSON pointer names.
fn without(mut answers: Value, pointer: &str) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = answers.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    assert!(parent.remove(key).is_some(), "{pointer}");
    answers
}

#[tokio::test]
async fn half_an_answer_is_no_evidence() {
    let mut answers = recorded();
    let disks = "cluster.routing.allocation.disk.threshold_enabled";
    answers["settings"]["persistent"][disks] = json!("true");
    evidence(answers.clone()).await.unwrap();
    let health = answers["health"].as_object().unwrap().keys().map(|it| format!("/health/{it}"));
    let node = answers["state"]["master_node"].as_str().unwrap();
    let of_node = ["name", "ephemeral_id", "transport_address", "roles"];
    let of_node = of_node.map(|it| format!("/state/nodes/{node}/{it}"));
    let others = [
        "/state/cluster_uuid",
        "/state/nodes",
        "/state/routing_table",
        "/state/metadata",
        "/state/metadata/cluster_coordination",
        "/state/metadata/cluster_coordination/last_committed_config",
        "/state/metadata/cluster_coordination/voting_config_exclusions",
        "/state/routing_table/indices/open/shards",
        "/state/routing_table/indices/open/shards/0/1/state",
        "/state/routing_table/indices/open/shards/0/1/primary",
        "/settings/persistent",
        "/settings/transient",
        "/settings/defaults",
        "/settings/defaults/cluster.routing.allocation.disk.watermark.high",
        "/processes/nodes",
        "/disks/nodes",
    ];
    let others = others.map(str::to_owned).into_iter();
    let nodes = ["processes", "disks"].map(|it| format!("/{it}/nodes/{node}"));
    let missing: Vec<String> = health.chain(of_node).chain(others).chain(nodes).collect();
    assert_eq!(missing.len(), 8 + 4 + 16 + 2);
    for pointer in missing {
        let half = without(answers.clone(), &pointer);
        let error = evidence(half).await.unwrap_err();
        assert!(matches!(error, Error::UnexpectedAnswer { .. }), "{pointer}: {error:?}");
    }
}

#[tokio::test]
async fn whatever_part_is_refused_nothing_is_known() {
    let refusal = r#"{"error":{"type":"security_exception","reason":"no"},"status":403}"#;
    for refused in ["state", "health", "settings", "processes", "disks"] {
        for (status, body) in [(500, "{}"), (503, "{}"), (403, refusal)] {
            let answers = recorded();
            let server = Server::http(move |it| {
                if part(it) == refused { answer(status, body) } else { give(&answers, it) }
            });
            let server = server.await;
            let error = client(connection(&[&server])).evidence("me", None).await.unwrap_err();
            let is_right = (status == 403) == (error.category() == Category::Forbidden);
            assert!(is_right, "{refused} {status}: {error:?}");
        }
    }
}

#[tokio::test]
async fn answers_of_different_endpoints_are_not_mixed() {
    let answers = recorded();
    let sick = Server::http(move |it| match part(it) {
        "health" => answer(503, "{}"),
        _ => give(&answers, it),
    });
    let answers = recorded();
    let (sick, well) = (sick.await, Server::http(move |it| give(&answers, it)).await);
    let error = client(connection(&[&sick, &well])).evidence("me", None).await.unwrap_err();
    assert!(crate::chain::chain(&error).contains("another endpoint"), "{error:?}");
}

#[tokio::test]
async fn what_takes_a_master_says_how_long_it_waits_for_one() {
    let answers = recorded();
    let server = Server::http(move |it| give(&answers, it)).await;
    client(connection(&[&server])).evidence("me", None).await.unwrap();
    for request in server.requests() {
        let waits = request.lines().next().unwrap().contains("&master_timeout=2250ms");
        let takes_master = ["state", "health", "settings"].contains(&part(&request));
        assert_eq!(waits, takes_master, "{request}");
    }
    assert_eq!(server.requests().len(), 5);
}

#[tokio::test]
async fn a_table_larger_than_other_answers_may_be_is_read() {
    let mut answers = recorded();
    answers["state"]["more"] = json!("x".repeat(ANSWER_LIMIT + 1));
    evidence(answers).await.unwrap().check().unwrap();
}

#[tokio::test]
async fn a_copy_that_moves_is_counted_once() {
    let mut answers = recorded();
    answers["state"]["routing_table"]["indices"]["shut"]["shards"]["0"][0]["state"] =
        json!("RELOCATING");
    answers["health"]["relocating_shards"] = json!(1);
    let evidence = evidence(answers).await.unwrap();
    evidence.check().unwrap();
    assert_eq!(count(&evidence, CopyState::Relocating), 1);
}

#[tokio::test]
async fn shutdown_records_show_by_the_name_of_their_node() {
    for (version, text) in RECORDED {
        let mut answers: Value = serde_json::from_str(text).unwrap();
        let nodes = answers["state"]["nodes"].as_object().unwrap();
        let id = nodes.iter().find(|(_, it)| it["name"] == "n1").unwrap().0.clone();
        answers["state"]["metadata"]["cluster_coordination"]["voting_config_exclusions"] = json!([
            { "node_id": "_absent_", "node_name": "left" },
        ]);
        // As the server writes them; none of the packages here has the module that makes them.
        answers["state"]["metadata"]["node_shutdown"]["nodes"] = json!({
            id: { "type": "RESTART" },
            "gone": { "type": "REMOVE" },
        });
        let evidence = evidence(answers).await.unwrap();
        for expected in [
            "a voting exclusion of left",
            "a shutdown record (restart) of n1",
            "a shutdown record (remove) of gone",
        ] {
            let is_there = evidence.foreign.iter().any(|it| &**it == expected);
            assert!(is_there, "{version}: {expected} in {:?}", evidence.foreign);
        }
    }
}

#[tokio::test]
async fn a_record_of_drover_is_nobody_elses_and_the_api_is_asked_only_where_it_is_wanted() {
    let mut answers = recorded();
    answers["state"]["metadata"]["node_shutdown"]["nodes"] = json!({
        "n1": { "type": "RESTART", "reason": "drover uid r-1" },
        "n2": { "type": "RESTART", "reason": "by hand" },
    });
    let server = Server::http(move |it| match it.split([' ', '?']).nth(1).unwrap() {
        "/_nodes/shutdown" => answer(200, r#"{"nodes":[]}"#),
        _ => give(&answers, it),
    });
    let server = server.await;
    let client = client(connection(&[&server]));
    let asks = || server.requests().iter().any(|it| it.starts_with("GET /_nodes/shutdown "));
    let evidence = client.evidence("me", None).await.unwrap();
    assert!(evidence.shutdowns.protects("n1", "uid") && !evidence.shutdowns.protects("n2", "uid"));
    let foreign = evidence.foreign.iter().filter(|it| it.contains("shutdown"));
    assert!(foreign.map(|it| &**it).eq(["a shutdown record (restart) of n2"]));
    assert!(!asks());
    let evidence = client.evidence_with_shutdowns("me", None).await.unwrap();
    assert_eq!((evidence.shutdowns.records.len(), evidence.shutdowns.unusable), (2, None));
    assert!(asks(), "without limits that older versions refuse");
}

#[tokio::test]
async fn what_has_made_an_index_is_read_and_one_that_does_not_tell_is_the_oldest() {
    let mut answers = recorded();
    let settings = json!({ "version": { "created": "7172999" }, "verified_read_only": "true" });
    answers["state"]["metadata"]["indices"] =
        json!({ "open": { "settings": { "index": settings } } });
    let origins = evidence(answers).await.unwrap().origins;
    assert_eq!(origins["open"], Origin { version: 7_172_999, verified_read_only: true });
    for index in [".hid", "shut"] {
        assert_eq!(origins[index], Origin::default(), "{index}");
    }
}

#[tokio::test]
async fn the_tiers_that_an_index_goes_to_are_read_in_their_order() {
    let mut answers = recorded();
    let settings = |tiers: Value| {
        let include = json!({ "include": { "_tier_preference": tiers } });
        json!({ "settings": { "index": { "routing": { "allocation": include } } } })
    };
    answers["state"]["metadata"]["indices"] = json!({
        "open": settings(json!("data_warm, data_hot")),
        "shut": settings(json!("")),
        ".hid": settings(Value::Null),
    });
    let evidence = evidence(answers).await.unwrap();
    let tiers: Vec<_> = evidence.tiers.iter().map(|(index, it)| (&**index, it.join(" "))).collect();
    assert_eq!(tiers, [("open", "data_warm data_hot".to_owned())]);
}

#[tokio::test]
async fn a_restore_counts_as_a_snapshot_and_a_mounted_index_is_known() {
    let mut answers = recorded();
    answers["state"]["restore"]["snapshots"] = json!([{ "snapshot": "yesterday" }]);
    answers["state"]["metadata"]["indices"] = json!({
        "open": { "settings": { "index": { "store": { "type": "snapshot" } } } },
        "shut": { "settings": { "index": { "store": { "type": "niofs" } } } },
    });
    let evidence = evidence(answers).await.unwrap();
    assert!(evidence.snapshots.iter().map(|it| &**it).eq(["nightly", "yesterday"]));
    let is_right = |it: &Copy| it.is_mounted == (&*it.index == "open");
    assert!(evidence.copies.iter().all(is_right), "{:?}", evidence.copies);
}

#[tokio::test]
async fn nodes_are_known_by_their_address_alone_and_long_names_are_cut() {
    let mut answers = recorded();
    let master = answers["state"]["master_node"].as_str().unwrap().to_owned();
    let node = &mut answers["state"]["nodes"][&master];
    node["transport_address"] = json!("[2001:db8::1]:9300");
    node["name"] = json!(format!("a\n{}", "b".repeat(5000)));
    let evidence = evidence(answers).await.unwrap();
    let node = &evidence.nodes[&*master];
    assert_eq!(&*node.address, "2001:db8::1");
    assert_eq!(node.name.len(), crate::foreign::CAP);
    assert!(node.name.starts_with("a b"), "{}", node.name);
}

#[tokio::test]
async fn a_node_serves_once_it_tells_where() {
    let mut answers = recorded();
    let nodes = answers["processes"]["nodes"].as_object_mut().unwrap();
    let (id, node) = nodes.iter_mut().next().unwrap();
    let id = id.clone();
    node["http"] = json!({ "publish_address": "192.0.2.1:9200" });
    let evidence = evidence(answers).await.unwrap();
    let serving: Vec<&str> =
        evidence.nodes.iter().filter(|(_, it)| it.serves).map(|(id, _)| &**id).collect();
    assert_eq!(serving, [id]);
}
