use super::*;
use crate::elasticsearch::connection::{Auth, Connection};
use crate::elasticsearch::scripted::{Reply, Server, client, connection, json, with_headers};

const ROOT: &str = r#"{"name":"n1","cluster_name":"es","cluster_uuid":"Hgl-iWE4SLq-bjdItHc5yA",
    "version":{"number":"8.19.0","build_flavor":"default","build_type":"zip","build_snapshot":false,
    "lucene_version":"9.12.2"},"tagline":"You Know, for Search"}"#;

/// A client of a server that gives every request the same answer.
async fn answering(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Server, Client) {
    let server = Server::http(reply).await;
    let client = client(connection(&[&server]));
    (server, client)
}

fn path(server: &Server) -> String {
    let requests = server.requests();
    requests[0].split(' ').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn elasticsearch_is_known_by_its_root() {
    let (server, client) = answering(|_| json(200, ROOT)).await;
    let root = client.root("me").await.unwrap();
    assert_eq!(path(&server), "/");
    assert_eq!(
        root,
        Root {
            node: "n1".into(),
            cluster_name: "es".into(),
            cluster_uuid: Some("Hgl-iWE4SLq-bjdItHc5yA".into()),
            version: Version(8, 19, 0),
        }
    );
}

#[tokio::test]
async fn a_cluster_that_has_not_formed_has_no_identity() {
    let body = ROOT.replace("Hgl-iWE4SLq-bjdItHc5yA", "_na_");
    let (_server, client) = answering(move |_| json(200, &body)).await;
    assert_eq!(client.root("me").await.unwrap().cluster_uuid, None);
}

#[tokio::test]
async fn a_server_that_sends_the_credentials_back_shows_none() {
    let echoing = async |part: &str| {
        let body = ROOT.replace(part, "s3cret-pa55word");
        let server = Server::http(move |_| json(200, &body)).await;
        let auth = Auth::Bearer("s3cret-pa55word".into());
        let client = client(Connection { auth, ..connection(&[&server]) });
        client.root("me").await.unwrap_err()
    };
    for part in ["Hgl-iWE4SLq-bjdItHc5yA", "8.19.0"] {
        let error = echoing(part).await;
        assert!(
            !format!("{error:?} {}", crate::chain::chain(&error)).contains("s3cret"),
            "{error:?}"
        );
    }
    let body =
        ROOT.replace(r#"number":"8.19.0""#, r#"distribution":"s3cret-pa55word","number":"1""#);
    let server = Server::http(move |_| json(200, &body)).await;
    let auth = Auth::Bearer("s3cret-pa55word".into());
    let client = client(Connection { auth, ..connection(&[&server]) });
    let error = client.root("me").await.unwrap_err();
    let expected = "it says that it is [redacted] 1";
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[tokio::test]
async fn another_product_is_said_to_be_another() {
    let plain =
        |body: String| move |_: &str| with_headers(200, "content-type: application/json", &body);
    let open_search =
        ROOT.replace(r#""number":"8.19.0""#, r#""distribution":"opensearch","number":"2.11.0""#);
    let cases = [
        (open_search, "it says that it is opensearch 2.11.0"),
        (r#"{"couchdb":"Welcome","version":"3.3"}"#.into(), "its answer to GET / names no version"),
        (r#"{"couchdb":"Welcome"}"#.into(), "its answer to GET / names no version"),
        (ROOT.into(), "it says 8.19.0, but without the header x-elastic-product"),
        (
            ROOT.replace("You Know, for Search", "Other"),
            "its answer to GET / lacks the words that Elasticsearch says there",
        ),
    ];
    for (body, expected) in cases {
        let (_server, client) = answering(plain(body)).await;
        let error = client.root("me").await.unwrap_err();
        let Error::NotElasticsearch { what, .. } = error else { panic!("{error:?}") };
        assert_eq!(&*what, expected);
    }
}

#[tokio::test]
async fn versions_from_before_the_header_are_elasticsearch_too() {
    let body = ROOT.replace("8.19.0", "6.8.23");
    let reply = move |_: &str| with_headers(200, "content-type: application/json", &body);
    let (_server, client) = answering(reply).await;
    assert_eq!(client.root("me").await.unwrap().version, Version(6, 8, 23));
}

#[tokio::test]
async fn the_state_version_comes_with_the_identity_of_the_cluster() {
    let body = r#"{"cluster_name":"es","cluster_uuid":"Hgl","version":23,"state_uuid":"Skj","master_node":"Bsi"}"#;
    let (server, client) = answering(move |_| json(200, body)).await;
    let state = client.state_version("me").await.unwrap();
    assert_eq!(path(&server), "/_cluster/state/version,master_node?master_timeout=2250ms");
    assert_eq!((&*state.cluster_uuid, &*state.state_uuid, state.version), ("Hgl", "Skj", 23));
    assert_eq!(state.master.as_deref(), Some("Bsi"));
}

#[tokio::test]
async fn health_is_read_for_the_cluster_and_every_index() {
    let body = r#"{"status":"yellow","number_of_nodes":3,"number_of_data_nodes":2,
        "active_primary_shards":4,"active_shards":5,"relocating_shards":1,"initializing_shards":2,
        "unassigned_shards":3,"number_of_pending_tasks":6,"number_of_in_flight_fetch":0,
        "active_shards_percent_as_number":62.5,"indices":{
        "größe":{"status":"green","number_of_shards":1,"number_of_replicas":0},
        "a.b":{"status":"beige","number_of_shards":2,"number_of_replicas":1}}}"#;
    let (_server, client) = answering(move |_| json(200, body)).await;
    let health = client.health("me").await.unwrap();
    assert_eq!((health.status, health.nodes, health.data_nodes), (HealthStatus::Yellow, 3, 2));
    assert_eq!((health.active, health.primaries, health.relocating), (5, 4, 1));
    assert_eq!((health.initializing, health.unassigned, health.pending_tasks), (2, 3, 6));
    assert!((health.active_percent - 62.5).abs() < f64::EPSILON);
    let index = |status, primaries, replicas| IndexHealth { status, primaries, replicas };
    assert_eq!(health.indices["größe"], index(HealthStatus::Green, 1, 0));
    assert_eq!(health.indices["a.b"], index(HealthStatus::Unknown, 2, 1));
}

#[tokio::test]
async fn nodes_are_read_with_their_figures() {
    let info = r#"{"nodes":{"BsidmKhc":{"name":"n1","host":"127.0.0.1","version":"8.19.0","roles":["data","master"]}}}"#;
    let stats = r#"{"nodes":{"BsidmKhc":{"jvm":{"mem":{"heap_used_percent":9}},
        "fs":{"total":{"total_in_bytes":1000,"available_in_bytes":274}}},"other":{}}}"#;
    let reply = |it: &str| json(200, if it.contains("/stats/") { stats } else { info });
    let (_server, client) = answering(reply).await;
    let nodes = client.nodes("me").await.unwrap();
    assert_eq!(
        nodes["BsidmKhc"],
        Node {
            name: "n1".into(),
            host: "127.0.0.1".into(),
            roles: vec!["data".into(), "master".into()],
            version: "8.19.0".into(),
        }
    );
    let stats = client.node_stats("me").await.unwrap();
    let expected = NodeStats { heap_percent: Some(9), disk_used_percent: Some(72) };
    assert_eq!((stats["BsidmKhc"], stats["other"]), (expected, NodeStats::default()));
}

#[tokio::test]
async fn the_figures_of_a_cluster_are_read_and_may_be_absent() {
    let body = r#"{"indices":{"count":4,"docs":{"count":7},"store":{"size_in_bytes":930}}}"#;
    let (_server, client) = answering(move |_| json(200, body)).await;
    let expected = ClusterStats { documents: 7, store_bytes: 930 };
    assert_eq!(client.cluster_stats("me").await.unwrap(), expected);
    let (_server, client) = answering(|_| json(200, "{}")).await;
    assert_eq!(client.cluster_stats("me").await.unwrap(), ClusterStats::default());
}
