//! Watches that never end: a broken one is counted, logged and tried again.

use std::{fmt::Debug, sync::Arc};

use futures::{Stream, StreamExt as _, future};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Error, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use super::KubernetesError;
use crate::telemetry::metrics::Metrics;

/// Seconds after which the API server ends a watch, and 5 s later this side does: a connection that
/// died without a word is noticed after that time.
const SECONDS: u32 = 120;

/// What happens to the objects behind `api`, from a whole list on. `kind` is the label of the
/// metrics. Failed tries are 0.8 s apart, doubling to 30 s.
pub fn events<K>(
    kind: &'static str,
    api: Api<K>,
    metrics: Arc<Metrics>,
) -> impl Stream<Item = Event<K>> + Send
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = watcher::Config::default().timeout(SECONDS);
    watcher(api, config).default_backoff().filter_map(move |event| {
        let event = event.map_err(|error| {
            metrics.watch_failed(kind);
            let error = plain(kind, error);
            let error = &error as &dyn std::error::Error;
            tracing::warn!(kind, error, "a watch broke off, trying again");
        });
        future::ready(event.ok())
    })
}

/// Takes kube's error apart: its texts repeat their sources.
fn plain(kind: &str, error: Error) -> KubernetesError {
    match error {
        Error::InitialListFailed(error) => {
            KubernetesError::new(format!("list every {kind}"), error)
        }
        Error::WatchStartFailed(error) | Error::WatchFailed(error) => {
            KubernetesError::new(format!("watch every {kind}"), error)
        }
        Error::WatchError(status) => {
            KubernetesError::new(format!("watch every {kind}"), kube::Error::Api(status))
        }
        error @ Error::NoResourceVersion => {
            KubernetesError::Failed { attempt: format!("watch every {kind}"), source: error.into() }
        }
    }
}
