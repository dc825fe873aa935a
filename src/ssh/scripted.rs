//! An SSH server in this process that does what a test tells it, for faults that a real one does
//! not have.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use russh::{
    keys::{Algorithm, Certificate, PrivateKey, PublicKey, key::safe_rng, ssh_key::LineEnding},
    server,
};
use tokio::{net::TcpListener, task::AbortHandle};

use self::{freezing::Freezing, peer::Peer};
use super::{
    credentials::Credentials,
    host_key::{Fingerprint, HostKeyPolicy},
    target::{Hop, Limits, Target},
};
use crate::contained::{self, Cut};

mod exec;
mod freezing;
mod peer;

/// What a server shows, takes and does. The word of a command that is not in `exec` below is run
/// by a real shell.
pub(super) struct Script {
    pub(super) key: PrivateKey,
    pub(super) certificate: Option<Certificate>,
    /// The user's key that is taken.
    pub(super) user: PublicKey,
    /// Who may sign the user's certificate.
    pub(super) authority: Option<PublicKey>,
    pub(super) hang: Hang,
    pub(super) banner: Option<String>,
    /// Channels that may be open at once.
    pub(super) channels: usize,
    /// Whether it tries to open channels of its own.
    pub(super) intrudes: bool,
}

/// Where a server stops to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hang {
    Never,
    Authenticate,
    /// It does not hang there, but ends the connection.
    BreakOff,
    Channel,
    Exec,
}

/// What a server saw.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: AtomicUsize,
    /// Attempts to authenticate, of any kind.
    pub(super) attempts: AtomicUsize,
    /// Channels that are open.
    pub(super) open: AtomicUsize,
    /// Channels of its own that the client let it open.
    pub(super) intrusions: AtomicUsize,
    /// Channels of its own that the client refused.
    pub(super) rebuffs: AtomicUsize,
    pub(super) lines: Mutex<Vec<String>>,
    pub(super) signals: Mutex<Vec<String>>,
    pub(super) algorithms: Mutex<Vec<String>>,
}

/// A running server, gone when dropped.
pub(super) struct Server {
    pub(super) port: u16,
    pub(super) seen: Arc<Seen>,
    pub(super) fingerprint: Fingerprint,
    frozen: Arc<AtomicBool>,
    connections: Arc<Mutex<Vec<Cut>>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

pub(super) fn key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap()
}

/// What tests are patient with.
pub(super) fn limits() -> Limits {
    let connect = Duration::from_secs(5);
    Limits { connect, authenticate: connect, ..Limits::default() }
}

impl Script {
    /// A server that takes `user` and works.
    pub(super) fn for_user(user: &PrivateKey) -> Self {
        Self {
            key: key(),
            certificate: None,
            user: user.public_key().clone(),
            authority: None,
            hang: Hang::Never,
            banner: None,
            channels: 10,
            intrudes: false,
        }
    }

    pub(super) async fn serve(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let frozen = Arc::new(AtomicBool::new(false));
        let connections = Arc::new(Mutex::new(Vec::new()));
        let fingerprint = Fingerprint::of(self.key.public_key().key_data());
        let config = Arc::new(server::Config {
            keys: vec![self.key.clone()],
            certificates: self.certificate.iter().cloned().collect(),
            auth_rejection_time: Duration::ZERO,
            ..server::Config::default()
        });
        let script = Arc::new(self);
        let task = tokio::spawn({
            let (seen, frozen) = (Arc::clone(&seen), Arc::clone(&frozen));
            let connections = Arc::clone(&connections);
            async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    seen.connections.fetch_add(1, Ordering::SeqCst);
                    let stream = Freezing { inner: stream, frozen: Arc::clone(&frozen) };
                    let (stream, cut) = contained::Stream::new(stream);
                    connections.lock().unwrap().push(cut);
                    let peer = Peer { script: Arc::clone(&script), seen: Arc::clone(&seen) };
                    let config = Arc::clone(&config);
                    tokio::spawn(async move {
                        if let Ok(running) = server::run_stream(config, stream, peer).await {
                            let _ = running.await;
                        }
                    });
                }
            }
        });
        Server { port, seen, fingerprint, frozen, connections, task: task.abort_handle() }
    }
}

impl Server {
    /// The server as a hop that is trusted by its key.
    pub(super) fn hop(&self, user: &PrivateKey) -> Hop {
        let host_key =
            HostKeyPolicy { fingerprints: vec![self.fingerprint], ..HostKeyPolicy::default() };
        let key = user.to_openssh(LineEnding::LF).unwrap();
        Hop {
            address: "127.0.0.1".into(),
            port: self.port,
            user: "drover".into(),
            host_key,
            credentials: Credentials::new(key.as_str().into()),
        }
    }

    /// The server as a target without jump hosts.
    pub(super) fn target(&self, user: &PrivateKey) -> Target {
        Target { host: self.hop(user), jump_hosts: Vec::new() }
    }

    /// From now on nothing is read and nothing is written, on any connection.
    pub(super) fn freeze(&self) {
        self.frozen.store(true, Ordering::SeqCst);
    }

    /// Breaks all connections.
    pub(super) fn cut(&self) {
        self.connections.lock().unwrap().clear();
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.seen.lines.lock().unwrap().clone()
    }
}

/// Waits until `condition` holds.
pub(super) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(waited.is_ok(), "it did not come about that {what}");
}
