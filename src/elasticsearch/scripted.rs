//! Scripted servers that speak as Elasticsearch does, and clients of them.

use std::{sync::Arc, time::Duration};

use reqwest::Url;

use super::{
    client::{Client, Meter},
    connection::{Auth, Connection},
};
use crate::gate::WriteGate;
pub(super) use crate::transport::scripted::{Reply, Server, authority, header, with_headers};

/// An answer as Elasticsearch gives it.
pub(super) fn json(status: u16, body: &str) -> Reply {
    let product = "X-elastic-product: Elasticsearch\r\ncontent-type: application/json";
    with_headers(status, product, body)
}

/// What a green cluster of one node without indices, 8.19.0, answers to what a poll asks.
pub(super) fn small_cluster(request: &str) -> Reply {
    let path = request.split(' ').nth(1).unwrap_or_default();
    json(
        200,
        match path.split(['?', ',']).next().unwrap_or_default() {
            "/" => {
                r#"{"name":"n1","cluster_name":"es","cluster_uuid":"first",
                    "version":{"number":"8.19.0"},"tagline":"You Know, for Search"}"#
            }
            "/_cluster/state/version" => {
                r#"{"cluster_name":"es","cluster_uuid":"first","state_uuid":"s1","version":1,
                    "master_node":"id-1"}"#
            }
            "/_cluster/health" => r#"{"status":"green","number_of_nodes":1}"#,
            it if it.starts_with("/_cluster/state/metadata/") => r#"{"cluster_uuid":"first"}"#,
            _ => "{}",
        },
    )
}

/// A connection to `servers` without credentials that gives up after five seconds.
pub(super) fn connection(servers: &[&Server]) -> Connection {
    Connection {
        endpoints: servers.iter().map(|it| it.url()).collect(),
        auth: Auth::Anonymous,
        ca: None,
        fingerprint: None,
        server_name: None,
        timeout: Duration::from_secs(5),
    }
}

pub(super) fn client(connection: Connection) -> Client {
    Client::new(connection, WriteGate::always_open(), Arc::new(NoMeter)).unwrap()
}

/// A client of an address where nobody listens.
pub(super) fn client_of_nobody() -> Client {
    let endpoints = vec![Url::parse("http://127.0.0.1:1").unwrap()];
    client(Connection { endpoints, ..connection(&[]) })
}

pub(super) struct NoMeter;

impl Meter for NoMeter {
    fn request(&self, _: &'static str, _: &'static str, _: f64) {}
}
