//! Why a copy of a shard does not leave its node, in Elasticsearch's own words.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use super::{calls::Read, client::Client, error::Error, evidence::Copy};
use crate::foreign::capped;

/// The most deciders that one text quotes.
const QUOTED: usize = 2;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Explanation {
    node_allocation_decisions: Vec<OnNode>,
    #[serde(rename = "move_explanation")]
    of_move: Option<String>,
    #[serde(rename = "rebalance_explanation")]
    of_rebalance: Option<String>,
    #[serde(rename = "allocate_explanation")]
    of_allocation: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OnNode {
    deciders: Vec<Decider>,
}

#[derive(Deserialize)]
struct Decider {
    #[serde(rename = "decider")]
    name: String,
    decision: String,
    explanation: String,
}

impl Client {
    /// Why `copy` stays where it is: on the node of this name, or on none. Nothing where Elasticsearch
    /// names no reason. It takes the cluster privilege `monitor`.
    ///
    /// # Errors
    /// Why it can't be asked; what is asked about may have moved meanwhile.
    pub async fn why_it_stays(
        &self,
        copy: &Copy,
        node: Option<&str>,
        caller: &str,
    ) -> Result<Option<Box<str>>, Error> {
        let path = path(copy, node);
        let answer = self.read(&Read::new("allocation_explain", path, caller)).await?;
        Ok(answer.json::<Explanation>()?.words())
    }
}

/// A GET of Elasticsearch takes its body in the query as well. How long to wait for the master can't be
/// said before 8.15.
fn path(copy: &Copy, node: Option<&str>) -> String {
    let (index, shard) = copy.shard();
    let mut question = json!({ "index": index, "shard": shard, "primary": copy.is_primary });
    if let Some(node) = node {
        question["current_node"] = json!(node);
    }
    let mut url: Option<Url> = "http://any/_cluster/allocation/explain".parse().ok();
    if let Some(url) = &mut url {
        url.query_pairs_mut()
            .append_pair("source", &question.to_string())
            .append_pair("source_content_type", "application/json");
    }
    let query = url.as_ref().and_then(Url::query).unwrap_or_default();
    format!("/_cluster/allocation/explain?{query}")
}

impl Explanation {
    /// What the deciders say that shut nodes out, those first that shut out most.
    fn words(&self) -> Option<Box<str>> {
        let mut said: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
        let deciders = self.node_allocation_decisions.iter().flat_map(|it| &it.deciders);
        for it in deciders.filter(|it| it.decision == "NO" || it.decision == "THROTTLE") {
            said.entry(&it.name).or_insert((0, &it.explanation)).0 += 1;
        }
        let mut said: Vec<_> = said.into_iter().collect();
        said.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let quoted: Vec<String> = said
            .iter()
            .take(QUOTED)
            .map(|(decider, (_, explanation))| format!("{decider}: {explanation}"))
            .collect();
        let others = [&self.of_move, &self.of_allocation, &self.of_rebalance];
        let other = || others.into_iter().flatten().next().cloned();
        let words = (!quoted.is_empty()).then(|| quoted.join("; ")).or_else(other)?;
        Some(capped(&words))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            evidence::CopyState,
            scripted::{Server, client, connection, json as answer},
        },
        *,
    };

    fn copy() -> Copy {
        Copy {
            index: "orders".into(),
            shard: 0,
            is_primary: false,
            state: CopyState::Started,
            node: Some("id-c".into()),
            unassigned: None,
            is_mounted: false,
        }
    }

    #[test]
    fn the_question_is_about_the_very_copy() {
        let path = path(&copy(), Some("c"));
        let url: Url = format!("http://any{path}").parse().unwrap();
        let pairs: BTreeMap<_, _> = url.query_pairs().collect();
        let question: serde_json::Value = serde_json::from_str(&pairs["source"]).unwrap();
        let expected =
            json!({ "index": "orders", "shard": 0, "primary": false, "current_node": "c" });
        assert_eq!(question, expected);
        assert_eq!(pairs["source_content_type"], "application/json");
    }

    #[tokio::test]
    async fn the_deciders_that_shut_nodes_out_are_quoted() {
        let text = r#"{ "move_explanation": "it can't move",
            "node_allocation_decisions": [
                { "deciders": [
                    { "decider": "filter", "decision": "NO", "explanation": "node is not c" },
                    { "decider": "disk", "decision": "YES", "explanation": "room" } ] },
                { "deciders": [
                    { "decider": "filter", "decision": "NO", "explanation": "node is not c" },
                    { "decider": "same_shard", "decision": "NO", "explanation": "has one" } ] }
            ] }"#;
        let server = Server::http(move |_| answer(200, text)).await;
        let client = client(connection(&[&server]));
        let words = client.why_it_stays(&copy(), Some("c"), "me").await.unwrap();
        assert_eq!(words.as_deref(), Some("filter: node is not c; same_shard: has one"));
    }

    #[test]
    fn where_no_decider_speaks_the_whole_is_quoted_and_else_nothing() {
        let whole = Explanation { of_move: Some("all".into()), ..Explanation::default() };
        assert_eq!(whole.words().as_deref(), Some("all"));
        assert_eq!(Explanation::default().words(), None);
    }
}
