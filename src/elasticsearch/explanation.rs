//! Why a copy of a shard does not leave its node, in Elasticsearch's own words.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;
use serde_json::json;

use super::{calls::Read, client::Client, error::Error, evidence::Copy};
use crate::foreign::capped;

/// The most deciders that one text quotes.
const QUOTED: usize = 2;

/// Behind what numbers are amounts, shares and times, as Elasticsearch writes them.
const UNITS: [&str; 13] =
    ["%", "b", "kb", "mb", "gb", "tb", "pb", "micros", "ms", "s", "m", "h", "d"];

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
    /// What the deciders say that shut nodes out, those first that shut out most. The order in which the
    /// nodes come moves, and so do the figures that are told of them: neither shows.
    fn words(&self) -> Option<Box<str>> {
        let mut said: BTreeMap<&str, (usize, String)> = BTreeMap::new();
        let deciders = self.node_allocation_decisions.iter().flat_map(|it| &it.deciders);
        for it in deciders.filter(|it| it.decision == "NO" || it.decision == "THROTTLE") {
            let explanation = still(&it.explanation);
            let (count, words) = said.entry(&it.name).or_insert_with(|| (0, explanation.clone()));
            *count += 1;
            *words = explanation.min(std::mem::take(words));
        }
        let mut said: Vec<_> = said.into_iter().collect();
        said.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let quoted: Vec<String> = said
            .iter()
            .take(QUOTED)
            .map(|(decider, (_, explanation))| format!("{decider}: {explanation}"))
            .collect();
        let others = [&self.of_move, &self.of_allocation, &self.of_rebalance];
        let other = || others.into_iter().flatten().next().map(|it| still(it));
        let words = (!quoted.is_empty()).then(|| quoted.join("; ")).or_else(other)?;
        Some(capped(&words))
    }
}

/// The same text without the figures in it that move: amounts, shares and times, and numbers that stand
/// in brackets of their own. What a setting is set to, after `=`, and what is part of a name stays.
fn still(text: &str) -> String {
    let mut after = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|it: char| it.is_ascii_digit()) {
        let before = &rest[..at];
        after.push_str(before);
        let number = &rest[at..];
        let end = number.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(number.len());
        let (number, others) = number.split_at(end);
        let unit = others.find(|it: char| !it.is_ascii_alphanumeric() && it != '%');
        let (unit, beyond) = others.split_at(unit.unwrap_or(others.len()));
        let is_alone = after.ends_with('[') && others.starts_with(']');
        let is_part = after.ends_with(|it: char| it.is_alphanumeric() || "=_-.".contains(it))
            || beyond.starts_with(['_', '-']);
        if !is_part && (is_alone || UNITS.contains(&unit)) {
            after.push('\u{2026}');
            rest = others;
        } else {
            after.push_str(number);
            after.push_str(unit);
            rest = beyond;
        }
    }
    after + rest
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
    fn figures_that_move_are_not_quoted() {
        let disk = "above the low watermark cluster setting [cluster.routing.allocation.disk.\
                    watermark.low=85%], having less than the minimum required [1.5gb] free space, \
                    actual free: [14.25%], actual used: [85.75%]";
        let expected = "above the low watermark cluster setting [cluster.routing.allocation.disk.\
                        watermark.low=85%], having less than the minimum required […gb] free space, \
                        actual free: […%], actual used: […%]";
        assert_eq!(still(disk), expected);
        for (text, expected) in [
            ("too many shards [3] on it, setting [x.total_shards_per_node=2]", None),
            ("index [logs-2026.11.23] on node-3 or [es1]", Some("")),
            ("[unassigned_info[at[2026-11-23T18:00:00.000Z], 10s]]", None),
            ("2gb", Some("…gb")),
            ("", Some("")),
        ] {
            let found = still(text);
            match expected {
                Some("") => assert_eq!(found, text),
                Some(expected) => assert_eq!(found, expected),
                None => assert!(found.contains('…') && found.len() <= text.len() + 2, "{found}"),
            }
        }
        assert_eq!(still("[2026-11-23T18:00:00.000Z]"), "[2026-11-23T18:00:00.000Z]");
    }

    #[test]
    fn the_order_of_the_nodes_changes_no_word() {
        let decider = |explanation: &str| OnNode {
            deciders: vec![Decider {
                name: "disk".into(),
                decision: "NO".into(),
                explanation: explanation.into(),
            }],
        };
        let words = |all: [&str; 2]| {
            let node_allocation_decisions = all.map(decider).into();
            Explanation { node_allocation_decisions, ..Explanation::default() }.words()
        };
        assert_eq!(words(["has 5gb", "is full"]).as_deref(), Some("disk: has …gb"));
        assert_eq!(words(["is full", "has 7gb"]).as_deref(), Some("disk: has …gb"));
    }

    #[test]
    fn where_no_decider_speaks_the_whole_is_quoted_and_else_nothing() {
        let whole = Explanation { of_move: Some("all".into()), ..Explanation::default() };
        assert_eq!(whole.words().as_deref(), Some("all"));
        assert_eq!(Explanation::default().words(), None);
    }
}
