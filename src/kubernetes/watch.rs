//! Watches that never end: a broken one is counted, logged and tried again.

use std::{
    fmt::Debug,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt as _};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt as _,
        utils::Backoff,
        watcher::{self, Error, Event, watcher},
    },
};
use serde::de::DeserializeOwned;

use super::KubernetesError;
use crate::{chain::chain, error::Category, telemetry::metrics::Metrics};

/// Seconds after which the API server ends a watch, and 5 s later this side does: a connection that
/// died without a word is noticed after that time.
const SECONDS: u32 = 120;

/// How many objects a page of a list holds: a page is in memory twice while it is read.
const PAGE: u32 = 50;

/// What happens to the objects behind `api`, from a whole list on; between, the class of what went
/// wrong, after which it goes on by itself. `kind` is the label of the metrics.
pub fn events<K>(
    kind: &'static str,
    api: Api<K>,
    metrics: Arc<Metrics>,
) -> impl Stream<Item = Result<Event<K>, Category>> + Send
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let config = watcher::Config::default().timeout(SECONDS).page_size(PAGE);
    let mut told = None;
    watcher(api, config).backoff(Patience::default()).map(move |event| match event {
        Ok(event) => {
            // Init only announces that a list will be tried.
            if !matches!(event, Event::Init) && told.take().is_some() {
                tracing::info!(kind, "the watch is back");
            }
            Ok(event)
        }
        Err(error) => {
            metrics.watch_failed(kind);
            let error = plain(kind, error);
            let text = Some(error.to_string());
            if told != text {
                let error = chain(&error);
                tracing::warn!(kind, error, "a watch broke off, trying again");
                told = text;
            }
            Err(error.category())
        }
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

/// Delays from 0.8 s, doubling to 10 s, spread by a half; from the beginning again after two
/// minutes without a failure. kube's own backoff begins again at every good event, and a list that
/// fails has one before it: it would be tried every second for ever.
#[derive(Debug, Default)]
struct Patience {
    failures: u32,
    last: Option<Instant>,
}

impl Patience {
    const FIRST: Duration = Duration::from_millis(800);
    const LONGEST: Duration = Duration::from_secs(10);
    const FORGET: Duration = Duration::from_mins(2);
}

impl Iterator for Patience {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        if self.last.is_some_and(|it| Self::FORGET < it.elapsed()) {
            self.failures = 0;
        }
        self.last = Some(Instant::now());
        let delay = Self::FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        Some(delay.min(Self::LONGEST).mul_f64(0.5 + 0.5 * fastrand::f64()))
    }
}

impl Backoff for Patience {
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;
    use crate::kubernetes::scripted::api_server;

    #[tokio::test(start_paused = true)]
    async fn a_list_that_is_refused_is_tried_less_and_less_often_until_it_is_granted() {
        let (client, mut script) = api_server();
        let metrics = Arc::new(Metrics::new());
        let api: Api<ConfigMap> = Api::all(client);
        let mut events = std::pin::pin!(events("configmap", api, Arc::clone(&metrics)));
        let start = tokio::time::Instant::now();
        let server = async {
            for _ in 0..10 {
                script.next().await.refuse(403, "Forbidden");
            }
            let list = json!({ "metadata": { "resourceVersion": "1" }, "items": [] });
            script.next().await.answer(&list);
        };
        let client = async {
            let mut refused = 0;
            loop {
                match events.next().await {
                    Some(Err(Category::Forbidden)) => refused += 1,
                    Some(Ok(Event::InitDone)) => return refused,
                    _ => {}
                }
            }
        };
        let (refused, ()) = tokio::join!(client, server);
        assert_eq!(refused, 10);
        assert!(Duration::from_secs(30) < start.elapsed(), "{:?}", start.elapsed());
        let text = metrics.encode();
        assert!(text.contains(r#"drover_watch_errors_total{kind="configmap"} 10"#), "{text}");
    }
}
