//! Many objects at once: made, changed, and waited for.

use std::{collections::HashSet, time::Duration};

use drover::{
    api::{
        condition::{self, Condition},
        host::Host,
        index::Index,
    },
    kubernetes::Kind,
};
use futures::{StreamExt as _, stream};
use kube::{
    Api, ResourceExt as _,
    api::{ObjectMeta, Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt as _,
        watcher::{self, watcher},
    },
};
use serde_json::{Value, json};

/// Requests of the bench itself that are under way at once.
const AT_ONCE: usize = 16;
/// How long anything may take before the bench gives up.
const PATIENCE: Duration = Duration::from_mins(20);

/// The name of the object with this number.
pub fn name(number: usize) -> String {
    format!("bench-{number:05}")
}

/// What every index of the bench is made of: a few settings, ten fields, an alias.
pub fn content(number: usize) -> Value {
    let kinds = ["keyword", "text", "date", "long", "boolean"];
    let field = |it: usize| (format!("field-{it}"), json!({ "type": kinds[it % kinds.len()] }));
    let properties: serde_json::Map<String, Value> = (0..10).map(field).collect();
    let mut aliases = serde_json::Map::new();
    aliases.insert(format!("{}-alias", name(number)), json!({}));
    json!({
        "settings": {
            "number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "30s",
        },
        "mappings": { "dynamic": "strict", "properties": properties },
        "aliases": aliases,
    })
}

/// The Index with this number.
pub fn index(number: usize) -> Index {
    let mut spec = content(number);
    spec["clusterRef"] = json!({ "name": "es" });
    let spec = serde_json::from_value(spec).expect("a spec");
    let metadata = ObjectMeta { name: Some(name(number)), ..ObjectMeta::default() };
    Index { metadata, spec, status: None }
}

/// Creates objects by their numbers, some at once.
pub async fn create<K: Kind>(api: &Api<K>, count: usize, object: impl Fn(usize) -> K) {
    let object = &object;
    let create = |number| async move {
        let object = object(number);
        api.create(&PostParams::default(), &object).await.expect("the API server takes it");
    };
    stream::iter(0..count).for_each_concurrent(AT_ONCE, create).await;
}

/// Sends a merge patch to the first `count` objects.
pub async fn patch(api: &Api<Index>, count: usize, patch: &Value) {
    let send = |number| async move {
        let patch = Patch::Merge(patch);
        let sent = api.patch(&name(number), &PatchParams::default(), &patch).await;
        sent.expect("the API server takes it");
    };
    stream::iter(0..count).for_each_concurrent(AT_ONCE, send).await;
}

/// Waits until so many objects are Ready at this generation or a later one. Asks nothing of the
/// operator.
pub async fn ready<K: Judged>(api: &Api<K>, count: usize, generation: i64) {
    let mut ready = HashSet::new();
    let watch = async {
        let mut events = watcher(api.clone(), watcher::Config::default()).default_backoff().boxed();
        while ready.len() < count {
            let event = events.next().await.expect("a watch has no end");
            if let Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) = event
                && is_ready(&object, generation)
            {
                ready.insert(object.name_any());
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, watch).await.is_ok();
    assert!(in_time, "{} of {count} are Ready after {PATIENCE:?}", ready.len());
}

/// A kind whose objects are told to be Ready or not.
pub trait Judged: Kind {
    fn conditions(&self) -> Option<&[Condition]>;
}

impl Judged for Index {
    fn conditions(&self) -> Option<&[Condition]> {
        self.status.as_ref().map(|it| it.conditions.as_slice())
    }
}

impl Judged for Host {
    fn conditions(&self) -> Option<&[Condition]> {
        self.status.as_ref().map(|it| it.conditions.as_slice())
    }
}

fn is_ready(object: &impl Judged, generation: i64) -> bool {
    let conditions = object.conditions().unwrap_or_default();
    condition::find(conditions, "Ready").is_some_and(|it| {
        let current = it.observed_generation == object.meta().generation;
        it.status == "True" && current && Some(generation) <= it.observed_generation
    })
}
