//! What `kubectl get` shows of each kind.

use serde_json::{Value, json};

use crate::{
    common::wait::eventually,
    world::{SOON, Stage, own_elasticsearch},
};

/// The header and the only row of a table.
fn table(stage: &Stage, plural: &str, name: &str) -> Result<[Vec<String>; 2], String> {
    let text = stage.control_plane.kubectl(&["get", plural, name, "-n", &stage.namespace], "");
    let lines: Vec<Vec<String>> =
        text.lines().map(|it| it.split_whitespace().map(str::to_owned).collect()).collect();
    lines.try_into().map_err(|it| format!("{it:?}"))
}

#[tokio::test]
async fn the_columns_of_each_kind_are_these_and_hold_what_the_status_holds() {
    let server = own_elasticsearch().await;
    let stage = Stage::with("columns", &server, |it| it.flag("--stats-interval", "1s")).await;
    stage.cluster("es", &json!({ "endpoints": [stage.elasticsearch.url()] }));
    stage.cluster_until("es", "Ready", "True").await;
    let spec = json!({ "name": "columns-public", "settings": { "number_of_replicas": 0 } });
    stage.ready_index("columns", &spec).await;
    for number in 0..3 {
        let path = format!("/columns-public/_doc/{number}?refresh=true");
        server.ok("PUT", &path, Some(&json!({ "t": number }))).await;
    }
    let text = |it: &Value| it.as_str().map_or_else(|| it.to_string(), str::to_owned);
    // Figures may move between the two questions, but not for ever.
    eventually("the table of the Cluster", SOON, async || {
        let [header, row] = table(&stage, "clusters", "es")?;
        assert_eq!(header, ["NAME", "READY", "HEALTH", "NODES", "VERSION", "HOSTS", "AGE"]);
        let object = stage.control_plane.get(&stage.namespace, "cluster", "es").ok_or("gone")?;
        let health = text(&object["status"]["elasticsearch"]["health"]);
        let expected = ["es", "True", &health, "1", "8.19.0"];
        if row.len() == 6 && row[..5] == expected { Ok(()) } else { Err(format!("{row:?}")) }
    })
    .await;
    eventually("the table of the Index", SOON, async || {
        let [header, row] = table(&stage, "indices.drover.dev", "columns")?;
        assert_eq!(header, ["NAME", "READY", "HEALTH", "CLUSTER", "DOCS", "SIZE", "AGE"]);
        let object = stage.control_plane.get(&stage.namespace, "index", "columns").ok_or("gone")?;
        let bytes = text(&object["status"]["storeBytes"]);
        let expected = ["columns", "True", "green", "es", "3", &bytes];
        let some = bytes.parse::<u64>().is_ok_and(|it| 0 < it);
        if some && row.len() == 7 && row[..6] == expected {
            Ok(())
        } else {
            Err(format!("{row:?}, not {expected:?}"))
        }
    })
    .await;
    server.ok("DELETE", "/columns-public", None).await;
}
