//! An SSH server in this process that does what a test tells it, for faults that a real one does
//! not have.

use std::{
    future::pending,
    io,
    pin::Pin,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use russh::{
    Channel, ChannelId, ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, Sig,
    keys::{Algorithm, Certificate, PrivateKey, PublicKey, key::safe_rng},
    server::{self, Auth, ChannelOpenHandle, Msg, PublicKeyOffer, Session, VerifiedPublicKey},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::Command,
    task::AbortHandle,
};

use crate::contained::{self, Cut};

use super::{
    credentials::Credentials,
    host_key::{Fingerprint, HostKeyPolicy},
    target::{Hop, Limits, Target},
};

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
        let key = user.to_openssh(russh::keys::ssh_key::LineEnding::LF).unwrap();
        Hop {
            address: "127.0.0.1".into(),
            port: self.port,
            user: "drover".into(),
            host_key,
            credentials: Credentials {
                key: key.as_str().into(),
                passphrase: None,
                certificate: None,
            },
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

struct Peer {
    script: Arc<Script>,
    seen: Arc<Seen>,
}

impl Peer {
    async fn attempt(&self, taken: bool) -> Result<Auth, russh::Error> {
        self.seen.attempts.fetch_add(1, Ordering::SeqCst);
        match self.script.hang {
            Hang::Authenticate => pending::<()>().await,
            Hang::BreakOff => return Err(russh::Error::Disconnect),
            _ => {}
        }
        Ok(if taken { Auth::Accept } else { Auth::reject() })
    }
}

impl server::Handler for Peer {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(self.script.banner.clone())
    }

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        self.attempt(false).await
    }

    async fn auth_password(&mut self, _: &str, _: &str) -> Result<Auth, russh::Error> {
        self.attempt(false).await
    }

    async fn auth_publickey_offered(
        &mut self,
        _: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        self.seen.algorithms.lock().unwrap().push(offer.algorithm.to_string());
        // A certificate is offered as the key that it is for.
        let known = *offer.public_key.key_data() == *self.script.user.key_data();
        self.attempt(known || self.script.authority.is_some()).await
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, russh::Error> {
        self.attempt(*key.public_key.key_data() == *self.script.user.key_data()).await
    }

    async fn auth_openssh_certificate(
        &mut self,
        _: &str,
        certificate: &Certificate,
    ) -> Result<Auth, russh::Error> {
        let authority = self.script.authority.as_ref().map(PublicKey::key_data);
        self.attempt(Some(certificate.signature_key()) == authority).await
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), russh::Error> {
        if self.script.intrudes {
            let (handle, seen) = (session.handle(), Arc::clone(&self.seen));
            tokio::spawn(async move {
                for opened in [
                    handle.channel_open_session().await.is_ok(),
                    handle.channel_open_agent().await.is_ok(),
                    handle.channel_open_forwarded_tcpip("a", 1, "b", 2).await.is_ok(),
                    handle.channel_open_forwarded_streamlocal("/a").await.is_ok(),
                    handle.channel_open_direct_tcpip("a", 1, "b", 2).await.is_ok(),
                    handle.channel_open_direct_streamlocal("/a").await.is_ok(),
                    handle.channel_open_x11("a", 1).await.is_ok(),
                ] {
                    let counter = if opened { &seen.intrusions } else { &seen.rebuffs };
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.script.hang == Hang::Channel {
            tokio::spawn(async move {
                let _reply = reply;
                pending::<()>().await;
            });
            return Ok(());
        }
        if self.script.channels <= self.seen.open.load(Ordering::SeqCst) {
            reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
            return Ok(());
        }
        self.seen.open.fetch_add(1, Ordering::SeqCst);
        reply.accept().await;
        let seen = Arc::clone(&self.seen);
        tokio::spawn(async move {
            serve(channel, &seen).await;
            seen.open.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if self.script.hang == Hang::Channel {
            tokio::spawn(async move {
                let _reply = reply;
                pending::<()>().await;
            });
            return Ok(());
        }
        let port = u16::try_from(port).unwrap();
        match TcpStream::connect((host, port)).await {
            Ok(mut onward) => {
                reply.accept().await;
                tokio::spawn(async move {
                    let _ = copy_bidirectional(&mut channel.into_stream(), &mut onward).await;
                });
            }
            Err(_) => reply.reject(ChannelOpenFailure::ConnectFailed).await,
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        line: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let line = String::from_utf8_lossy(line).into_owned();
        self.seen.lines.lock().unwrap().push(line.clone());
        match line.as_str() {
            _ if self.script.hang == Hang::Exec => Ok(()),
            "refuse" => session.channel_failure(channel),
            "break" => Err(russh::Error::Disconnect),
            "killed" => {
                session.channel_success(channel)?;
                let handle = session.handle();
                tokio::spawn(async move {
                    let nothing = String::new;
                    let killed =
                        handle.exit_signal_request(channel, Sig::KILL, false, nothing(), nothing());
                    let _ = killed.await;
                    let _ = handle.close(channel).await;
                });
                Ok(())
            }
            _ => session.channel_success(channel),
        }
    }
}

/// Serves one channel until it is closed.
async fn serve(channel: Channel<Msg>, seen: &Seen) {
    let (mut reading, writing) = channel.split();
    let mut stdin = Vec::new();
    let mut line = None;
    while let Some(message) = reading.wait().await {
        match message {
            ChannelMsg::Exec { command, .. } => {
                line = Some(String::from_utf8(command).unwrap());
                if exec(&mut reading, &writing, line.as_deref().unwrap(), seen).await {
                    return;
                }
            }
            ChannelMsg::Data { data } => stdin.extend_from_slice(&data),
            ChannelMsg::Eof => {
                let Some(line) = line.take() else { continue };
                if !SPECIAL.contains(&&*line) {
                    shell(&writing, &line, &stdin).await;
                    return;
                }
            }
            ChannelMsg::Signal { signal } => {
                seen.signals.lock().unwrap().push(format!("{signal:?}"));
            }
            _ => {}
        }
    }
}

/// Commands that do not end as commands of a real server do.
const SPECIAL: [&str; 4] = ["hang", "refuse", "break", "killed"];

/// Whether the command was one of the server's own and is done.
async fn exec(
    reading: &mut ChannelReadHalf,
    writing: &ChannelWriteHalf<Msg>,
    line: &str,
    seen: &Seen,
) -> bool {
    match line {
        "endless" => {
            let data = vec![b'y'; 32 * 1024];
            loop {
                tokio::select! {
                    sent = writing.data_bytes(data.clone()) => if sent.is_err() { return true },
                    message = reading.wait() => match message {
                        Some(ChannelMsg::Signal { signal }) => {
                            seen.signals.lock().unwrap().push(format!("{signal:?}"));
                        }
                        Some(ChannelMsg::Close) | None => return true,
                        Some(_) => {}
                    },
                }
            }
        }
        "vanish" => {
            let _ = writing.data_bytes(b"so far".to_vec()).await;
            let _ = writing.close().await;
        }
        "daemon" => {
            let _ = writing.exit_status(0).await;
            // Its output stays open; the client has to end it.
            while !matches!(reading.wait().await, Some(ChannelMsg::Close) | None) {}
        }
        _ if line.starts_with("sudo -n -- refused") => {
            let words = b"sudo: a password is required\n".to_vec();
            let _ = writing.extended_data_bytes(1, words).await;
            let _ = writing.exit_status(1).await;
            let _ = writing.close().await;
        }
        _ => return false,
    }
    true
}

/// Runs `line` as sshd would.
async fn shell(writing: &ChannelWriteHalf<Msg>, line: &str, stdin: &[u8]) {
    let mut process = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    // A command may end without reading.
    let _ = process.stdin.take().unwrap().write_all(stdin).await;
    let output = process.wait_with_output().await.unwrap();
    let _ = writing.data_bytes(output.stdout).await;
    let _ = writing.extended_data_bytes(1, output.stderr).await;
    let status = output.status.code().unwrap().cast_unsigned();
    let _ = writing.exit_status(status).await;
    let _ = writing.eof().await;
    let _ = writing.close().await;
}

/// A stream through which, once frozen, nothing comes any more.
struct Freezing {
    inner: TcpStream,
    frozen: Arc<AtomicBool>,
}

impl AsyncRead for Freezing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.frozen.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for Freezing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.frozen.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
