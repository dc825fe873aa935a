//! A scripted Elasticsearch that holds as many indices as are created in it, and costs next to
//! nothing. It knows the calls of the operator and no others.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::common::proxy::{Answer, Entry, Proxy};

const UUID: &str = "fake-cluster-uuid-0001";

/// Starts it, with TLS.
pub fn start() -> Proxy {
    let certificate = crate::common::certificates::Authority::shared().server();
    let state = Arc::new(Mutex::new(State::default()));
    Proxy::scripted(Some(&certificate), move |request| {
        let mut state = state.lock().expect("nobody panicked");
        let (status, body) = state.answer(request);
        Answer::text(status, "application/json", &body).header("x-elastic-product", "Elasticsearch")
    })
}

#[derive(Default)]
struct State {
    version: u64,
    indices: BTreeMap<String, Index>,
}

/// The texts that an index is shown by.
struct Index {
    marks: String,
    content: String,
}

impl State {
    fn answer(&mut self, request: &Entry) -> (u16, String) {
        let path = request.path.trim_start_matches('/');
        let parts: Vec<&str> = path.split('/').collect();
        let body = match (request.method.as_str(), parts.as_slice()) {
            ("GET", [""]) => json!({
                "name": "fake-1", "cluster_name": "fake", "cluster_uuid": UUID,
                "version": { "number": "8.19.0", "build_flavor": "default" },
                "tagline": "You Know, for Search",
            })
            .to_string(),
            ("GET", ["_cluster", "state", "version,master_node"]) => json!({
                "cluster_name": "fake", "cluster_uuid": UUID, "master_node": "node-1",
                "version": self.version, "state_uuid": format!("state-{}", self.version),
            })
            .to_string(),
            ("GET", ["_cluster", "state", "metadata", names]) => {
                let indices = self.join(names, |it| &it.marks);
                format!(r#"{{"cluster_uuid":"{UUID}","metadata":{{"indices":{indices}}}}}"#)
            }
            ("GET", ["_cluster", "health"]) => self.health(),
            ("GET", ["_cluster", "stats"]) => json!({ "indices": {
                "count": self.indices.len(), "docs": { "count": 0 },
                "store": { "size_in_bytes": 249 * self.indices.len() },
            }})
            .to_string(),
            ("GET", ["_nodes", "stats", _]) => json!({ "nodes": { "node-1": {
                "jvm": { "mem": { "heap_used_percent": 40 } },
                "fs": { "total": { "total_in_bytes": 1000, "available_in_bytes": 600 } },
            }}})
            .to_string(),
            ("GET", ["_nodes", ..]) => json!({ "nodes": { "node-1": {
                "name": "fake-1", "host": "127.0.0.1", "version": "8.19.0",
                "roles": ["data", "ingest", "master"],
            }}})
            .to_string(),
            ("GET", ["_health_report"]) => {
                json!({ "status": "green", "indicators": {} }).to_string()
            }
            ("GET", ["_stats", _]) => {
                let figures =
                    r#"{"primaries":{"docs":{"count":0}},"total":{"store":{"size_in_bytes":249}}}"#;
                format!(r#"{{"indices":{}}}"#, self.all(|_| figures.into()))
            }
            ("GET", [names]) => self.join(names, |it| &it.content),
            ("PUT", [name]) => self.create(name, &request.json()),
            _ => {
                let reason = format!("the fake does not know {}", request.line());
                eprintln!("{reason}");
                return (
                    400,
                    json!({ "error": { "type": "unknown", "reason": reason } }).to_string(),
                );
            }
        };
        (200, body)
    }

    fn create(&mut self, name: &str, body: &Value) -> String {
        self.version += 1;
        let uuid = format!("uuid-of-{name:0>14}");
        let mut settings = body["settings"].clone();
        for (key, value) in [
            ("index.uuid", uuid.as_str()),
            ("index.provided_name", name),
            ("index.creation_date", "1767225600000"),
            ("index.version.created", "8536000"),
            ("index.routing.allocation.include._tier_preference", "data_content"),
        ] {
            settings[key] = value.into();
        }
        let aliases: Vec<&String> = body["aliases"].as_object().expect("aliases").keys().collect();
        let marks = json!({
            "state": "open", "settings": { "index": { "uuid": uuid } },
            "settings_version": 1, "mapping_version": 1, "aliases_version": 1, "aliases": aliases,
        });
        let content = json!({
            "settings": settings, "mappings": body["mappings"], "aliases": body["aliases"],
        });
        let index = Index { marks: marks.to_string(), content: content.to_string() };
        self.indices.insert(name.to_owned(), index);
        json!({ "acknowledged": true, "shards_acknowledged": true, "index": name }).to_string()
    }

    fn health(&self) -> String {
        let figures = r#"{"status":"green","number_of_shards":1,"number_of_replicas":0}"#;
        let count = self.indices.len();
        format!(
            r#"{{"status":"green","number_of_nodes":1,"number_of_data_nodes":1,"active_shards":{count},
            "active_primary_shards":{count},"relocating_shards":0,"initializing_shards":0,
            "unassigned_shards":0,"active_shards_percent_as_number":100.0,
            "number_of_pending_tasks":0,"indices":{}}}"#,
            self.all(|_| figures.into())
        )
    }

    /// The indices of these names, as one object.
    fn join(&self, names: &str, text: impl Fn(&Index) -> &str) -> String {
        let found = names.split(',').filter_map(|name| Some((name, self.indices.get(name)?)));
        object(found.map(|(name, index)| (name, text(index).into())))
    }

    /// All indices, as one object.
    fn all(&self, text: impl Fn(&Index) -> String) -> String {
        object(self.indices.iter().map(|(name, index)| (name.as_str(), text(index))))
    }
}

fn object<'a>(fields: impl Iterator<Item = (&'a str, String)>) -> String {
    let mut all = String::from("{");
    for (name, text) in fields {
        let comma = if all.len() == 1 { "" } else { "," };
        write!(all, r#"{comma}"{name}":{text}"#).expect("a string");
    }
    all + "}"
}
