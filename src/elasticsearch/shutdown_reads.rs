//! Reads by which records nodes are announced to go down.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    answer::{Answer, EndpointId},
    calls::Read,
    client::Client,
    error::Error,
    evidence::{Evidence, NodeId},
    shutdown::{Record, text},
};
use crate::foreign::capped;

const PATH: &str = "/_nodes/shutdown";

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
