//! The state of each object as metrics: the only ones that carry names, one series an object.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric as _},
    metrics::{MetricType, gauge::ConstGauge},
};

use crate::api::{cluster_status::Health, host_status::HostState};

/// What is shown of one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectState {
    /// The condition Ready; nothing where it is Unknown.
    pub ready: Option<bool>,
    /// Elasticsearch's word for it; nothing before it was asked.
    pub health: Option<Health>,
    /// Where in its life a Host's machine is; nothing for other kinds.
    pub state: Option<HostState>,
    /// When the server's certificate runs out; nothing where there is none.
    pub certificate_expiry: Option<Timestamp>,
}

/// By kind, such as `cluster`.
type States = BTreeMap<&'static str, OfOneKind>;

/// The objects of a kind. There may be thousands, so what is kept of each is small.
#[derive(Clone, Debug, Default)]
struct OfOneKind {
    /// By the object's path: its namespace and its name, with a slash between.
    shown: BTreeMap<Box<str>, Shown>,
    /// By path as well; few have one.
    expiries: BTreeMap<Box<str>, Timestamp>,
}

/// What many objects have.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    ready: Option<bool>,
    health: Option<Health>,
    state: Option<HostState>,
}

/// The objects that exist. Encoded at each scrape, so that what is gone leaves no series behind.
#[derive(Debug, Default)]
pub struct Objects(Mutex<States>);

impl Objects {
    /// The object exists; what was shown of it before stays.
    pub fn exists(&self, kind: &'static str, namespace: &str, name: &str) {
        let mut states = self.lock();
        states.entry(kind).or_default().shown.entry(path(namespace, name)).or_default();
    }

    /// Shows `state` of the object from now on.
    pub fn show(&self, kind: &'static str, namespace: &str, name: &str, state: ObjectState) {
        let mut states = self.lock();
        let objects = states.entry(kind).or_default();
        let path = path(namespace, name);
        let ObjectState { ready, health, state, certificate_expiry } = state;
        match certificate_expiry {
            Some(expiry) => _ = objects.expiries.insert(path.clone(), expiry),
            None => _ = objects.expiries.remove(&path),
        }
        objects.shown.insert(path, Shown { ready, health, state });
    }

    /// The object is gone.
    pub fn forget(&self, kind: &'static str, namespace: &str, name: &str) {
        let mut states = self.lock();
        let objects = states.entry(kind).or_default();
        let path = path(namespace, name);
        objects.shown.remove(&path);
        objects.expiries.remove(&path);
    }

    fn lock(&self) -> MutexGuard<'_, States> {
        // Nothing in here panics half-way, so a poisoned map is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Objects {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let states = self.lock().clone();
        let help = "Objects by whether they are Ready";
        let mut family = encoder.encode_descriptor("objects", help, None, MetricType::Gauge)?;
        for (kind, objects) in &states {
            for (word, ready) in [("true", Some(true)), ("false", Some(false)), ("unknown", None)] {
                let count = objects.shown.values().filter(|it| it.ready == ready).count();
                let labels = [("kind", *kind), ("ready", word)];
                let count = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
                count.encode(family.encode_family(&labels)?)?;
            }
        }
        for (kind, objects) in &states {
            ready(&mut encoder, kind, objects)?;
            health(&mut encoder, kind, objects)?;
            state(&mut encoder, kind, objects)?;
            expiry(&mut encoder, kind, objects)?;
        }
        Ok(())
    }
}

fn path(namespace: &str, name: &str) -> Box<str> {
    format!("{namespace}/{name}").into_boxed_str()
}

/// Neither part can hold a slash.
fn labels(path: &str) -> [(&'static str, &str); 2] {
    let (namespace, name) = path.split_once('/').unwrap_or_default();
    [("namespace", namespace), ("name", name)]
}

fn ready(encoder: &mut DescriptorEncoder, kind: &str, objects: &OfOneKind) -> fmt::Result {
    let name = format!("{kind}_ready");
    let help = "Whether the object is Ready";
    let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    for (path, shown) in &objects.shown {
        let ready = i64::from(shown.ready == Some(true));
        ConstGauge::new(ready).encode(family.encode_family(&labels(path))?)?;
    }
    Ok(())
}

fn health(encoder: &mut DescriptorEncoder, kind: &str, objects: &OfOneKind) -> fmt::Result {
    if objects.shown.values().all(|it| it.health.is_none()) {
        return Ok(());
    }
    let name = format!("{kind}_health");
    let help = "1 at the health that Elasticsearch tells; the other words have no series";
    let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    for (path, shown) in &objects.shown {
        if let Some(health) = shown.health {
            let [namespace, name] = labels(path);
            let labels = [namespace, name, ("health", health.as_str())];
            ConstGauge::new(1).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn state(encoder: &mut DescriptorEncoder, kind: &str, objects: &OfOneKind) -> fmt::Result {
    if objects.shown.values().all(|it| it.state.is_none()) {
        return Ok(());
    }
    let name = format!("{kind}_state");
    let help = "1 at the word for where the machine is in its life; the others have no series";
    let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    for (path, shown) in &objects.shown {
        if let Some(state) = shown.state {
            let [namespace, name] = labels(path);
            let labels = [namespace, name, ("state", state.as_str())];
            ConstGauge::new(1).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn expiry(encoder: &mut DescriptorEncoder, kind: &str, objects: &OfOneKind) -> fmt::Result {
    if objects.expiries.is_empty() {
        return Ok(());
    }
    let name = format!("{kind}_certificate_expiry_timestamp_seconds");
    let help = "When the certificate of the server runs out, in seconds since 1970";
    let mut family = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
    for (path, expiry) in &objects.expiries {
        ConstGauge::new(expiry.as_second()).encode(family.encode_family(&labels(path))?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::Metrics;

    #[test]
    fn an_object_has_series_from_its_first_sight_until_it_is_gone() {
        let metrics = Metrics::new();
        metrics.objects.exists("cluster", "ns", "a");
        let state = ObjectState {
            ready: Some(true),
            health: Some(Health::Yellow),
            certificate_expiry: Timestamp::from_second(77).ok(),
            ..ObjectState::default()
        };
        let machine = ObjectState { state: Some(HostState::Active), ..ObjectState::default() };
        metrics.objects.show("host", "ns", "h", machine);
        metrics.objects.show("cluster", "ns", "b", state);
        metrics.objects.exists("cluster", "ns", "b");
        let text = metrics.encode();
        for line in [
            r#"drover_objects{kind="cluster",ready="true"} 1"#,
            r#"drover_objects{kind="cluster",ready="unknown"} 1"#,
            r#"drover_cluster_ready{namespace="ns",name="a"} 0"#,
            r#"drover_cluster_ready{namespace="ns",name="b"} 1"#,
            r#"drover_cluster_health{namespace="ns",name="b",health="yellow"} 1"#,
            r#"drover_host_ready{namespace="ns",name="h"} 0"#,
            r#"drover_host_state{namespace="ns",name="h",state="active"} 1"#,
            r#"drover_cluster_certificate_expiry_timestamp_seconds{namespace="ns",name="b"} 77"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        metrics.objects.forget("cluster", "ns", "b");
        assert!(!metrics.encode().contains(r#"name="b""#));
    }
}
