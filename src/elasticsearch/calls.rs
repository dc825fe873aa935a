//! Requests to Elasticsearch. What reads and what writes are two types: a write can't be sent
//! where reads are retried, and can't miss the gate.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;

use serde_json::{Value, json};

use super::{
    allocation::{self, Prior},
    exclusion,
    names::OneIndex,
    shutdown,
};
use crate::transport::segment;

/// The most that is read of an answer unless a read says otherwise, in bytes.
pub const ANSWER_LIMIT: usize = 16 * 1024 * 1024;

/// A GET: any endpoint may get it, more than once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Path and query, escaped.
    pub path: String,
    /// What this is, for metrics and errors: one of a closed set.
    pub operation: &'static str,
    /// Sent as `X-Opaque-Id`: Elasticsearch shows it in its tasks and slow logs.
    pub opaque_id: String,
    /// The most that is read of the answer, in bytes. Default: [`ANSWER_LIMIT`].
    pub limit: usize,
    /// Whether it takes an elected master. Then Elasticsearch is told to give up waiting for one
    /// before the client does, so that its own reason arrives. Default: no.
    pub needs_master: bool,
}

impl Read {
    /// A read of `path`, for the object that `caller` names.
    #[must_use]
    pub fn new(operation: &'static str, path: impl Into<String>, caller: &str) -> Self {
        Self {
            path: path.into(),
            operation,
            opaque_id: caller.into(),
            limit: ANSWER_LIMIT,
            needs_master: false,
        }
    }

    /// A read that takes an elected master.
    pub(super) fn from_master(
        operation: &'static str,
        path: impl Into<String>,
        caller: &str,
    ) -> Self {
        Self { needs_master: true, ..Self::new(operation, path, caller) }
    }
}

/// A change. Its answer carries `acknowledged` unless its constructor says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The HTTP method.
    pub method: Method,
    /// Path, escaped, without the time limits that the client adds.
    pub path: String,
    /// A JSON text.
    pub body: Option<String>,
    /// What this is, for metrics and errors: one of a closed set.
    pub operation: &'static str,
    /// Sent as `X-Opaque-Id`: Elasticsearch shows it in its tasks and slow logs.
    pub opaque_id: String,
    /// Whether it takes the master and the nodes' acknowledgement. Then Elasticsearch is told to
    /// give up waiting for them before the client does.
    pub is_cluster_change: bool,
}

impl Write {
    fn new(method: Method, operation: &'static str, path: String, caller: &str) -> Self {
        let opaque_id = caller.into();
        Self { method, path, body: None, operation, opaque_id, is_cluster_change: true }
    }

    fn with_body(self, body: String) -> Self {
        Self { body: Some(body), ..self }
    }

    /// Creates an index; `body` holds settings, mappings and aliases.
    #[must_use]
    pub fn create_index(name: &OneIndex, body: String, caller: &str) -> Self {
        Self::new(Method::PUT, "create_index", name.path(""), caller).with_body(body)
    }

    /// Changes settings; null puts one back to its default.
    #[must_use]
    pub fn put_settings(name: &OneIndex, body: String, caller: &str) -> Self {
        let path = name.path("/_settings");
        Self::new(Method::PUT, "put_settings", path, caller).with_body(body)
    }

    /// Adds to the mapping, and replaces its `_meta`.
    #[must_use]
    pub fn put_mapping(name: &OneIndex, body: String, caller: &str) -> Self {
        Self::new(Method::PUT, "put_mapping", name.path("/_mapping"), caller).with_body(body)
    }

    /// Adds and removes aliases, all or none; `body` holds `actions`.
    #[must_use]
    pub fn update_aliases(body: String, caller: &str) -> Self {
        Self::new(Method::POST, "update_aliases", "/_aliases".into(), caller).with_body(body)
    }

    /// Opens a closed index.
    #[must_use]
    pub fn open_index(name: &OneIndex, caller: &str) -> Self {
        Self::new(Method::POST, "open_index", name.path("/_open"), caller)
    }

    /// Closes an index.
    #[must_use]
    pub fn close_index(name: &OneIndex, caller: &str) -> Self {
        Self::new(Method::POST, "close_index", name.path("/_close"), caller)
    }

    /// Deletes an index with all its documents.
    #[must_use]
    pub fn delete_index(name: &OneIndex, caller: &str) -> Self {
        Self::new(Method::DELETE, "delete_index", name.path(""), caller)
    }

    /// Lets nobody write documents any more, and waits for the writes in flight.
    #[must_use]
    pub fn block_writes(name: &OneIndex, caller: &str) -> Self {
        Self::new(Method::PUT, "block_writes", name.path("/_block/write"), caller)
    }

    /// Takes the block on writes away.
    #[must_use]
    pub fn unblock_writes(name: &OneIndex, caller: &str) -> Self {
        let body = r#"{"index.blocks.write":null}"#.to_owned();
        let path = name.path("/_settings");
        Self::new(Method::PUT, "unblock_writes", path, caller).with_body(body)
    }

    /// Lets only primaries be allocated, so that the replicas of nodes that go down wait for them.
    /// `prior` is the setting as it was, kept beside it for [`Self::unprotect`], with the uid of the
    /// Cluster object that `owner` is: all in one request. Takes the cluster privilege `manage`.
    #[must_use]
    pub fn protect(prior: &Prior, owner: &str, caller: &str) -> Self {
        let marks = (json!(prior.text()), json!(owner));
        Self::put_allocation("protect", &json!(allocation::RESTRICTED), marks, caller)
    }

    /// Puts the setting back as it was, and keeps nothing beside it any more.
    #[must_use]
    pub fn unprotect(prior: &Prior, caller: &str) -> Self {
        let enable = match prior {
            Prior::Unset => Value::Null,
            Prior::Value(value) => json!(value),
        };
        Self::put_allocation("unprotect", &enable, (Value::Null, Value::Null), caller)
    }

    fn put_allocation(
        operation: &'static str,
        enable: &Value,
        (prior, owner): (Value, Value),
        caller: &str,
    ) -> Self {
        let body = json!({ "persistent": {
            allocation::ENABLE: enable,
            allocation::PRIOR: prior,
            allocation::OWNER: owner,
        } });
        let path = "/_cluster/settings".into();
        Self::new(Method::PUT, operation, path, caller).with_body(body.to_string())
    }

    /// Announces that the node with the id `node` goes down and comes back, so that the copies that it
    /// has wait for it for `delay`. The reason names the Cluster object with the uid `owner`, and `run`.
    /// It takes the place of whatever was announced of the node. Takes the cluster privilege `manage`.
    /// Sent without time limits, which versions before 8.3 refuse there.
    #[must_use]
    pub fn announce(node: &str, owner: &str, run: &str, delay: Duration, caller: &str) -> Self {
        let body = json!({
            "type": "restart",
            "reason": shutdown::reason(owner, run),
            "allocation_delay": shutdown::delay_text(delay),
        });
        let path = format!("/_nodes/{}/shutdown", segment(node));
        let call = Self::new(Method::PUT, "announce", path, caller).with_body(body.to_string());
        Self { is_cluster_change: false, ..call }
    }

    /// Takes back what was announced of the node with the id `node`, be it there or not.
    #[must_use]
    pub fn retract(node: &str, caller: &str) -> Self {
        let path = format!("/_nodes/{}/shutdown", segment(node));
        let call = Self::new(Method::DELETE, "retract", path, caller);
        Self { is_cluster_change: false, ..call }
    }

    /// Gives `node` no shards any more, so that those that it has move. `prior` is the setting as it
    /// was, kept beside it for [`Self::include`], with the uid of the Cluster object that `owner` is:
    /// all in one request. Takes the cluster privilege `manage`.
    #[must_use]
    pub fn exclude(node: &str, prior: &Prior, owner: &str, caller: &str) -> Self {
        let mark = [json!(node), json!(prior.text()), json!(owner)];
        Self::put_exclusion("exclude", &json!(node), mark, caller)
    }

    /// Notes that the vote of `node` is taken, and nothing else, for [`Self::include`], with the uid of
    /// the Cluster object that `owner` is. Takes the cluster privilege `manage`.
    #[must_use]
    pub fn mark(node: &str, owner: &str, caller: &str) -> Self {
        let body = json!({ "persistent": { exclusion::NODE: node, exclusion::OWNER: owner } });
        let path = "/_cluster/settings".into();
        Self::new(Method::PUT, "mark", path, caller).with_body(body.to_string())
    }

    /// Puts the setting back as it was, and keeps nothing beside it any more.
    #[must_use]
    pub fn include(prior: &Prior, caller: &str) -> Self {
        let value = match prior {
            Prior::Unset => Value::Null,
            Prior::Value(value) => json!(value),
        };
        Self::put_exclusion("include", &value, [Value::Null, Value::Null, Value::Null], caller)
    }

    fn put_exclusion(
        operation: &'static str,
        value: &Value,
        [node, prior, owner]: [Value; 3],
        caller: &str,
    ) -> Self {
        let body = json!({ "persistent": {
            exclusion::EXCLUDE: value,
            exclusion::NODE: node,
            exclusion::PRIOR: prior,
            exclusion::OWNER: owner,
        } });
        let path = "/_cluster/settings".into();
        Self::new(Method::PUT, operation, path, caller).with_body(body.to_string())
    }

    /// Changes persistent settings of the cluster, all or none; null takes one away. Takes the cluster
    /// privilege `manage`.
    #[must_use]
    pub fn put_cluster_settings(settings: &BTreeMap<String, Value>, caller: &str) -> Self {
        let body = json!({ "persistent": settings });
        let path = "/_cluster/settings".into();
        Self::new(Method::PUT, "put_cluster_settings", path, caller).with_body(body.to_string())
    }

    /// Takes the vote of `node` in the election of masters, and waits a while for the others to do
    /// without. The name is that of a Host, which needs no escape. Answered without `acknowledged`.
    #[must_use]
    pub fn exclude_from_voting(node: &str, caller: &str) -> Self {
        let path = format!("/_cluster/voting_config_exclusions?node_names={node}&timeout=4s");
        let call = Self::new(Method::POST, "exclude_from_voting", path, caller);
        Self { is_cluster_change: false, ..call }
    }

    /// Gives back every vote that was taken, whether the node is gone by now or not. Answered without
    /// `acknowledged`.
    #[must_use]
    pub fn include_in_voting(caller: &str) -> Self {
        let path = "/_cluster/voting_config_exclusions?wait_for_removal=false".into();
        let call = Self::new(Method::DELETE, "include_in_voting", path, caller);
        Self { is_cluster_change: false, ..call }
    }

    /// Makes every document written so far count. Answered without `acknowledged`.
    #[must_use]
    pub fn refresh(name: &OneIndex, caller: &str) -> Self {
        let call = Self::new(Method::POST, "refresh", name.path("/_refresh"), caller);
        Self { is_cluster_change: false, ..call }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_name_their_method_and_path() {
        let name = OneIndex::new("größe").unwrap();
        let body = || "{}".to_owned();
        let cases = [
            (Write::create_index(&name, body(), "me"), "PUT /gr%C3%B6%C3%9Fe"),
            (Write::put_settings(&name, body(), "me"), "PUT /gr%C3%B6%C3%9Fe/_settings"),
            (Write::put_mapping(&name, body(), "me"), "PUT /gr%C3%B6%C3%9Fe/_mapping"),
            (Write::update_aliases(body(), "me"), "POST /_aliases"),
            (Write::open_index(&name, "me"), "POST /gr%C3%B6%C3%9Fe/_open"),
            (Write::close_index(&name, "me"), "POST /gr%C3%B6%C3%9Fe/_close"),
            (Write::delete_index(&name, "me"), "DELETE /gr%C3%B6%C3%9Fe"),
            (Write::block_writes(&name, "me"), "PUT /gr%C3%B6%C3%9Fe/_block/write"),
            (Write::unblock_writes(&name, "me"), "PUT /gr%C3%B6%C3%9Fe/_settings"),
            (Write::refresh(&name, "me"), "POST /gr%C3%B6%C3%9Fe/_refresh"),
            (Write::protect(&Prior::Unset, "uid", "me"), "PUT /_cluster/settings"),
            (Write::unprotect(&Prior::Unset, "me"), "PUT /_cluster/settings"),
            (Write::exclude("c", &Prior::Unset, "uid", "me"), "PUT /_cluster/settings"),
            (Write::include(&Prior::Unset, "me"), "PUT /_cluster/settings"),
            (Write::mark("c", "uid", "me"), "PUT /_cluster/settings"),
            (Write::put_cluster_settings(&BTreeMap::new(), "me"), "PUT /_cluster/settings"),
            (
                Write::announce("n/1", "uid", "r", Duration::ZERO, "me"),
                "PUT /_nodes/n%2F1/shutdown",
            ),
            (Write::retract("n1", "me"), "DELETE /_nodes/n1/shutdown"),
            (
                Write::exclude_from_voting("c", "me"),
                "POST /_cluster/voting_config_exclusions?node_names=c&timeout=4s",
            ),
            (
                Write::include_in_voting("me"),
                "DELETE /_cluster/voting_config_exclusions?wait_for_removal=false",
            ),
        ];
        for (call, expected) in cases {
            assert_eq!(format!("{} {}", call.method, call.path), expected);
            assert_eq!(call.opaque_id, "me");
        }
    }

    #[test]
    fn a_node_is_taken_out_with_its_mark_in_one_request_and_comes_back_in_one() {
        let body = |call: Write| -> Value { serde_json::from_str(&call.body.unwrap()).unwrap() };
        let taken = |value: Value, node: Value, prior: Value, owner: Value| {
            json!({ "persistent": {
                "cluster.routing.allocation.exclude._name": value,
                "cluster.metadata.drover.drain.node": node,
                "cluster.metadata.drover.drain.prior": prior,
                "cluster.metadata.drover.drain.owner": owner,
            } })
        };
        let (name, uid, none) = (json!("c"), json!("uid"), || Value::Null);
        let expected = taken(name.clone(), name, json!("UNSET"), uid);
        assert_eq!(body(Write::exclude("c", &Prior::Unset, "uid", "me")), expected);
        let expected = taken(none(), none(), none(), none());
        assert_eq!(body(Write::include(&Prior::Unset, "me")), expected);
        let empty = Prior::Value("".into());
        let expected = taken(json!(""), none(), none(), none());
        assert_eq!(body(Write::include(&empty, "me")), expected);
        let marked = json!({ "persistent": {
            "cluster.metadata.drover.drain.node": "c",
            "cluster.metadata.drover.drain.owner": "uid",
        } });
        assert_eq!(body(Write::mark("c", "uid", "me")), marked);
    }

    #[test]
    fn a_node_is_announced_as_one_that_comes_back_and_with_whose_it_is() {
        let call = Write::announce("n1", "uid", "r-1", Duration::from_mins(40), "me");
        let expected = json!({
            "type": "restart", "reason": "drover uid r-1", "allocation_delay": "2400s",
        });
        assert_eq!(serde_json::from_str::<Value>(call.body.as_ref().unwrap()).unwrap(), expected);
        assert!(!call.is_cluster_change, "7.17 refuses the limits that go with that");
        assert_eq!(Write::retract("n1", "me").body, None);
    }

    #[test]
    fn protection_is_one_request_and_is_taken_back_in_one() {
        let body = |call: Write| -> Value { serde_json::from_str(&call.body.unwrap()).unwrap() };
        let was = Prior::Value("new_primaries".into());
        let persistent = json!({
            "cluster.routing.allocation.enable": "primaries",
            "cluster.metadata.drover.prior": "new_primaries",
            "cluster.metadata.drover.owner": "uid",
        });
        let expected = json!({ "persistent": persistent });
        assert_eq!(body(Write::protect(&was, "uid", "me")), expected);
        assert_eq!(
            body(Write::protect(&Prior::Unset, "uid", "me"))["persistent"]["cluster.metadata.drover.prior"],
            "UNSET"
        );
        for (prior, enable) in [(was, json!("new_primaries")), (Prior::Unset, Value::Null)] {
            let persistent = json!({
                "cluster.routing.allocation.enable": enable,
                "cluster.metadata.drover.prior": null,
                "cluster.metadata.drover.owner": null,
            });
            let expected = json!({ "persistent": persistent });
            assert_eq!(body(Write::unprotect(&prior, "me")), expected);
        }
    }
}
