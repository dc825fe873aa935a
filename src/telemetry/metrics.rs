//! The metrics of this process, all beginning with `drover_`.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use super::objects::Objects;
use crate::{elasticsearch::client::Meter, error::Category, ssh::session};

/// Labels with their values, all from closed sets.
type Labels<const N: usize> = [(&'static str, &'static str); N];
type Histograms<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// How a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Nothing is left to do now.
    Success,
    /// Something outside has to come right first.
    Requeue,
    /// Nothing gets on before a person acts.
    Terminal,
    /// The reconcile itself failed.
    Error,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Requeue => "requeue",
            Self::Terminal => "terminal",
            Self::Error => "error",
        }
    }
}

/// How a step of a reconcile ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnding {
    /// It was done.
    Success,
    /// It was not begun, or not gone on with: it is looked at anew.
    PutOff,
    /// It failed.
    Error,
}

impl StepEnding {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::PutOff => "put_off",
            Self::Error => "error",
        }
    }
}

/// Every metric of this process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Labels<2>, Counter>,
    reconcile_errors: Family<Labels<2>, Counter>,
    reconcile_seconds: Histograms<1>,
    active_reconciles: Family<Labels<1>, Gauge>,
    max_reconciles: Family<Labels<1>, Gauge>,
    steps: Family<Labels<3>, Counter>,
    step_seconds: Histograms<3>,
    status_patches: Family<Labels<2>, Counter>,
    watch_errors: Family<Labels<1>, Counter>,
    undecodable: Family<Labels<1>, Gauge>,
    ssh_connections: Family<Labels<1>, Counter>,
    ssh_command_seconds: Histograms<2>,
    requests: Family<Labels<2>, Counter>,
    request_seconds: Histograms<2>,
    leader: Gauge,
    /// The state of each object.
    pub objects: Arc<Objects>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All metrics, at zero.
    #[must_use]
    pub fn new() -> Self {
        let seconds =
            || Histogram::new([0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]);
        let request_seconds =
            || Histogram::new([0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0]);
        // The steps of a run take as long as machines boot and shards recover.
        let step_seconds = || {
            Histogram::new([
                0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1800.0, 3600.0,
            ])
        };
        let mut metrics = Self {
            registry: Registry::with_prefix("drover"),
            reconciles: Family::default(),
            reconcile_errors: Family::default(),
            reconcile_seconds: Family::new_with_constructor(seconds),
            active_reconciles: Family::default(),
            max_reconciles: Family::default(),
            steps: Family::default(),
            step_seconds: Family::new_with_constructor(step_seconds),
            status_patches: Family::default(),
            watch_errors: Family::default(),
            undecodable: Family::default(),
            ssh_connections: Family::default(),
            ssh_command_seconds: Family::new_with_constructor(seconds),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(request_seconds),
            leader: Gauge::default(),
            objects: Arc::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("reconcile", "Reconciles by how they ended", self.reconciles.clone());
        registry.register(
            "reconcile_errors",
            "Reconciles that have to be tried again, by the class of the failure",
            self.reconcile_errors.clone(),
        );
        registry.register(
            "reconcile_duration_seconds",
            "How long a reconcile took",
            self.reconcile_seconds.clone(),
        );
        registry.register(
            "active_reconciles",
            "Reconciles that run now",
            self.active_reconciles.clone(),
        );
        registry.register(
            "max_concurrent_reconciles",
            "How many reconciles may run at once",
            self.max_reconciles.clone(),
        );
        registry.register("step", "Steps of reconciles by how they ended", self.steps.clone());
        registry.register(
            "step_duration_seconds",
            "How long a step of a reconcile took",
            self.step_seconds.clone(),
        );
        registry.register("status_patch", "Writes of a status", self.status_patches.clone());
        registry.register("watch_errors", "Watches that broke off", self.watch_errors.clone());
        registry.register(
            "undecodable_objects",
            "Stored objects that can't be read and are left alone",
            self.undecodable.clone(),
        );
        registry.register(
            "ssh_connections",
            "Attempts to open a session with a host",
            self.ssh_connections.clone(),
        );
        registry.register(
            "ssh_command_duration_seconds",
            "How long a command on a host took",
            self.ssh_command_seconds.clone(),
        );
        registry.register(
            "elasticsearch_requests",
            "Requests to Elasticsearch",
            self.requests.clone(),
        );
        registry.register(
            "elasticsearch_request_duration_seconds",
            "How long a request to Elasticsearch took",
            self.request_seconds.clone(),
        );
        registry.register("leader", "Whether this process may write", self.leader.clone());
        let version = [
            ("version", env!("CARGO_PKG_VERSION")),
            ("revision", option_env!("DROVER_REVISION").unwrap_or("unknown")),
        ];
        registry.register("build", "What was built", Info::new(version));
        registry.register_collector(Box::new(Arc::clone(&self.objects)));
    }

    /// All metrics as text, for Prometheus.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String can't fail.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    /// Says how many reconciles of `controller` may run at once.
    pub fn controller_started(&self, controller: &'static str, limit: u16) {
        self.max_reconciles.get_or_create(&[("controller", controller)]).set(limit.into());
    }

    /// A reconcile of `controller` begins; it ends when the answer is dropped.
    #[must_use]
    pub fn reconcile_started(&self, controller: &'static str) -> Active {
        let gauge = self.active_reconciles.get_or_create_owned(&[("controller", controller)]);
        gauge.inc();
        Active(gauge)
    }

    /// A reconcile of `controller` ended.
    pub fn reconciled(&self, controller: &'static str, ending: Ending, took: Duration) {
        let labels = [("controller", controller), ("result", ending.as_str())];
        self.reconciles.get_or_create(&labels).inc();
        let labels = [("controller", controller)];
        self.reconcile_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A step of a reconcile of `controller` ended.
    pub fn step_taken(
        &self,
        controller: &'static str,
        step: &'static str,
        ending: StepEnding,
        took: Duration,
    ) {
        let labels = [("controller", controller), ("step", step), ("result", ending.as_str())];
        self.steps.get_or_create(&labels).inc();
        self.step_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A reconcile of `controller` has to be tried again.
    pub fn reconcile_failed(&self, controller: &'static str, category: Category) {
        let labels = [("controller", controller), ("category", category.as_str())];
        self.reconcile_errors.get_or_create(&labels).inc();
    }

    /// The status of an object of `controller` was written; `result` is `success`, `gone` or
    /// `error`.
    pub fn status_written(&self, controller: &'static str, result: &'static str) {
        let labels = [("controller", controller), ("result", result)];
        self.status_patches.get_or_create(&labels).inc();
    }

    /// A watch of `kind` broke off.
    pub fn watch_failed(&self, kind: &'static str) {
        self.watch_errors.get_or_create(&[("kind", kind)]).inc();
    }

    /// How many stored objects of `kind` can't be read.
    pub fn set_undecodable(&self, kind: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.undecodable.get_or_create(&[("kind", kind)]).set(count);
    }

    /// Whether this process may write.
    pub fn set_leader(&self, leads: bool) {
        self.leader.set(leads.into());
    }
}

impl Meter for Metrics {
    fn request(&self, operation: &'static str, code_class: &'static str, seconds: f64) {
        let labels = [("operation", operation), ("code_class", code_class)];
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.get_or_create(&labels).observe(seconds);
    }
}

impl session::Meter for Metrics {
    fn connection(&self, result: &'static str) {
        self.ssh_connections.get_or_create(&[("result", result)]).inc();
    }

    fn command(&self, what: &'static str, result: &'static str, seconds: f64) {
        let labels = [("command", what), ("result", result)];
        self.ssh_command_seconds.get_or_create(&labels).observe(seconds);
    }
}

/// A reconcile that runs.
#[derive(Debug)]
pub struct Active(Gauge);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_takes_an_hour_is_told_from_one_that_takes_a_minute() {
        let metrics = Metrics::new();
        metrics.step_taken("cluster", "Stop", StepEnding::Success, Duration::from_secs(3_500));
        let text = metrics.encode();
        let count = |bound: &str| {
            let is_it = |it: &&str| {
                it.starts_with("drover_step_duration_seconds_bucket") && it.contains(bound)
            };
            let line = text.lines().find(is_it).unwrap_or_else(|| panic!("{bound}: {text}"));
            line.rsplit(' ').next().unwrap().to_owned()
        };
        assert_eq!(count(r#"le="60.0""#), "0");
        assert_eq!(count(r#"le="1800.0""#), "0");
        assert_eq!(count(r#"le="3600.0""#), "1");
    }

    #[test]
    fn every_metric_has_its_documented_name() {
        let metrics = Metrics::new();
        metrics.controller_started("cluster", 16);
        let active = metrics.reconcile_started("cluster");
        metrics.reconciled("cluster", Ending::Success, Duration::from_millis(3));
        metrics.reconciled("index", Ending::Terminal, Duration::from_millis(3));
        metrics.step_taken("index", "settings", StepEnding::Success, Duration::from_millis(3));
        metrics.reconcile_failed("index", Category::Timeout);
        metrics.status_written("index", "success");
        metrics.set_undecodable("index", 2);
        metrics.watch_failed("secret");
        metrics.request("health", "2xx", 0.003);
        session::Meter::connection(&metrics, "success");
        session::Meter::command(&metrics, "probe", "success", 0.003);
        metrics.set_leader(true);
        let text = metrics.encode();
        for line in [
            r#"drover_reconcile_total{controller="cluster",result="success"} 1"#,
            r#"drover_reconcile_total{controller="index",result="terminal"} 1"#,
            r#"drover_step_total{controller="index",step="settings",result="success"} 1"#,
            r#"drover_step_duration_seconds_count{controller="index",step="settings",result="success"} 1"#,
            r#"drover_reconcile_errors_total{controller="index",category="Timeout"} 1"#,
            r#"drover_reconcile_duration_seconds_bucket{le="0.01",controller="cluster"} 1"#,
            r#"drover_active_reconciles{controller="cluster"} 1"#,
            r#"drover_max_concurrent_reconciles{controller="cluster"} 16"#,
            r#"drover_status_patch_total{controller="index",result="success"} 1"#,
            r#"drover_undecodable_objects{kind="index"} 2"#,
            r#"drover_watch_errors_total{kind="secret"} 1"#,
            r#"drover_elasticsearch_requests_total{operation="health",code_class="2xx"} 1"#,
            r#"drover_elasticsearch_request_duration_seconds_count{operation="health",code_class="2xx"} 1"#,
            r#"drover_ssh_connections_total{result="success"} 1"#,
            r#"drover_ssh_command_duration_seconds_count{command="probe",result="success"} 1"#,
            "drover_leader 1",
            "drover_build_info{version=",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        drop(active);
        assert!(metrics.encode().contains(r#"drover_active_reconciles{controller="cluster"} 0"#));
    }
}
