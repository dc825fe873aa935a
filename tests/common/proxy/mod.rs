//! A fault proxy for HTTP/1.1 between the operator and a server, Elasticsearch or the API server.
//!
//! It ends TLS with a certificate of its choice, keeps a ledger of all requests and connections, and delays,
//! holds, cuts, answers, rewrites or freezes what the test names. Without an upstream it is a
//! scripted server. It runs on threads of its own, whatever the test's runtime does.

mod body;
mod fault;
mod ledger;
mod serve;
mod tls;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Certificate};
use super::control_plane::ControlPlane;
use super::elasticsearch::Elasticsearch;
use super::init;
#[allow(unused_imports)] // each test binary needs some of these
pub use fault::{Answer, Damage, Fault, Moment, Payload, RuleId};
#[allow(unused_imports)]
pub use ledger::{Entry, Ledger, Outcome, lines};
pub use tls::Upstream;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("proxy")
        .enable_all()
        .build()
        .expect("a runtime")
});

/// A running proxy; it stops when dropped.
pub struct Proxy {
    address: SocketAddr,
    tls: bool,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

pub(crate) struct Shared {
    ledger: Ledger,
    rules: fault::Rules,
    connections: Counters,
    acceptor: Mutex<Option<TlsAcceptor>>,
    upstream: Mutex<Option<Upstream>>,
    frozen: watch::Sender<bool>,
    /// A change ends all connections.
    cut: watch::Sender<u64>,
    gone: watch::Sender<bool>,
    requests: AtomicU64,
}

#[derive(Default)]
struct Counters {
    accepted: AtomicU64,
    received: Arc<AtomicU64>,
    failures: Mutex<Vec<String>>,
}

/// What the clients' connections came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// TCP connections accepted.
    pub accepted: u64,
    /// Why TLS handshakes failed.
    pub handshake_failures: Vec<String>,
    /// Bytes that clients sent after the handshake. Zero proves that no credential was.
    pub bytes_received: u64,
}

impl Proxy {
    /// Before an Elasticsearch node, with a good certificate of its own where that has TLS.
    pub fn before_elasticsearch(elasticsearch: &Elasticsearch) -> Self {
        Self::before_node(elasticsearch, 0)
    }

    /// Before any node of a cluster.
    pub fn before_node(elasticsearch: &Elasticsearch, node: usize) -> Self {
        let authority = Authority::shared();
        let tls = elasticsearch.tls();
        let upstream = Upstream {
            address: elasticsearch.address(node),
            authority: tls.then(|| authority.file()),
        };
        Self::start(tls.then(|| authority.server()).as_ref(), Some(upstream))
    }

    /// Before the API server.
    pub fn before_kubernetes(control_plane: &ControlPlane) -> Self {
        let upstream = Self::kubernetes(control_plane);
        Self::start(Some(&Authority::shared().server()), Some(upstream))
    }

    /// Before the API server, at an address of this machine that others reach.
    pub fn before_kubernetes_at(control_plane: &ControlPlane, ip: &str) -> Self {
        let certificate = Authority::shared().issue("kube-apiserver", &format!("IP:{ip}"), None);
        Self::start_at(ip, Some(&certificate), Some(Self::kubernetes(control_plane)))
    }

    fn kubernetes(control_plane: &ControlPlane) -> Upstream {
        let kubeconfig = control_plane.kubeconfig();
        let address = kubeconfig.server.trim_start_matches("https://").to_owned();
        Upstream { address, authority: Some(kubeconfig.authority.clone()) }
    }

    /// A server whose every answer is made by a function.
    pub fn scripted(
        certificate: Option<&Certificate>,
        respond: impl Fn(&Entry) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::scripted_at("127.0.0.1", certificate, respond)
    }

    /// The same, at an address of this machine that others reach.
    pub fn scripted_at(
        ip: &str,
        certificate: Option<&Certificate>,
        respond: impl Fn(&Entry) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let it = Self::start_at(ip, certificate, None);
        it.inject(|_| true, Fault::Respond(Arc::new(respond)));
        it
    }

    /// Any proxy; without a certificate it speaks plain HTTP.
    pub fn start(certificate: Option<&Certificate>, upstream: Option<Upstream>) -> Self {
        Self::start_at("127.0.0.1", certificate, upstream)
    }

    fn start_at(ip: &str, certificate: Option<&Certificate>, upstream: Option<Upstream>) -> Self {
        init();
        let shared = Arc::new(Shared {
            ledger: Ledger::default(),
            rules: fault::Rules::default(),
            connections: Counters::default(),
            acceptor: Mutex::new(certificate.map(tls::acceptor)),
            upstream: Mutex::new(upstream),
            frozen: watch::Sender::new(false),
            cut: watch::Sender::new(0),
            gone: watch::Sender::new(false),
            requests: AtomicU64::new(0),
        });
        let listener = std::net::TcpListener::bind((ip, 0)).expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("bound");
        let _entered = RUNTIME.enter();
        let listener = TcpListener::from_std(listener).expect("a socket");
        let accepting = RUNTIME.spawn(serve::accept(listener, shared.clone()));
        Self { address, tls: certificate.is_some(), shared, accepting }
    }

    /// Its own URL, as in `https://127.0.0.1:40001`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.address)
    }

    /// Its own `address:port`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What went through.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Does this to all requests that match, until the rule is removed. The newest rule wins.
    pub fn inject(
        &self,
        matches: impl Fn(&Entry) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) -> RuleId {
        self.inject_times(usize::MAX, matches, fault)
    }

    /// Does this to the next `times` requests that match.
    pub fn inject_times(
        &self,
        times: usize,
        matches: impl Fn(&Entry) -> bool + Send + Sync + 'static,
        fault: Fault,
    ) -> RuleId {
        self.shared.rules.add(times, Box::new(matches), fault)
    }

    /// How often a rule has struck.
    pub fn hits(&self, rule: RuleId) -> usize {
        self.shared.rules.hits(rule)
    }

    /// Takes a rule back.
    pub fn remove(&self, rule: RuleId) {
        self.shared.rules.remove(rule);
    }

    /// Takes all rules back.
    pub fn clear_faults(&self) {
        self.shared.rules.clear();
    }

    /// Calls `hook` (as a rule: kill the operator) at the `number`-th write from now that matches,
    /// counted from 1: before the server gets it, or after the server has answered. The client never hears.
    pub fn crash_at(
        &self,
        number: usize,
        moment: Moment,
        matches: impl Fn(&Entry) -> bool + Send + Sync + 'static,
        hook: impl FnOnce() + Send + 'static,
    ) -> CrashPoint {
        let seen = AtomicUsize::new(0);
        let is_it = move |entry: &Entry| {
            entry.is_write() && matches(entry) && seen.fetch_add(1, Ordering::Relaxed) + 1 == number
        };
        let reached = Arc::new(Mutex::new(None));
        let (hook, report) = (Mutex::new(Some(hook)), reached.clone());
        let fault = Fault::Hook(
            moment,
            Arc::new(move |entry| {
                if let Some(hook) = hook.lock().unwrap().take() {
                    hook();
                }
                *report.lock().unwrap() = Some(entry.clone());
            }),
        );
        let rule = self.inject_times(1, is_it, fault);
        CrashPoint { reached, rule }
    }

    /// Freezes everything: new connections are accepted, nothing is read, forwarded or answered.
    pub fn freeze(&self) {
        self.shared.frozen.send_replace(true);
    }

    /// Ends [`Self::freeze`]: what was on its way goes on.
    pub fn thaw(&self) {
        self.shared.frozen.send_replace(false);
    }

    /// Ends all connections that are open now.
    pub fn cut_connections(&self) {
        self.shared.cut.send_modify(|count| *count += 1);
    }

    /// Forwards to another server from the next request on.
    pub fn set_upstream(&self, upstream: Upstream) {
        *self.shared.upstream.lock().unwrap() = Some(upstream);
    }

    /// Shows another certificate from the next connection on.
    pub fn set_certificate(&self, certificate: &Certificate) {
        assert!(self.tls, "this proxy speaks plain HTTP");
        *self.shared.acceptor.lock().unwrap() = Some(tls::acceptor(certificate));
    }

    /// The connections so far.
    pub fn connections(&self) -> Connections {
        let counters = &self.shared.connections;
        Connections {
            accepted: counters.accepted.load(Ordering::Relaxed),
            handshake_failures: counters.failures.lock().unwrap().clone(),
            bytes_received: counters.received.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.gone.send_replace(true);
    }
}

impl Shared {
    fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

/// A crash that was asked for by [`Proxy::crash_at`].
#[derive(Debug)]
pub struct CrashPoint {
    reached: Arc<Mutex<Option<Entry>>>,
    rule: RuleId,
}

impl CrashPoint {
    /// The request at which it happened, once it has.
    pub fn reached(&self) -> Option<Entry> {
        self.reached.lock().unwrap().clone()
    }

    /// Its rule, to take it back.
    pub fn rule(&self) -> RuleId {
        self.rule
    }
}
