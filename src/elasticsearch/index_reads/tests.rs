use super::*;
use crate::elasticsearch::scripted::{Reply, Server, client, connection, json};

/// As 8.19 answers.
const STATE: &str = r#"{"cluster_uuid":"Hgl","metadata":{"indices":{
    "a.größe":{"mapping_version":2,"settings_version":5,"aliases_version":3,"state":"open",
        "settings":{"index":{"uuid":"sXp"}},"aliases":["one","two"]},
    "closed":{"mapping_version":1,"settings_version":2,"aliases_version":1,"state":"close",
        "settings":{"index":{"uuid":"4q8"}},"aliases":[]}}}}"#;

async fn answering(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> (Server, Client) {
    let server = Server::http(reply).await;
    let client = client(connection(&[&server]));
    (server, client)
}

/// The names that a request asks for.
fn names(request: &str) -> Vec<String> {
    let path = request.split([' ', '?']).nth(1).unwrap();
    path.rsplit('/').next().unwrap().split(',').map(Into::into).collect()
}

fn many() -> Vec<String> {
    (0..400).map(|it| format!("index-{it:04}")).collect()
}

#[tokio::test]
async fn marks_are_read_by_physical_name() {
    let (server, client) = answering(|_| json(200, STATE)).await;
    let names = ["a.größe", "closed", "missing", "*"];
    let marks = client.index_marks(&names, "me").await.unwrap().unwrap();
    let request = &server.requests()[0];
    let start =
        "GET /_cluster/state/metadata/a.gr%C3%B6%C3%9Fe,closed,missing?ignore_unavailable=true&";
    assert!(request.starts_with(start), "{request}");
    assert_eq!(marks.cluster_uuid, "Hgl");
    assert_eq!(marks.indices.len(), 2);
    assert_eq!(
        marks.indices["a.größe"],
        IndexMarks {
            uuid: "sXp".into(),
            state: IndexState::Open,
            settings_version: 5,
            mapping_version: 2,
            aliases_version: 3,
            aliases: vec!["one".into(), "two".into()],
        }
    );
    assert_eq!(marks.indices["closed"].state, IndexState::Closed);
}

#[tokio::test]
async fn no_names_are_no_request() {
    let (server, client) = answering(|_| json(200, STATE)).await;
    assert_eq!(client.index_marks(&[], "me").await.unwrap(), None);
    assert!(client.indices(&["*", "_all"], "me").await.unwrap().indices.is_empty());
    assert_eq!(server.accepted(), 0);
}

#[tokio::test]
async fn names_that_nobody_has_are_absent() {
    let (_server, client) = answering(|_| json(200, r#"{"cluster_uuid":"Hgl"}"#)).await;
    let marks = client.index_marks(&["missing"], "me").await.unwrap().unwrap();
    assert!(marks.indices.is_empty());
    let guard = client.guard(&OneIndex::new("missing").unwrap(), "me").await.unwrap();
    assert_eq!(guard, marks);
}

#[tokio::test]
async fn many_names_take_several_requests() {
    let (server, client) = answering(|_| json(200, STATE)).await;
    let all = many();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    client.index_marks(&all, "me").await.unwrap();
    let asked: Vec<_> = server.requests().iter().flat_map(|it| names(it)).collect();
    assert_eq!(asked, all);
    assert_eq!(server.requests().len(), 2);
    assert!(server.requests().iter().all(|it| it.find("\r\n").unwrap() < 4096));
}

#[tokio::test]
async fn endpoints_of_different_clusters_are_not_mixed() {
    let reply = |it: &str| match &*names(it)[0] {
        "index-0000" => json(200, r#"{"cluster_uuid":"one"}"#),
        _ => json(200, r#"{"cluster_uuid":"other"}"#),
    };
    let (_server, client) = answering(reply).await;
    let all = many();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let error = client.index_marks(&all, "me").await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn the_parts_of_an_index_stay_the_text_that_came() {
    let body = r#"{"a":{"aliases":{"x":{}},"mappings":{"properties":{"n":{"type":"long"}}},"settings":{"index.number_of_replicas":"0"}},"b":{}}"#;
    let (server, client) = answering(move |_| json(200, body)).await;
    let indices = client.indices(&["a", "b"], "me").await.unwrap().indices;
    let line = "GET /a,b?flat_settings=true&ignore_unavailable=true&allow_no_indices=true&\
                master_timeout=2250ms HTTP/1.1\r\n";
    assert!(server.requests()[0].starts_with(line), "{:?}", server.requests());
    assert_eq!(indices["a"].settings.get(), r#"{"index.number_of_replicas":"0"}"#);
    assert_eq!(indices["a"].mappings.get(), r#"{"properties":{"n":{"type":"long"}}}"#);
    assert_eq!(indices["a"].aliases.get(), r#"{"x":{}}"#);
    assert_eq!(indices["b"].mappings.get(), "{}");
}

#[tokio::test]
async fn indices_that_are_too_large_together_are_read_in_halves() {
    let reply = |it: &str| match names(it) {
        one if one.len() == 1 => json(200, &format!(r#"{{"{}":{{}}}}"#, one[0])),
        _ => Reply::Stream(usize::MAX),
    };
    let (_server, client) = answering(reply).await;
    let found = client.indices(&["a", "b", "c"], "me").await.unwrap();
    assert!(found.indices.keys().eq(["a", "b", "c"]), "{found:?}");
    assert!(found.too_large.is_empty());
}

#[tokio::test]
async fn one_index_that_is_too_large_is_told_and_keeps_back_no_other() {
    let reply = |it: &str| match names(it) {
        asked if asked.iter().any(|it| it == "index-0333") => Reply::Stream(usize::MAX),
        asked => {
            let bodies: Vec<_> = asked.iter().map(|it| format!(r#""{it}":{{}}"#)).collect();
            json(200, &format!("{{{}}}", bodies.join(",")))
        }
    };
    let (server, client) = answering(reply).await;
    let all = many();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let found = client.indices(&all, "me").await.unwrap();
    assert!(found.too_large.iter().eq(["index-0333"]));
    assert_eq!(found.indices.len(), all.len() - 1);
    // What was read once is not read again.
    let mut asked = std::collections::BTreeMap::new();
    for batch in server.requests().iter().map(|it| names(it)) {
        if !batch.iter().any(|it| it == "index-0333") {
            for name in batch {
                *asked.entry(name).or_insert(0) += 1;
            }
        }
    }
    assert!(asked.values().all(|it| *it == 1), "{asked:?}");
}

#[tokio::test]
async fn marks_that_are_too_large_together_are_read_in_halves() {
    let reply = |it: &str| match names(it) {
        one if one.len() == 1 => json(200, &STATE.replace("closed", &one[0])),
        _ => Reply::Stream(usize::MAX),
    };
    let (_server, client) = answering(reply).await;
    let marks = client.index_marks(&["a", "b", "c"], "me").await.unwrap().unwrap();
    assert!(["a", "b", "c"].iter().all(|it| marks.indices.contains_key(*it)), "{marks:?}");
}

#[tokio::test]
async fn documents_are_counted_in_primaries_and_bytes_in_all_copies() {
    let body = r#"{"indices":{"a":{"primaries":{"docs":{"count":3}},"total":{"store":{"size_in_bytes":227}}},"b":{}}}"#;
    let (_server, client) = answering(move |_| json(200, body)).await;
    let stats = client.index_stats("me").await.unwrap();
    assert_eq!(stats["a"], IndexStats { documents: 3, store_bytes: 227 });
    assert_eq!(stats["b"], IndexStats::default());
    let (_server, client) = answering(|_| json(200, "{}")).await;
    assert!(client.index_stats("me").await.unwrap().is_empty());
}
