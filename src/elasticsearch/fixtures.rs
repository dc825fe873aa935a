//! What Elasticsearch could have said, for the tests of those who decide by it.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{
    answer::EndpointId,
    cluster_reads::{
        ClusterHealth, ClusterStats, HealthStatus, Node, NodeStats, Root, StateVersion,
    },
    endpoints::EndpointIdentity,
    error::{Cause, CertificateProblem, Error},
    refusal::{self, Answered},
    snapshot::{ClusterView, Snapshot},
    version::Version,
};
use crate::{gate::Closed, redaction::Secrets};

/// The address that every error here names.
pub const ENDPOINT: &str = "https://es.example:9200";

/// What Elasticsearch means by an answer with `status` and the error `kind`.
pub fn refused(operation: &'static str, status: u16, kind: &str, reason: &str) -> Error {
    let body = json!({ "error": { "type": kind, "reason": reason }, "status": status });
    refusal::error(&Answered {
        endpoint: ENDPOINT,
        operation,
        status,
        retry_after: None,
        body: &body.to_string(),
        secrets: &Secrets::new(&[]),
    })
}

/// Every sort of error there is, by a word for it.
pub fn every_error() -> BTreeMap<&'static str, Error> {
    let endpoint = || ENDPOINT.into();
    let cause = || Cause::new("a cause");
    let operation = "health";
    let privilege = "action [cluster:monitor/health] is unauthorized for user [drover], this \
                     action is granted by the cluster privileges [monitor,manage,all]";
    BTreeMap::from([
        ("connect", Error::Connect { endpoint: endpoint(), cause: cause() }),
        ("interrupted", Error::Interrupted { endpoint: endpoint(), operation, cause: cause() }),
        ("timeout", Error::Timeout { endpoint: endpoint(), operation }),
        (
            "certificate",
            Error::Certificate {
                endpoint: endpoint(),
                problem: CertificateProblem::UnknownAuthority,
            },
        ),
        ("tls by server", Error::TlsByServer { endpoint: endpoint(), alert: cause() }),
        ("401", refused(operation, 401, "security_exception", "unable to authenticate user")),
        ("403", refused(operation, 403, "security_exception", privilege)),
        ("404", refused(operation, 404, "index_not_found_exception", "no such index [a]")),
        ("400", refused(operation, 400, "illegal_argument_exception", "not like this")),
        ("429", refused(operation, 429, "circuit_breaking_exception", "too much")),
        ("503", refused(operation, 503, "master_not_discovered_exception", "no master")),
        ("500", refused(operation, 500, "null_pointer_exception", "a fault")),
        ("not acknowledged", Error::NotAcknowledged { endpoint: endpoint(), operation }),
        ("too large", Error::TooLarge { endpoint: endpoint(), operation, limit: 1 }),
        ("unexpected", Error::UnexpectedAnswer { endpoint: endpoint(), operation, cause: cause() }),
        ("redirected", Error::Redirected { endpoint: endpoint() }),
        (
            "another product",
            Error::NotElasticsearch { endpoint: endpoint(), what: "something else".into() },
        ),
        ("closed", Error::Closed { operation, cause: Closed }),
    ])
}

/// The error that [`every_error`] has under `word`.
pub fn error(word: &str) -> Error {
    every_error().remove(word).expect("a word of the table")
}

/// A green cluster of three nodes, 8.19.0, with this uuid at its one endpoint.
pub fn view(uuid: &str) -> ClusterView {
    let node = |name: &str| Node {
        name: name.into(),
        host: format!("{name}.example"),
        roles: vec!["master".into(), "data".into()],
        version: "8.19.0".into(),
    };
    let stats = NodeStats { heap_percent: Some(40), disk_used_percent: Some(50) };
    let ids = ["id-a", "id-b", "id-c"];
    ClusterView {
        root: Root {
            node: "a".into(),
            cluster_name: "shop".into(),
            cluster_uuid: Some(uuid.into()),
            version: Version(8, 19, 0),
        },
        state: StateVersion {
            cluster_name: "shop".into(),
            cluster_uuid: uuid.into(),
            state_uuid: "state-1".into(),
            version: 1,
            master: Some("id-b".into()),
            endpoint: EndpointId::FIRST,
        },
        health: ClusterHealth {
            status: HealthStatus::Green,
            nodes: 3,
            data_nodes: 3,
            active: 10,
            primaries: 5,
            active_percent: 100.0,
            ..ClusterHealth::default()
        },
        nodes: ids.iter().map(|id| ((*id).to_owned(), node(&id[3..]))).collect(),
        node_stats: ids.iter().map(|id| ((*id).to_owned(), stats)).collect(),
        indices: 0,
        stats: ClusterStats { documents: 1000, store_bytes: 1_000_000 },
        report: Vec::new(),
        first_figures: false,
        report_tries: 0,
        endpoints: vec![EndpointIdentity {
            endpoint: ENDPOINT.into(),
            cluster_uuid: Some(uuid.into()),
        }],
        certificate_expires: None,
    }
}

/// A poll that went well, on a connection that has been up for a while.
pub fn snapshot(view: ClusterView) -> Snapshot {
    Snapshot { cluster: Some(Arc::new(view)), fault: None, polled: true }
}

impl Snapshot {
    /// The same with the last poll failed.
    #[must_use]
    pub fn with_fault(self, error: Error) -> Self {
        Self { fault: Some(Arc::new(error)), polled: true, ..self }
    }
}
