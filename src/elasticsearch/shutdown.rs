//! Records by which nodes are announced to Elasticsearch as about to go down, and whose they are.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{
    answer::{Answer, EndpointId},
    calls::Read,
    client::Client,
    error::Error,
    evidence::{Evidence, NodeId},
};
use crate::foreign::capped;

const PATH: &str = "/_nodes/shutdown";
/// How the reason of a record of Drover begins; the uid of a Cluster object and the name of a run come
/// after it.
const MARK: &str = "drover ";

/// What is announced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shutdowns {
    /// The record of each node that has one, be the node there or not.
    pub records: BTreeMap<NodeId, Record>,
    /// Why nothing can be announced, in words for people; nothing where it can, and where that was not
    /// asked.
    pub unusable: Option<Box<str>>,
}

/// What is announced of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// `restart`, `remove`, `replace` or another word, in lower case.
    pub kind: Box<str>,
    /// Who has announced it, and why, in their own words.
    pub reason: Box<str>,
    /// Whether Elasticsearch says that it can't get ready for that.
    pub is_stalled: bool,
}

/// The reason of a record for `run` of the Cluster object with the uid `owner`: by it the record is
/// known again.
pub(super) fn reason(owner: &str, run: &str) -> String {
    format!("{MARK}{owner} {run}")
}

/// How long Elasticsearch is told to leave the copies of a node where they are. It understands whole
/// seconds in each version.
pub(super) fn delay_text(delay: Duration) -> String {
    format!("{}s", delay.as_secs())
}

impl Record {
    /// For which Cluster object Drover has announced it; nothing where somebody else has. Drover
    /// announces restarts alone.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        let marked = self.reason.strip_prefix(MARK).filter(|_| &*self.kind == "restart")?;
        marked.split(' ').next().filter(|it| !it.is_empty())
    }

    /// Whether Drover has announced it for the Cluster object with the uid `owner`.
    #[must_use]
    pub fn is_of(&self, owner: &str) -> bool {
        self.owner() == Some(owner)
    }
}

impl Shutdowns {
    /// The nodes that are announced for the Cluster object with the uid `owner`.
    pub fn of<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = &'a NodeId> {
        self.records.iter().filter(move |(_, it)| it.is_of(owner)).map(|(id, _)| id)
    }

    /// The nodes that Drover has announced for other Cluster objects, each with the uid of its own.
    pub fn of_others<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = (&'a NodeId, &'a str)> {
        let records = self.records.iter().filter_map(|(id, it)| Some((id, it.owner()?)));
        records.filter(move |(_, of)| *of != owner)
    }

    /// Whether Drover has announced any node, for whichever Cluster object.
    #[must_use]
    pub fn is_any_of_drover(&self) -> bool {
        self.records.values().any(|it| it.owner().is_some())
    }

    /// Whether the copies of the node wait for it, by what was announced for `owner`.
    #[must_use]
    pub fn protects(&self, node: &str, owner: &str) -> bool {
        self.records.get(node).is_some_and(|it| it.is_of(owner) && !it.is_stalled)
    }

    /// Whether the node is announced for `owner`, and Elasticsearch can't get ready for it.
    #[must_use]
    pub fn is_stalled(&self, node: &str, owner: &str) -> bool {
        self.records.get(node).is_some_and(|it| it.is_of(owner) && it.is_stalled)
    }
}

impl Client {
    /// The records as they are, by `endpoint`. It takes the privilege `manage`. No time limit is sent
    /// with it: older versions refuse what they do not know.
    ///
    /// # Errors
    /// Why they can't be read; a cluster without this API is one of the reasons.
    pub async fn shutdowns_at(
        &self,
        endpoint: EndpointId,
        caller: &str,
    ) -> Result<BTreeMap<NodeId, Record>, Error> {
        let read = Read::new("node_shutdown", PATH, caller);
        records(&self.read_at(endpoint, &read).await?)
    }
}

fn records(answer: &Answer) -> Result<BTreeMap<NodeId, Record>, Error> {
    match answer.json::<Told>()?.nodes {
        Nodes::Announced(list) => Ok(list.into_iter().map(Announced::record).collect()),
        Nodes::Infos {} => Err(answer.unexpected(NONE)),
    }
}

/// Where there is no such API, the path asks for a node of the name `shutdown`.
const NONE: &str = "it has no API for node shutdown";

/// Takes what was answered to the question for records into `evidence`.
pub(super) fn complete(
    evidence: &mut Evidence,
    asked: Result<BTreeMap<NodeId, Record>, Error>,
) -> Result<(), Error> {
    let told = match asked {
        Ok(told) => told,
        Err(error) => {
            evidence.shutdowns.unusable = Some(unusable(&error).ok_or(error)?);
            return Ok(());
        }
    };
    for (id, record) in told {
        // The state is a moment older.
        let is_known = evidence.shutdowns.records.contains_key(&id);
        if !is_known && record.owner().is_none() {
            evidence.foreign.push(capped(&text(&record.kind, &id)));
        }
        evidence.shutdowns.records.insert(id, record);
    }
    Ok(())
}

/// Why nothing can be announced, where that is what an error says.
fn unusable(error: &Error) -> Option<Box<str>> {
    match error {
        Error::Rejected { status: 400 | 404 | 405, .. } => Some(NONE.into()),
        Error::UnexpectedAnswer { cause, .. } if cause.to_string() == NONE => Some(NONE.into()),
        Error::Forbidden { missing, .. } => Some(capped(&format!(
            "it does not allow that to the user of the connection: {missing}"
        ))),
        _ => None,
    }
}

/// A record that is not Drover's, in a few words.
pub(super) fn text(kind: &str, node: &str) -> String {
    format!("a shutdown record ({kind}) of {node}")
}

#[derive(Deserialize)]
struct Told {
    nodes: Nodes,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Nodes {
    Announced(Vec<Announced>),
    /// What nodes tell of themselves, by their ids.
    Infos {},
}

#[derive(Deserialize)]
struct Announced {
    node_id: String,
    #[serde(rename = "type")]
    kind: String,
    reason: String,
    status: String,
}

impl Announced {
    fn record(self) -> (NodeId, Record) {
        let record = Record {
            kind: capped(&self.kind.to_lowercase()),
            reason: capped(&self.reason),
            is_stalled: self.status.eq_ignore_ascii_case("stalled"),
        };
        (capped(&self.node_id), record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elasticsearch::scripted::{Server, client, connection, json};

    fn record(kind: &str, reason: &str) -> Record {
        Record { kind: kind.into(), reason: reason.into(), is_stalled: false }
    }

    #[test]
    fn a_record_is_known_by_its_reason_and_only_a_restart_is_of_drover() {
        assert_eq!(record("restart", &reason("uid", "r-1")).owner(), Some("uid"));
        assert!(record("restart", &reason("uid", "r-1")).is_of("uid"));
        for (kind, reason) in [
            ("restart", "drover"),
            ("restart", "drover "),
            ("restart", "drovers uid r-1"),
            ("restart", "maintenance"),
            ("restart", "drover uid-2 r-1"),
            ("remove", "drover uid r-1"),
        ] {
            assert!(!record(kind, reason).is_of("uid"), "{kind} {reason}");
        }
    }

    #[test]
    fn a_stalled_record_protects_nothing() {
        let of = |is_stalled| Record { is_stalled, ..record("restart", "drover uid r-1") };
        let records = [("a".into(), of(false)), ("b".into(), of(true))].into();
        let all = Shutdowns { records, unusable: None };
        assert!(all.protects("a", "uid") && !all.is_stalled("a", "uid"));
        assert!(!all.protects("b", "uid") && all.is_stalled("b", "uid"));
        assert!(!all.protects("a", "another") && !all.protects("c", "uid"));
        assert_eq!(all.of("uid").count(), 2);
        assert!(all.of_others("another").map(|it| it.1).eq(["uid", "uid"]));
        assert_eq!(all.of_others("uid").count(), 0);
    }

    /// What becomes of evidence where this is answered.
    async fn asked(status: u16, body: &'static str) -> Result<Evidence, Error> {
        let server = Server::http(move |_| json(status, body)).await;
        let client = client(connection(&[&server]));
        let first = client.read(&Read::new("node_shutdown", PATH, "me")).await;
        let mut evidence = Evidence::default();
        let told = match first {
            Ok(answer) => client.shutdowns_at(answer.endpoint, "me").await,
            Err(error) => Err(error),
        };
        complete(&mut evidence, told)?;
        Ok(evidence)
    }

    #[tokio::test]
    async fn records_are_read_with_how_far_they_are() {
        let body = r#"{"nodes":[
            {"node_id":"n1","type":"RESTART","reason":"drover uid r-1","shutdown_startedmillis":1,
             "status":"COMPLETE","shard_migration":{"status":"COMPLETE"}},
            {"node_id":"n2","type":"RESTART","reason":"drover uid r-1","status":"STALLED"},
            {"node_id":"n3","type":"REMOVE","reason":"scale down","status":"IN_PROGRESS"}]}"#;
        let evidence = asked(200, body).await.unwrap();
        let all = &evidence.shutdowns;
        assert!(all.protects("n1", "uid") && all.is_stalled("n2", "uid"));
        assert_eq!(all.unusable, None);
        assert!(evidence.foreign.iter().map(|it| &**it).eq(["a shutdown record (remove) of n3"]));
    }

    #[tokio::test]
    async fn where_there_is_no_such_api_that_is_told_and_is_no_error() {
        let missing =
            r#"{"error":{"type":"illegal_argument_exception","reason":"no handler"},"status":400}"#;
        // Without the module the path is that of another API, for a node of the name `shutdown`.
        let infos =
            r#"{"_nodes":{"total":0,"successful":0,"failed":0},"cluster_name":"c","nodes":{}}"#;
        for (status, body) in [(400, missing), (404, missing), (405, missing), (200, infos)] {
            let evidence = asked(status, body).await.unwrap();
            assert_eq!(evidence.shutdowns.unusable.as_deref(), Some(NONE), "{status}");
        }
        let refusal = r#"{"error":{"type":"security_exception","reason":"no"},"status":403}"#;
        let unusable = asked(403, refusal).await.unwrap().shutdowns.unusable;
        assert!(unusable.unwrap().starts_with("it does not allow that"));
    }

    #[tokio::test]
    async fn what_can_not_be_read_is_no_evidence() {
        for (status, body) in [(503, "{}"), (500, "{}"), (200, "{}"), (200, r#"{"nodes":[{}]}"#)] {
            asked(status, body).await.unwrap_err();
        }
    }
}
