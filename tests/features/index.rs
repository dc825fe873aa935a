//! An Index keeps one Elasticsearch index as declared.

use serde_json::json;

use crate::world::{Stage, elasticsearch};

#[tokio::test]
async fn an_index_goes_from_apply_to_ready_with_settings_mappings_and_aliases() {
    let server = elasticsearch("8.19.0").await;
    let stage = Stage::new("index", server).await;
    stage.connect().await;
    stage.index(
        "first",
        &json!({
            "settings": { "number_of_replicas": 0, "index.refresh_interval": "5s" },
            "mappings": { "properties": { "title": { "type": "text" } } },
            "aliases": { "first-alias": {} },
        }),
    );
    let index = stage.index_until("first", "Ready", "True").await;
    let live = server.index("first").await.unwrap();
    assert_eq!(live["settings"]["index"]["refresh_interval"], "5s");
    assert_eq!(live["mappings"]["properties"]["title"]["type"], "text");
    assert_eq!(live["aliases"]["first-alias"], json!({}));
    let mark = &live["mappings"]["_meta"]["drover"];
    assert_eq!(mark["uid"].as_str(), index.metadata.uid.as_deref());
    assert_eq!(index.status.unwrap().uuid.as_deref(), live["settings"]["index"]["uuid"].as_str());
}
