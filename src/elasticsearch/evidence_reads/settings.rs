//! The settings of a cluster, as far as they say what may be allocated where.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{
        allocation::{Allocation, ENABLE, OWNER, PRIOR, Prior},
        exclusion::{self, Exclusion, Mark},
    },
    disks::Watermark,
};
use crate::foreign::capped;

const DISKS_COUNT: &str = "cluster.routing.allocation.disk.threshold_enabled";
const HIGH: &str = "cluster.routing.allocation.disk.watermark.high";
/// Absent before 8.5.
const HEADROOM: &str = "cluster.routing.allocation.disk.watermark.high.max_headroom";
/// By which nodes are allowed or forbidden; each is followed by an attribute.
const FILTERS: [&str; 3] = [
    "cluster.routing.allocation.exclude.",
    "cluster.routing.allocation.include.",
    "cluster.routing.allocation.require.",
];

/// Flat settings; the defaults hold what elasticsearch.yml says, too, and nothing that is set.
#[derive(Deserialize)]
pub(super) struct Settings {
    persistent: BTreeMap<String, Value>,
    transient: BTreeMap<String, Value>,
    defaults: BTreeMap<String, Value>,
}

impl Settings {
    /// A persistent setting.
    pub(super) fn persistent(&self, key: &str) -> Option<Box<str>> {
        self.persistent.get(key).map(|it| capped(&text(it)))
    }

    /// A transient setting.
    pub(super) fn transient(&self, key: &str) -> Option<Box<str>> {
        self.transient.get(key).map(|it| capped(&text(it)))
    }

    /// Who may be given which shards.
    pub(super) fn allocation(&self) -> Allocation {
        Allocation {
            persistent: self.persistent(ENABLE),
            transient: self.transient(ENABLE),
            prior: self.persistent(PRIOR).map(|it| Prior::of_text(&it)),
            owner: self.persistent(OWNER),
        }
    }

    /// Who is taken out by name, but for the votes, which are no setting.
    pub(super) fn exclusion(&self) -> Exclusion {
        let kept = |key: &str| self.persistent(key);
        let mark = kept(exclusion::NODE).zip(kept(exclusion::OWNER));
        Exclusion {
            persistent: kept(exclusion::EXCLUDE),
            transient: self.transient(exclusion::EXCLUDE),
            mark: mark.map(|(node, owner)| Mark {
                prior: kept(exclusion::PRIOR).map(|it| Prior::of_text(&it)),
                node,
                owner,
            }),
            voting: Vec::new(),
        }
    }

    /// What holds, wherever it is set.
    fn effective(&self, key: &str) -> Option<String> {
        let places = [&self.transient, &self.persistent, &self.defaults];
        places.iter().find_map(|it| it.get(key)).map(text)
    }

    /// Above which a disk is given no more copies.
    pub(super) fn high_watermark(&self) -> Result<Watermark, &'static str> {
        match self.effective(DISKS_COUNT).as_deref() {
            Some("true") => {}
            Some("false") => return Ok(Watermark::Off),
            _ => return Err("the answer does not say whether full disks count"),
        }
        let high = self.effective(HIGH);
        let watermark = high.and_then(|it| Watermark::of(&it, self.effective(HEADROOM).as_deref()));
        watermark.ok_or("the answer lacks the high watermark of disks")
    }

    /// Every filter that keeps copies from nodes, in any place, and what elasticsearch.yml restricts;
    /// without what Drover itself has set for a drain.
    pub(super) fn foreign(&self) -> Vec<Box<str>> {
        let is_marked = self.exclusion().keeps_shards_away();
        let set = self.persistent.iter().chain(&self.transient).map(|it| (it, ""));
        let set = set.chain(self.defaults.iter().map(|it| (it, " in elasticsearch.yml")));
        let is_own = |key: &str| is_marked && key == exclusion::EXCLUDE;
        let is_filter = |key: &str| FILTERS.iter().any(|it| key.starts_with(it)) && !is_own(key);
        let restricts = |key: &str, place: &str, value: &str| {
            is_filter(key) || (key == ENABLE && !place.is_empty() && value != "all")
        };
        let found = set.map(|((key, value), place)| (key, text(value), place));
        // An empty one is how some take theirs away.
        let found =
            found.filter(|(key, value, place)| !value.is_empty() && restricts(key, place, value));
        found.map(|(key, value, place)| capped(&format!("{key}: {value}{place}"))).collect()
    }
}

/// Elasticsearch answers with texts and lists of texts.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(persistent: &Value, transient: &Value, defaults: &Value) -> Settings {
        let all = json!({ "persistent": persistent, "transient": transient, "defaults": defaults });
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn filters_count_wherever_they_are_set_unless_they_are_empty() {
        let persistent = json!({
            "cluster.routing.allocation.exclude._name": ["a", "b"],
            "cluster.routing.allocation.exclude._ip": "",
            "cluster.routing.allocation.enable": "none",
            "cluster.routing.allocation.total_shards_per_node": "3",
        });
        let transient = json!({
            "cluster.routing.allocation.require.zone": "one",
            "cluster.routing.allocation.include._tier": [],
        });
        let defaults = json!({
            "cluster.routing.allocation.include.box": "big",
            "cluster.routing.allocation.exclude._tier": "",
        });
        let found = settings(&persistent, &transient, &defaults).foreign();
        let expected = [
            "cluster.routing.allocation.exclude._name: a,b",
            "cluster.routing.allocation.require.zone: one",
            "cluster.routing.allocation.include.box: big in elasticsearch.yml",
        ];
        assert!(found.iter().map(|it| &**it).eq(expected), "{found:?}");
    }

    #[test]
    fn what_drover_itself_takes_out_is_not_foreign_as_long_as_it_is_so() {
        for (now, count) in [("c", 0), ("b", 1)] {
            let persistent = json!({
                "cluster.routing.allocation.exclude._name": now,
                "cluster.metadata.drover.drain.node": "c",
                "cluster.metadata.drover.drain.owner": "uid",
                "cluster.metadata.drover.drain.prior": "UNSET",
            });
            let found = settings(&persistent, &json!({}), &json!({}));
            assert_eq!(found.foreign().len(), count, "{now}");
            assert_eq!(found.exclusion().is_of("uid", "c"), count == 0);
            assert_eq!(found.exclusion().mark.unwrap().prior, Some(Prior::Unset));
        }
        // Where Drover has taken a vote alone, that setting is somebody else's.
        let persistent = json!({
            "cluster.routing.allocation.exclude._name": "c",
            "cluster.metadata.drover.drain.node": "c",
            "cluster.metadata.drover.drain.owner": "uid",
        });
        let found = settings(&persistent, &json!({}), &json!({}));
        assert_eq!(found.foreign().len(), 1);
        assert_eq!(found.exclusion().mark.unwrap().prior, None);
    }

    #[test]
    fn what_elasticsearch_yml_restricts_is_foreign_and_its_default_is_not() {
        for (value, count) in [("all", 0), ("none", 1)] {
            let defaults = json!({ ENABLE: value });
            assert_eq!(settings(&json!({}), &json!({}), &defaults).foreign().len(), count);
        }
    }

    #[test]
    fn the_watermark_that_holds_is_the_transient_one_then_the_persistent_one() {
        let enabled = |is_on: bool| json!({ DISKS_COUNT: is_on.to_string(), HIGH: "90%" });
        let bytes = |number| Ok(Watermark::Free(number));
        let (one, two) = (json!({ HIGH: "1b" }), json!({ HIGH: "2b" }));
        assert_eq!(settings(&one, &two, &enabled(true)).high_watermark(), bytes(2));
        assert_eq!(settings(&one, &json!({}), &enabled(true)).high_watermark(), bytes(1));
        assert_eq!(settings(&one, &two, &enabled(false)).high_watermark(), Ok(Watermark::Off));
        for unclear in [json!({ HIGH: "90%" }), json!({ DISKS_COUNT: "true" })] {
            assert!(settings(&json!({}), &json!({}), &unclear).high_watermark().is_err());
        }
    }
}
