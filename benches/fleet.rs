//! An SSH server that stands for many Debian hosts, each at an address and with a key of its own,
//! and costs next to nothing. It knows the commands by which the operator looks at a host, and no
//! others.

use std::{
    collections::HashMap,
    fmt::Write as _,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use drover::ssh::{
    credentials::Credentials,
    host_key::HostKeyPolicy,
    target::{Hop, Target},
};
use jiff::Timestamp;
use russh::{
    Channel, ChannelId,
    keys::{Algorithm, HashAlg, PrivateKey, PublicKey, key::safe_rng, ssh_key::LineEnding},
    server::{self, Auth, ChannelOpenHandle, Config, Msg, Session, VerifiedPublicKey},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The user on all of them.
pub const USER: &str = "root";
/// Of the first one; all that begins with 127 is this machine.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 64, 0, 1);

/// Many hosts; gone when dropped.
pub struct Fleet {
    pub machines: Vec<Machine>,
    pub seen: Arc<Seen>,
    user: PrivateKey,
    _listening: JoinSet<()>,
}

/// One host.
pub struct Machine {
    pub address: String,
    pub port: u16,
    /// Of its key, as in `SHA256:...`.
    pub fingerprint: String,
}

/// What all of them saw together.
#[derive(Default)]
pub struct Seen {
    connections: AtomicUsize,
    sessions: AtomicUsize,
    opening: AtomicUsize,
    most_opening: AtomicUsize,
    commands: AtomicUsize,
    probes: AtomicUsize,
    looks: AtomicUsize,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// TCP connections.
    pub connections: usize,
    /// Those that came as far as a session.
    pub sessions: usize,
    /// The most connections that were on their way there at once.
    pub most_opening: usize,
    pub commands: usize,
    /// Those of the commands that only ask who the host is.
    pub probes: usize,
    /// Those that ask for all facts.
    pub looks: usize,
}

impl Seen {
    /// Begins to count anew.
    pub fn count_anew(&self) {
        let sessions = [&self.connections, &self.sessions, &self.most_opening];
        let commands = [&self.commands, &self.probes, &self.looks];
        for counter in sessions.into_iter().chain(commands) {
            counter.store(0, Ordering::SeqCst);
        }
    }

    /// What there was since then.
    pub fn counts(&self) -> Counts {
        let now = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        Counts {
            connections: now(&self.connections),
            sessions: now(&self.sessions),
            most_opening: now(&self.most_opening),
            commands: now(&self.commands),
            probes: now(&self.probes),
            looks: now(&self.looks),
        }
    }
}

impl Fleet {
    /// So many hosts, which all take one user's key.
    pub async fn start(count: usize) -> Self {
        let user = key();
        let seen = Arc::new(Seen::default());
        let (mut machines, mut listening) = (Vec::new(), JoinSet::new());
        for number in 0..count {
            let offset = u32::try_from(number).expect("few");
            let address = Ipv4Addr::from(u32::from(FIRST) + offset);
            let listener = TcpListener::bind((address, 0)).await.expect("an address of loopback");
            let host_key = key();
            machines.push(Machine {
                address: address.to_string(),
                port: listener.local_addr().expect("bound").port(),
                fingerprint: host_key.public_key().fingerprint(HashAlg::Sha256).to_string(),
            });
            let config = Arc::new(Config {
                keys: vec![host_key],
                auth_rejection_time: Duration::ZERO,
                ..Config::default()
            });
            let (taken, seen) = (Arc::new(user.public_key().clone()), Arc::clone(&seen));
            listening.spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    let peer = Peer::new(number, &taken, &seen);
                    tokio::spawn(serve(stream, Arc::clone(&config), peer));
                }
            });
        }
        Self { machines, seen, user, _listening: listening }
    }

    /// The user's private key, in OpenSSH's format.
    pub fn private_key(&self) -> String {
        self.user.to_openssh(LineEnding::LF).expect("a key").to_string()
    }

    /// The way to one host, for the library itself.
    pub fn target(&self, number: usize) -> Target {
        let Machine { address, port, fingerprint } = &self.machines[number];
        let fingerprints = vec![fingerprint.parse().expect("a fingerprint")];
        let key = self.private_key().into();
        let host = Hop {
            address: address.as_str().into(),
            port: *port,
            user: USER.into(),
            host_key: HostKeyPolicy { fingerprints, ..HostKeyPolicy::default() },
            credentials: Credentials::new(key),
        };
        Target { host, jump_hosts: Vec::new() }
    }
}

fn key() -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).expect("a key")
}

async fn serve(stream: TcpStream, config: Arc<Config>, peer: Peer) {
    let _ = stream.set_nodelay(true);
    if let Ok(running) = server::run_stream(config, stream, peer).await {
        let _ = running.await;
    }
}

/// One connection.
struct Peer {
    number: usize,
    user: Arc<PublicKey>,
    seen: Arc<Seen>,
    opening: Option<Opening>,
    lines: HashMap<ChannelId, String>,
}

/// Counts among those that are on their way to a session.
struct Opening(Arc<Seen>);

impl Drop for Opening {
    fn drop(&mut self) {
        self.0.opening.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Peer {
    fn new(number: usize, user: &Arc<PublicKey>, seen: &Arc<Seen>) -> Self {
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let opening = seen.opening.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most_opening.fetch_max(opening, Ordering::SeqCst);
        Self {
            number,
            user: Arc::clone(user),
            seen: Arc::clone(seen),
            opening: Some(Opening(Arc::clone(seen))),
            lines: HashMap::new(),
        }
    }

    /// What a command prints; nothing where it is unknown.
    fn answer(&self, line: &str) -> Option<String> {
        match line {
            "id -u" => Some("0\n".to_owned()),
            "sh -s -- probe '' ''" => {
                self.seen.probes.fetch_add(1, Ordering::SeqCst);
                Some(identity(self.number))
            }
            "sh -s -- all '' ''" => {
                self.seen.looks.fetch_add(1, Ordering::SeqCst);
                Some(identity(self.number) + FACTS)
            }
            _ => None,
        }
    }
}

/// What the script for facts prints first.
fn identity(number: usize) -> String {
    let now = Timestamp::now().as_second();
    let mut text = format!("clock={now}\ninit_started=12\n");
    let _ = writeln!(text, "boot_id=00000000-0000-4000-8000-{number:012x}");
    let _ = writeln!(text, "machine_id={:032x}", number + 1);
    text
}

/// What it prints then on a Debian that needs nothing.
const FACTS: &str = "\
os.VERSION_ID=\"12\"
os.ID=debian
kernel=6.1.0-18-amd64
architecture=x86_64
hostname=es
cpus=8
memory=32884256 kB
init=systemd
disk_root=/dev/sda1 102400000 40000000 62400000 40% /
package_manager=apt-get
installed_kernel=6.1.0-18-amd64
";

impl server::Handler for Peer {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        let taken = user == USER && *key.public_key.key_data() == *self.user.key_data();
        Ok(if taken { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), russh::Error> {
        drop(self.opening.take());
        self.seen.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        self.lines.insert(channel, String::from_utf8_lossy(line).into_owned());
        session.channel_success(channel)
    }

    /// All of a script was read.
    async fn channel_eof(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(line) = self.lines.remove(&channel) else { return Ok(()) };
        self.seen.commands.fetch_add(1, Ordering::SeqCst);
        let status = if let Some(text) = self.answer(&line) {
            session.data(channel, text.into_bytes())?;
            0
        } else {
            eprintln!("the fleet does not know {line}");
            127
        };
        session.exit_status_request(channel, status)?;
        session.eof(channel)?;
        session.close(channel)
    }
}
