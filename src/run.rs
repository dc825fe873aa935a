//! The life of the operator: what starts after what, and how it ends.

use std::{pin::pin, process, sync::Arc, time::Duration};

use futures::future;
use jiff::Timestamp;
use kube::{
    Client,
    runtime::{Controller, events::Reporter},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::{JoinError, JoinSet},
};

use crate::{
    api::{
        cluster::Cluster, container_manager::ContainerManager, host::Host, index::Index,
        network::Network,
    },
    chain::chain,
    cli::RunArguments,
    context::{Context, Settings, Stores},
    controllers::{
        self, Reconciler, cluster::ClusterReconciler,
        container_manager::ContainerManagerReconciler, host::HostReconciler,
        index::IndexReconciler, network::NetworkReconciler, stream::Reflector,
    },
    elasticsearch::{links::Links, poller::Pace},
    gate::WriteGate,
    kubernetes::{
        client::{self, ConnectError},
        definitions,
        events::Publisher,
        freshness::Freshness,
        identity,
        lease::{Candidate, Lost},
    },
    nodes::managers::Managers,
    shutdown::{self, Stop},
    ssh::{pool::Pool, prober, remotes::Remotes, target::Limits},
    telemetry::{
        metrics::Metrics,
        server::{self, ListenError, Readiness},
    },
    wiring::{self, Wakes, networks},
};

/// How long reconciles may take to end when the process is asked to stop.
const DRAIN: Duration = Duration::from_secs(20);

/// Why the operator can't go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Signals can't be listened to.
    #[error("failed to listen to signals")]
    Signals(#[source] std::io::Error),
    /// The port of the metrics can't be opened.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// There is no usable configuration of the API server.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The Lease is lost; another process may be at work.
    #[error("stopped working at once")]
    Lost(#[from] Lost),
    /// A part of the operator ended that never should.
    #[error("{0} ended by itself")]
    Ended(&'static str),
    /// A part of the operator panicked.
    #[error("a part of the operator panicked")]
    Panicked(#[from] JoinError),
}

/// The parts that run until the end; each returns its name.
type Parts = JoinSet<&'static str>;

/// Runs the operator until SIGTERM or SIGINT; a second signal ends the process at once.
///
/// # Errors
/// [`RunError`]: the process should end with a failure and be started again.
pub async fn run(arguments: RunArguments) -> Result<(), RunError> {
    let stop = stop_on_signal()?;
    let metrics = Arc::new(Metrics::new());
    let readiness = Readiness::default();
    let mut parts = Parts::new();
    let listener = server::listen(arguments.metrics_address).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        metrics = %arguments.metrics_address,
        namespaces = ?arguments.watch_namespaces,
        "drover starts"
    );
    parts.spawn({
        let (metrics, readiness) = (Arc::clone(&metrics), readiness.clone());
        async move {
            if let Err(error) = server::serve(listener, metrics, readiness).await {
                let error = chain(&error);
                tracing::error!(error, "the server of the metrics failed");
            }
            "the server of the metrics"
        }
    });

    let config = client::configuration(arguments.kubeconfig.as_deref()).await?;
    let me = identity::of_this_process();
    let gate = if arguments.leader_elect { WriteGate::shut() } else { WriteGate::always_open() };
    let client = client::gated(config.clone(), gate.clone())?;
    if !unless_stopped(&mut parts, &stop, definitions::wait(&client)).await? {
        return Ok(());
    }
    let mut candidate = None;
    if arguments.leader_elect {
        let namespace = arguments.lease_namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = client::ungated(config)?;
        let candidate =
            candidate.insert(Candidate::new(client, &namespace, me.clone(), gate.clone()));
        if !unless_stopped(&mut parts, &stop, candidate.acquire(|| readiness.set(true))).await? {
            return Ok(());
        }
        tracing::info!(namespace, identity = me, "this process holds the Lease");
    }
    metrics.set_leader(true);
    readiness.set(false);

    let reflectors = Reflectors::default();
    let (all_filled, filled) = watch::channel(false);
    let stores = reflectors.stores(filled);
    let (ctx, wakes) =
        context(arguments.settings(), client, gate, me, Arc::clone(&metrics), stores);
    let Reflectors { clusters, hosts, networks, container_managers, indices } = &reflectors;
    let filled = future::join5(
        clusters.filled(),
        hosts.filled(),
        networks.filled(),
        container_managers.filled(),
        indices.filled(),
    );
    tokio::spawn(ready_when_filled(filled, all_filled, ctx.stores.clone(), readiness));
    let workers = start_controllers(&ctx, reflectors, wakes, &stop);
    let result = work(parts, workers, &mut candidate, &stop).await;
    metrics.set_leader(false);
    ctx.gate.close();
    if let (Ok(()), Some(candidate)) = (&result, candidate) {
        candidate.release().await;
    }
    result
}

/// The watches of all kinds that are reconciled.
#[derive(Default)]
struct Reflectors {
    clusters: Reflector<Cluster>,
    hosts: Reflector<Host>,
    networks: Reflector<Network>,
    container_managers: Reflector<ContainerManager>,
    indices: Reflector<Index>,
}

impl Reflectors {
    fn stores(&self, filled: watch::Receiver<bool>) -> Stores {
        let Self { clusters, hosts, networks, container_managers, indices } = self;
        Stores {
            clusters: clusters.store(),
            hosts: hosts.store(),
            networks: networks.store(),
            container_managers: container_managers.store(),
            indices: indices.store(),
            filled,
        }
    }
}

fn context(
    settings: Settings,
    client: Client,
    gate: WriteGate,
    me: String,
    metrics: Arc<Metrics>,
    stores: Stores,
) -> (Arc<Context>, Wakes) {
    let reporter = Reporter { controller: "drover".to_owned(), instance: Some(me) };
    let (wakers, woken) = wiring::wakes();
    let (poll, stats) = (settings.poll_interval, settings.stats_interval);
    let sessions = Pool::new(Limits::default(), gate.clone(), metrics.clone());
    let probing = prober::Pace { probe: settings.probe_interval, stats };
    let links = Links::new(wakers.elasticsearch, Pace { poll, stats })
        .shared_by(settings.max_concurrent_reconciles);
    let workers = settings.max_concurrent_reconciles;
    let managers = Managers::new(wakers.nodes, settings.probe_interval, workers);
    let ctx = Arc::new(Context {
        publisher: Publisher::new(client.clone(), reporter),
        client,
        gate,
        metrics,
        stores,
        freshness: Freshness::default(),
        settings,
        links,
        remotes: Remotes::new(sessions, wakers.hosts, probing).answering(wakers.networks),
        managers,
        now: Timestamp::now,
    });
    (ctx, woken)
}

fn start_controllers(
    ctx: &Arc<Context>,
    reflectors: Reflectors,
    wakes: Wakes,
    stop: &Stop,
) -> Parts {
    let Reflectors {
        mut clusters,
        mut hosts,
        mut networks,
        container_managers: mut managers,
        mut indices,
    } = reflectors;
    let [for_clusters, for_hosts, for_networks, network_secrets, for_managers] =
        wiring::secrets(ctx);
    let [maps_for_clusters, maps_for_networks, network_config_maps, maps_for_managers] =
        wiring::config_maps(ctx);
    let around_clusters = wiring::Around {
        secrets: for_clusters,
        config_maps: maps_for_clusters,
        indices: indices.touched(),
        hosts: hosts.touched(),
        networks: networks.touched(),
        managers: managers.touched(),
    };
    let wire_clusters = wiring::cluster(ctx, wakes.clusters, around_clusters);
    let around_hosts = wiring::AroundHost {
        secrets: for_hosts,
        clusters: clusters.touched(),
        managers: managers.touched(),
        hosts: hosts.touched(),
        networks: networks.touched(),
        network_secrets,
        network_config_maps,
    };
    let wire_hosts = wiring::host(ctx, (wakes.hosts, wakes.concerns), around_hosts);
    let around_networks = networks::Around {
        secrets: for_networks,
        config_maps: maps_for_networks,
        clusters: clusters.touched(),
        hosts: hosts.touched(),
        networks: networks.touched(),
    };
    let wire_networks = networks::network(ctx, wakes.networks, around_networks);
    let wire_managers = wiring::container_manager(
        ctx,
        wakes.managers,
        for_managers,
        maps_for_managers,
        hosts.touched(),
    );
    let wire_indices = wiring::index(ctx, wakes.indices, clusters.touched());
    let mut workers = Parts::new();
    let parts = &mut workers;
    start::<ClusterReconciler>(
        parts,
        ctx,
        clusters,
        stop,
        wire_clusters,
        "the controller of Clusters",
    );
    start::<HostReconciler>(parts, ctx, hosts, stop, wire_hosts, "the controller of Hosts");
    start::<NetworkReconciler>(
        parts,
        ctx,
        networks,
        stop,
        wire_networks,
        "the controller of Networks",
    );
    let of_managers = "the controller of ContainerManagers";
    start::<ContainerManagerReconciler>(parts, ctx, managers, stop, wire_managers, of_managers);
    start::<IndexReconciler>(parts, ctx, indices, stop, wire_indices, "the controller of Indices");
    workers
}

fn start<R: Reconciler>(
    workers: &mut Parts,
    ctx: &Arc<Context>,
    reflector: Reflector<R::Object>,
    stop: &Stop,
    wire: impl FnOnce(Controller<R::Object>) -> Controller<R::Object>,
    name: &'static str,
) {
    let controller = controllers::start::<R>(Arc::clone(ctx), reflector, stop.clone(), wire);
    workers.spawn(async move {
        controller.await;
        name
    });
}

/// Lets the controllers work, and the Lease be renewed, until the process is asked to stop and
/// what was in hand then is finished.
async fn work(
    mut parts: Parts,
    mut workers: Parts,
    candidate: &mut Option<Candidate>,
    stop: &Stop,
) -> Result<(), RunError> {
    let (drained, released) = shutdown::channel();
    let mut hold = pin!(async {
        if let Some(candidate) = candidate {
            return candidate.hold(released).await;
        }
        released.requested().await;
        Ok(())
    });
    tokio::select! {
        lost = &mut hold => lost?,
        ended = parts.join_next() => return Err(unexpected(ended)),
        ended = workers.join_next(), if !stop.is_requested() => {
            // The wish to stop and its effect can arrive in either order.
            if !stop.is_requested() {
                return Err(unexpected(ended));
            }
        }
        () = stop.requested() => {}
    }
    let drain = async { while workers.join_next().await.is_some() {} };
    tokio::select! {
        lost = &mut hold => lost?,
        drain = tokio::time::timeout(DRAIN, drain) => if drain.is_err() {
            tracing::warn!(after = ?DRAIN, "reconciles in hand did not end, leaving them");
        }
    }
    workers.shutdown().await;
    drained.stop();
    Ok(hold.await?)
}

/// Waits for `future`; returns whether it ended before the process was asked to stop.
async fn unless_stopped(
    parts: &mut Parts,
    stop: &Stop,
    future: impl Future<Output = ()>,
) -> Result<bool, RunError> {
    tokio::select! {
        () = future => Ok(true),
        () = stop.requested() => Ok(false),
        ended = parts.join_next() => Err(unexpected(ended)),
    }
}

fn unexpected(ended: Option<Result<&'static str, JoinError>>) -> RunError {
    match ended {
        Some(Ok(name)) => RunError::Ended(name),
        Some(Err(panic)) => RunError::Panicked(panic),
        None => RunError::Ended("everything"),
    }
}

async fn ready_when_filled<T>(
    filled: impl Future<Output = T>,
    all_filled: watch::Sender<bool>,
    stores: Stores,
    readiness: Readiness,
) {
    filled.await;
    all_filled.send_replace(true);
    let (clusters, hosts) = (stores.clusters.len(), stores.hosts.len());
    let (networks, managers) = (stores.networks.len(), stores.container_managers.len());
    let indices = stores.indices.len();
    tracing::info!(clusters, hosts, networks, managers, indices, "all objects are known");
    readiness.set(true);
}

fn stop_on_signal() -> Result<Stop, RunError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let (stopper, stop) = shutdown::channel();
    tokio::spawn(async move {
        for again in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if again {
                tracing::warn!("asked to stop again: leaving everything as it is");
                process::exit(1);
            }
            tracing::info!("asked to stop: finishing what is in hand");
            stopper.stop();
        }
    });
    Ok(stop)
}
