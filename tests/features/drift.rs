//! What somebody else changes in an index is seen, told, and put back or left, as the object says.

use std::time::Instant;

use serde_json::{Value, json};

use crate::{
    common::proxy::{Entry, lines},
    world::{Stage, calls, elasticsearch, get},
};

/// The drift that a status lists at a path: desired and live, as they are quoted.
fn listed(status: &Value, path: &str) -> Option<(Value, Value)> {
    let entries = status["drift"].as_array()?;
    let entry = entries.iter().find(|it| it["path"] == path)?;
    Some((entry["desired"].clone(), entry["live"].clone()))
}

#[tokio::test]
async fn every_change_by_hand_is_told_and_put_back() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("drift", server).await;
    stage.connect().await;
    let spec = json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "5s" },
        "mappings": { "_meta": { "team": "search" }, "properties": { "t": { "type": "text" } } },
        "aliases": { "drift-alias": {} },
    });
    stage.ready_index("drifts", &spec).await;
    stage.rest().await;
    let before = server.index("drifts").await.unwrap();
    let remove =
        json!({ "actions": [{ "remove": { "index": "drifts", "alias": "drift-alias" } }] });
    let hands = [
        (
            "PUT",
            "/drifts/_settings",
            json!({ "index.refresh_interval": "1h" }),
            "settings.index.refresh_interval",
            json!("\"5s\""),
            json!("\"1h\""),
        ),
        (
            "PUT",
            "/drifts/_mapping",
            json!({ "_meta": { "team": "search" } }),
            "mappings._meta.drover",
            json!("\"the owner mark\""),
            Value::Null,
        ),
        ("POST", "/_aliases", remove, "aliases.drift-alias", json!("{}"), Value::Null),
        ("POST", "/drifts/_close", Value::Null, "state", json!("\"Open\""), json!("\"Closed\"")),
    ];
    for (method, path, body, at, desired, live) in hands {
        let told = stage.index_statuses("drifts").len();
        let body = Some(body).filter(|it| !it.is_null());
        server.ok(method, path, body.as_ref()).await;
        stage
            .index_when("drifts", &format!("{at} is put back"), |index| {
                let drifted = |it: &&Value| listed(it, at).is_some();
                let statuses = stage.index_statuses("drifts").split_off(told);
                let Some(status) = statuses.iter().find(drifted) else {
                    return Err(format!("not told yet: {statuses:#?}"));
                };
                assert_eq!(listed(status, at), Some((desired.clone(), live.clone())));
                let status = index.status.as_ref().ok_or("no status")?;
                let ready = get(&status.conditions, "Ready").status == "True";
                let gone =
                    status.drift.is_empty() && get(&status.conditions, "Drifted").status == "False";
                if ready && gone { Ok(()) } else { Err(format!("{:#?}", status.conditions)) }
            })
            .await;
        stage.rest().await;
        let mut now = server.index("drifts").await.unwrap();
        // Elasticsearch itself notes in the settings that it was closed once.
        now["settings"]["index"].as_object_mut().unwrap().remove("verified_before_close");
        let mut then = before.clone();
        then["settings"]["index"].as_object_mut().unwrap().remove("verified_before_close");
        assert_eq!(now, then);
    }
    let note = stage.event("drifts", "DriftFound").await;
    assert!(note.contains("drifts"), "{note}");
    stage.event("drifts", "DriftCorrected").await;
}

#[tokio::test]
async fn a_change_by_hand_is_told_within_one_poll() {
    let server = elasticsearch("8.19.0").await;
    // Slower than a reconcile on a busy machine, so that the polls can be told apart by it.
    let stage = Stage::with("seen", server, |it| it.flag("--poll-interval", "3s")).await;
    stage.connect().await;
    let spec = json!({
        "settings": { "number_of_replicas": 0, "refresh_interval": "5s" },
        "driftPolicy": "Report",
    });
    stage.ready_index("seen", &spec).await;
    stage.polls(2).await;
    let settings = json!({ "index.refresh_interval": "1h" });
    server.ok("PUT", "/seen/_settings", Some(&settings)).await;
    let changed = Instant::now();
    stage.index_until("seen", "Drifted", "True").await;
    let is_told = |it: &Entry| {
        it.method == "PATCH"
            && it.path.ends_with("/indices/seen/status")
            && listed(&it.json()["status"], "settings.index.refresh_interval").is_some()
    };
    let told = stage.kubernetes.ledger().find(is_told).first().expect("it was told").at;
    let polls = stage.elasticsearch.ledger().find(|it| {
        it.path == "/_cluster/state/version,master_node" && changed < it.at && it.at < told
    });
    // One that was answered before the change may have been entered after it.
    assert!(polls.len() <= 2, "told only after\n{}", lines(&polls));
}

#[tokio::test]
async fn what_the_spec_does_not_speak_of_is_no_drift() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("no-drift", server).await;
    stage.connect().await;
    stage.ready_index("free", &json!({ "settings": { "number_of_replicas": 0 } })).await;
    stage.rest().await;
    let made = stage.index_writes("free").len();
    let settings = json!({ "index.refresh_interval": "1h" });
    server.ok("PUT", "/free/_settings", Some(&settings)).await;
    let properties = json!({ "properties": { "by_hand": { "type": "keyword" } } });
    server.ok("PUT", "/free/_mapping", Some(&properties)).await;
    server.ok("PUT", "/free/_alias/free-alias", Some(&json!({}))).await;
    stage.polls(3).await;
    let index = stage.index_until("free", "Ready", "True").await;
    assert!(index.status.unwrap().drift.is_empty());
    assert_eq!(stage.index_writes("free").len(), made);
    assert_eq!(server.index("free").await.unwrap()["settings"]["index"]["refresh_interval"], "1h");
}

#[tokio::test]
async fn drift_policy_report_tells_and_touches_nothing() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("report", server).await;
    stage.connect().await;
    let spec = |interval: &str| {
        json!({
            "settings": { "number_of_replicas": 0, "refresh_interval": interval },
            "mappings": { "properties": { "t": { "type": "text" } } },
            "aliases": { "report-alias": {} },
            "driftPolicy": "Report",
        })
    };
    stage.ready_index("reported", &spec("5s")).await;
    stage.rest().await;
    let made = stage.index_writes("reported").len();
    let settings = json!({ "index.refresh_interval": "1h" });
    server.ok("PUT", "/reported/_settings", Some(&settings)).await;
    server.ok("DELETE", "/reported/_alias/report-alias", None).await;
    server.ok("PUT", "/reported/_mapping", Some(&json!({ "_meta": {} }))).await;
    let paths =
        ["aliases.report-alias", "mappings._meta.drover", "settings.index.refresh_interval"];
    let index = stage
        .index_when("reported", "all drift is listed", |index| {
            let drift = index.status.as_ref().map(|it| it.drift.clone()).unwrap_or_default();
            let found: Vec<&str> = drift.iter().map(|it| it.path.as_str()).collect();
            if found == paths { Ok(()) } else { Err(format!("{drift:#?}")) }
        })
        .await;
    let status = index.status.unwrap();
    let entry = status.drift.iter().find(|it| it.path == paths[2]).unwrap();
    assert_eq!((entry.desired.as_deref(), entry.live.as_deref()), (Some("\"5s\""), Some("\"1h\"")));
    assert_eq!(get(&status.conditions, "Drifted").status, "True");
    stage.event("reported", "DriftFound").await;
    // It stays so, also beside the next spec, whose own change is made.
    stage.rest().await;
    assert_eq!(calls(&stage.index_writes("reported")[made..]), [""; 0]);
    let with_window = {
        let mut spec = spec("5s");
        spec["settings"]["max_result_window"] = json!(20000);
        spec
    };
    stage.index("reported", &with_window);
    stage.index_until("reported", "Synced", "True").await;
    stage.rest().await;
    let live = server.index("reported").await.unwrap();
    assert_eq!(live["settings"]["index"]["max_result_window"], "20000");
    assert_eq!(live["settings"]["index"]["refresh_interval"], "1h");
    assert_eq!(live["aliases"], json!({}));
    // Enforce ends it.
    let mut enforced = with_window;
    enforced["driftPolicy"] = json!("Enforce");
    stage.ready_index("reported", &enforced).await;
    stage.rest().await;
    let live = server.index("reported").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "5s");
    assert_eq!(live["aliases"], json!({ "report-alias": {} }));
    assert!(live["mappings"]["_meta"]["drover"].is_object());
}

#[tokio::test]
async fn mode_plan_publishes_the_exact_calls_and_makes_none() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("plan", server).await;
    stage.connect().await;
    let spec = |mode: &str, interval: &str| {
        json!({
            "settings": { "number_of_replicas": 0, "refresh_interval": interval },
            "mode": mode,
        })
    };
    stage.index("planned", &spec("Plan", "5s"));
    let message = stage.index_reason("planned", "Ready", "PlanOnly").await;
    assert!(message.contains("status.plan"), "{message}");
    let planned = async || {
        let index = stage.indices().get("planned").await.unwrap();
        let plan = index.status.unwrap().plan;
        let call = |it: &drover::api::index::PlannedCall| {
            let body = it.body.as_deref().map(|it| serde_json::from_str::<Value>(it).unwrap());
            (format!("{} {}", it.method, it.path), body.unwrap_or_default())
        };
        plan.iter().map(call).collect::<Vec<_>>()
    };
    stage.rest().await;
    let create = planned().await;
    assert_eq!(create.len(), 1, "{create:?}");
    assert_eq!(create[0].0, "PUT /planned");
    assert_eq!(calls(&stage.index_writes("planned")), [""; 0]);
    assert!(server.index("planned").await.is_none());
    stage.ready_index("planned", &spec("Apply", "5s")).await;
    let made = stage.index_writes("planned");
    assert_eq!(calls(&made), ["PUT /planned"]);
    assert_eq!(made[0].json(), create[0].1, "what was planned is what was done");
    assert!(planned().await.is_empty());
    // A change of the spec, and a change by hand.
    stage.index("planned", &spec("Plan", "7s"));
    stage.index_reason("planned", "Synced", "PlanOnly").await;
    let change = json!({ "index.refresh_interval": "7s" });
    assert_eq!(planned().await, [("PUT /planned/_settings".to_owned(), change)]);
    stage.index("planned", &spec("Plan", "5s"));
    stage.index_until("planned", "Ready", "True").await;
    server.ok("POST", "/planned/_close", None).await;
    stage.index_reason("planned", "Ready", "PlanOnly").await;
    assert_eq!(planned().await, [("POST /planned/_open".to_owned(), Value::Null)]);
    stage.rest().await;
    assert_eq!(stage.index_writes("planned").len(), 1);
}
