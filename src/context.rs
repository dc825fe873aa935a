//! What every reconcile is given.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Client, runtime::reflector::Store};

use tokio::sync::watch;

use crate::{
    api::{
        cluster::Cluster, container_manager::ContainerManager, host::Host, index::Index,
        network::Network,
    },
    elasticsearch::links::Links,
    gate::WriteGate,
    kubernetes::{events::Publisher, freshness::Freshness, namespaces::Namespaces},
    nodes::managers::Managers,
    ssh::remotes::Remotes,
    telemetry::metrics::Metrics,
};

/// What every reconcile is given; one for the process.
pub struct Context {
    /// The API server. Its writes pass the gate once more by themselves.
    pub client: Client,
    /// Whether this process may write.
    pub gate: WriteGate,
    /// Publishes events. Use [`crate::kubernetes::events::publish`].
    pub publisher: Publisher,
    /// The live connections to Elasticsearch.
    pub links: Links,
    /// The hosts that are watched over SSH.
    pub remotes: Remotes,
    /// The API servers that hosts are registered in.
    pub managers: Managers,
    /// The metrics of the process.
    pub metrics: Arc<Metrics>,
    /// The objects that the watches have seen.
    pub stores: Stores,
    /// What this process last wrote to each object.
    pub freshness: Freshness,
    /// What the command line asked for.
    pub settings: Settings,
    /// Tells the time.
    pub now: fn() -> Timestamp,
}

#[cfg(test)]
impl Context {
    /// A context for tests, with empty stores and an open gate.
    #[must_use]
    pub fn for_tests(client: Client) -> Self {
        use kube::runtime::{events::Reporter, reflector};

        use crate::{
            elasticsearch::poller::Pace,
            ssh::{pool::Pool, prober, target::Limits},
            wiring,
        };

        let reporter = Reporter { controller: "drover".into(), instance: None };
        let pace = Pace { poll: Duration::from_secs(10), stats: Duration::from_mins(5) };
        let probing = prober::Pace { probe: Duration::from_mins(1), stats: pace.stats };
        let metrics: Arc<Metrics> = Arc::default();
        let pool = Pool::new(Limits::default(), WriteGate::always_open(), metrics.clone());
        Self {
            publisher: Publisher::new(client.clone(), reporter),
            client,
            gate: WriteGate::always_open(),
            metrics,
            stores: Stores {
                clusters: reflector::store().0,
                hosts: reflector::store().0,
                container_managers: reflector::store().0,
                networks: reflector::store().0,
                indices: reflector::store().0,
                filled: watch::Sender::new(true).subscribe(),
            },
            freshness: Freshness::default(),
            settings: Settings {
                namespaces: Namespaces::All,
                poll_interval: Duration::from_secs(10),
                stats_interval: Duration::from_mins(5),
                probe_interval: Duration::from_mins(1),
                max_concurrent_reconciles: NonZeroU16::MIN,
                reconcile_deadline: Duration::from_mins(2),
            },
            links: Links::new(wiring::wakes().0.elasticsearch, pace),
            managers: Managers::new(wiring::wakes().0.nodes, probing.probe, NonZeroU16::MIN),
            remotes: Remotes::new(pool, tokio::sync::mpsc::unbounded_channel().0, probing),
            now: Timestamp::now,
        }
    }
}

/// The objects that the watches have seen: copies that may be a little old, without managedFields
/// and without kubectl's last-applied annotation. An object that can't be decoded is in none.
///
/// They are filled before the first reconcile. Nobody may call their `wait_until_ready`, see
/// [`crate::controllers::stream::Reflector::filled`].
#[derive(Clone)]
pub struct Stores {
    /// Every Cluster in the watched namespaces.
    pub clusters: Store<Cluster>,
    /// Every Host in the watched namespaces.
    pub hosts: Store<Host>,
    /// Every `ContainerManager` in the watched namespaces.
    pub container_managers: Store<ContainerManager>,
    /// Every Network in the watched namespaces.
    pub networks: Store<Network>,
    /// Every Index in the watched namespaces.
    pub indices: Store<Index>,
    /// Whether all stores hold what was there at the start.
    pub filled: watch::Receiver<bool>,
}

/// What the command line asked for, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which namespaces are watched.
    pub namespaces: Namespaces,
    /// How often each Elasticsearch cluster is asked whether its state moved.
    pub poll_interval: Duration,
    /// How often each host is asked whether it is still there and still the same.
    pub probe_interval: Duration,
    /// How often figures that decide nothing are read, and written if they moved.
    pub stats_interval: Duration,
    /// How many objects of one kind are reconciled at once.
    pub max_concurrent_reconciles: NonZeroU16,
    /// The longest that one reconcile may take.
    pub reconcile_deadline: Duration,
}
