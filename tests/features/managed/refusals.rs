//! What no cluster is formed over.

use drover::api::condition::find;
use serde_json::json;

use super::Stage;

#[tokio::test]
async fn data_that_nobody_knows_and_a_secret_of_somebody_else_are_left_alone() {
    let stage = Stage::new("not-formed", 1).await;
    let host = &stage.machines[0];
    host.inside("mkdir -p /var/lib/drover-elasticsearch && touch /var/lib/drover-elasticsearch/x");
    let foreign = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "es-admin" },
        "stringData": { "username": "drover", "password": "somebody's" },
    });
    stage.apply(&foreign).await;
    stage.apply_all(&stage.cluster("8.19.0", &json!({}), &json!({}))).await;
    let status = stage.until("ResolvedRefs", "False").await;
    let resolved = find(&status.conditions, "ResolvedRefs").unwrap();
    assert_eq!(resolved.reason, "NotOwned");
    assert!(resolved.message.contains("'es-admin' is somebody else's"), "{}", resolved.message);
    assert_eq!(stage.secret_text("es-admin", "password").await, "somebody's");

    stage.unmake_secret("es-admin").await;
    let status = stage.until("Accepted", "False").await;
    let accepted = find(&status.conditions, "Accepted").unwrap();
    assert_eq!(accepted.reason, "NotOwned");
    assert!(accepted.message.contains("host 'es-1' has something in"), "{}", accepted.message);
    assert!(find(&status.conditions, "Stalled").is_some_and(|it| it.status == "True"));
    assert_eq!(status.formation, None);
    host.inside("test ! -e /opt/drover/elasticsearch");
    assert_eq!(stage.archives.fetched("8.19.0"), 0);
}
