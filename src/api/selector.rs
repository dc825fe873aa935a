//! Selects hosts by their labels, as Kubernetes' own label selectors do.

use std::{borrow::Cow, collections::BTreeMap};

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Hosts whose labels meet all that is said here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)")
        .message("must say something: to mean all the rest, leave it out")
)]
pub struct HostSelector {
    /// Labels that a host must have, with these values; at most 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<Labels>,
    /// More about labels; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub match_expressions: Vec<LabelExpression>,
}

/// What is said about one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)")
        .message("must be set for In and NotIn, and for nothing else")
        .field_path(".values")
)]
pub struct LabelExpression {
    /// Name of the label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How it is compared.
    pub operator: LabelOperator,
    /// The values that `In` and `NotIn` compare with; at most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// It has one of the values.
    In,
    /// It is not there, or has none of the values.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl HostSelector {
    /// Whether an object with these labels is meant.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let has = |(name, value): (&String, &String)| labels.get(name) == Some(value);
        self.match_labels.as_ref().is_none_or(|it| it.0.iter().all(has))
            && self.match_expressions.iter().all(|it| it.holds(labels.get(&it.key)))
    }
}

impl LabelExpression {
    fn holds(&self, value: Option<&String>) -> bool {
        match self.operator {
            LabelOperator::In => value.is_some_and(|it| self.values.contains(it)),
            LabelOperator::NotIn => value.is_none_or(|it| !self.values.contains(it)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    }
}

/// Labels by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(pub BTreeMap<String, String>);

impl JsonSchema for Labels {
    fn schema_name() -> Cow<'static, str> {
        "Labels".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 16,
            "additionalProperties": { "type": "string", "maxLength": 63 }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_are_selected_by_labels_as_kubernetes_does() {
        let labels = |text: &str| -> BTreeMap<String, String> {
            let pairs = text.split_whitespace().map(|it| it.split_once('=').unwrap());
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let expression = |operator: &str, values: &[&str]| {
            let one = json!({ "key": "tier", "operator": operator, "values": values });
            json!({ "matchExpressions": [one] })
        };
        let hot = json!({ "matchLabels": { "tier": "hot", "zone": "a" } });
        let cases = [
            (hot.clone(), "tier=hot zone=a rack=1", true),
            (hot.clone(), "tier=hot", false),
            (hot, "tier=hot zone=b", false),
            (expression("In", &["hot", "warm"]), "tier=warm", true),
            (expression("In", &["hot", "warm"]), "", false),
            (expression("NotIn", &["hot"]), "tier=hot", false),
            (expression("NotIn", &["hot"]), "", true),
            (expression("Exists", &[]), "tier=x", true),
            (expression("Exists", &[]), "zone=x", false),
            (expression("DoesNotExist", &[]), "zone=x", true),
            (expression("DoesNotExist", &[]), "tier=x", false),
        ];
        for (selector, text, expected) in cases {
            let selector: HostSelector = serde_json::from_value(selector).unwrap();
            assert_eq!(selector.matches(&labels(text)), expected, "{selector:?} of {text}");
        }
    }
}
