//! Opens a session: TCP or a jump host's channel, key exchange with a check of the server's key,
//! and only then the user's key.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use jiff::Timestamp;
use russh::{
    Disconnect,
    client::{self, AuthResult, Handle},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};

use super::{
    algorithms,
    authenticate::{self, Answer},
    credentials::Identity,
    error::{Cause, Error, Stage},
    handler::{Stop, Told, Verifier},
    host_key::Accepted,
    target::{Hop, Limits, Target},
};
use crate::contained::{self, Cut};

/// Of a name's addresses, so many are tried.
const ADDRESSES: usize = 4;

/// An authenticated SSH connection to one server. Dropped, it is cut.
pub(super) struct Connection {
    pub(super) host: Box<str>,
    pub(super) handle: Handle<Verifier>,
    pub(super) accepted: Accepted,
    told: Arc<Told>,
    _cut: Cut,
}

impl Connection {
    /// Why the connection is gone.
    pub(super) fn lost(&self) -> Error {
        Error::Lost { host: self.host.clone(), cause: self.told.end() }
    }

    /// Says farewell, as far as the server listens.
    pub(super) async fn close(self, limit: Duration) {
        let farewell = async {
            let _ = self.handle.disconnect(Disconnect::ByApplication, "", "").await;
            let _ = self.handle.await;
        };
        let _ = timeout(limit, farewell).await;
    }
}

/// Opens connections to all hops of `target`, each through the one before; the host's is the last.
///
/// # Errors
/// Why it did not come about. A panic of the library ends here.
pub(super) async fn connect(target: Target, limits: Limits) -> Result<Vec<Connection>, Error> {
    let host = target.host.name();
    let work = contained::run(async move {
        let mut connections: Vec<Connection> = Vec::with_capacity(target.jump_hosts.len() + 1);
        // All of them are read before anybody is asked anything.
        let mut identities = Vec::new();
        let end = Instant::now() + limits.connect;
        for hop in target.hops() {
            // What is decrypted too late is there the next time.
            let late = |_| Error::Busy { host: hop.name() };
            identities.push(timeout_at(end, read(hop)).await.map_err(late)??);
        }
        for (hop, identity) in target.hops().zip(identities) {
            let via = connections.last();
            connections.push(open(hop, identity, via, &limits).await?);
        }
        Ok(connections)
    });
    work.await.unwrap_or(Err(Error::Fault { host }))
}

async fn read(hop: &Hop) -> Result<Identity, Error> {
    let credentials = hop.credentials.clone();
    let work = contained::run_blocking(move || credentials.read(Timestamp::now()));
    let identity = work.await.map_err(|_| Error::Fault { host: hop.name() })?;
    identity.map_err(|problem| Error::Credentials { host: hop.name(), problem })
}

async fn open(
    hop: &Hop,
    identity: Identity,
    via: Option<&Connection>,
    limits: &Limits,
) -> Result<Connection, Error> {
    let host = hop.name();
    let mut connection = match via {
        None => handshake(hop, tcp(hop, limits).await?, limits).await?,
        Some(jump) => handshake(hop, forward(hop, jump, limits).await?, limits).await?,
    };
    let limit = limits.authenticate;
    let asked = authenticate::with(&mut connection.handle, &hop.user, identity);
    let answer = timeout(limit, asked).await.map_err(|_| Error::Slow {
        host: host.clone(),
        stage: Stage::Authenticate,
        limit,
    })?;
    match answer {
        Ok(AuthResult::Success) => Ok(connection),
        Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
            match Answer::new(&remaining_methods, partial_success, connection.told.was_refused()) {
                Answer::Refused(hint) => {
                    Err(Error::Unauthorized { host, user: hop.user.clone(), hint })
                }
                Answer::None => Err(connection.lost()),
            }
        }
        Err(_) => Err(connection.lost()),
    }
}

/// A TCP connection to the first address of `hop` that takes one.
async fn tcp(hop: &Hop, limits: &Limits) -> Result<TcpStream, Error> {
    let host = hop.name();
    let end = Instant::now() + limits.connect;
    let slow = || Error::Slow { host: host.clone(), stage: Stage::Connect, limit: limits.connect };
    let failed = |cause: &str| Error::Connect { host: host.clone(), cause: Cause::new(cause) };
    let found = timeout_at(end, lookup_host((&*hop.address, hop.port))).await;
    let found = found.map_err(|_| slow())?.map_err(|error| failed(&error.to_string()))?;
    let addresses: Vec<SocketAddr> = found.take(ADDRESSES).collect();
    let mut last = failed("the name has no address");
    for (turn, address) in addresses.iter().enumerate() {
        // One that swallows everything leaves time for the others.
        let left = end.saturating_duration_since(Instant::now());
        let turns = u32::try_from(addresses.len() - turn).unwrap_or(1);
        match timeout(left / turns, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = failed(&error.to_string()),
            Err(_) => last = slow(),
        }
    }
    Err(last)
}

/// A way to `hop` through a jump host.
async fn forward(
    hop: &Hop,
    jump: &Connection,
    limits: &Limits,
) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, Error> {
    let (host, limit) = (hop.name(), limits.connect);
    let asked =
        jump.handle.channel_open_direct_tcpip(&*hop.address, u32::from(hop.port), "127.0.0.1", 0);
    match timeout(limit, asked).await {
        Ok(Ok(channel)) => Ok(channel.into_stream()),
        Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
            let cause = Cause::new(reason.description());
            Err(Error::Forward { host, jump: jump.host.clone(), cause })
        }
        Ok(Err(_)) => Err(jump.lost()),
        Err(_) => Err(Error::Slow { host, stage: Stage::Forward, limit }),
    }
}

/// Agrees on keys with the server at the other end of `stream`, if it is the one that was meant.
async fn handshake<S>(hop: &Hop, stream: S, limits: &Limits) -> Result<Connection, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (host, limit) = (hop.name(), limits.connect);
    let told = Arc::new(Told::default());
    let verifier = Verifier::new(hop.host_key.clone(), hop.address.clone(), Arc::clone(&told));
    let config = algorithms::config(limits, hop.host_key.takes_certificates());
    let (stream, cut) = contained::Stream::new(stream);
    let begun = timeout(limit, client::connect_stream(config, stream, verifier)).await;
    let slow = |_| Error::Slow { host: host.clone(), stage: Stage::Handshake, limit };
    let handle = begun.map_err(slow)?.map_err(|stop| refused(&host, stop))?;
    // Without a verdict there is no session, whatever the library thinks.
    let Some(accepted) = told.accepted() else {
        return Err(Error::Handshake { host, cause: Cause::new("the server showed no key") });
    };
    Ok(Connection { host, handle, accepted, told, _cut: cut })
}

fn refused(host: &str, stop: Stop) -> Error {
    let host = host.into();
    match stop {
        Stop::HostKey(refusal) => Error::HostKey { host, refusal },
        Stop::Ssh(russh::Error::Join(_)) => Error::Fault { host },
        // sshd does so with those that are too many (MaxStartups), and while it stops.
        Stop::Ssh(russh::Error::IO(_) | russh::Error::Disconnect | russh::Error::HUP) => {
            let cause = Cause::new("it closed the connection before an SSH session began");
            Error::Connect { host, cause }
        }
        Stop::Ssh(russh::Error::NoCommonAlgo { kind, theirs, .. }) => {
            let offer = theirs.join(", ");
            let cause = format!("it offers no safe {kind:?} algorithm, only {offer}");
            Error::Handshake { host, cause: Cause::new(&cause) }
        }
        Stop::Ssh(error) => Error::Handshake { host, cause: Cause::new(&error.to_string()) },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        pin::Pin,
        task::{Context, Poll},
    };

    use tokio::{
        io::{AsyncWriteExt, DuplexStream, ReadBuf, duplex},
        task::{Id, try_id},
    };

    use super::*;
    use crate::ssh::{credentials::Credentials, host_key::HostKeyPolicy};

    /// Panics in the task that the library spawns for itself, as a fault of it would.
    struct Faulty {
        inner: DuplexStream,
        caller: Option<Id>,
    }

    impl AsyncRead for Faulty {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if try_id() != self.caller {
                assert!(contained::is_current(), "it would end the process");
                panic!("on purpose");
            }
            Pin::new(&mut self.inner).poll_read(context, buffer)
        }
    }

    impl AsyncWrite for Faulty {
        fn poll_write(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.inner).poll_write(context, bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.inner).poll_flush(context)
        }

        fn poll_shutdown(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.inner).poll_shutdown(context)
        }
    }

    #[tokio::test]
    async fn a_panic_of_the_library_ends_one_connection() {
        let hop = Hop {
            address: "h1".into(),
            port: 22,
            user: "drover".into(),
            host_key: HostKeyPolicy::default(),
            credentials: Credentials::new("".into()),
        };
        let (near, mut far) = duplex(4096);
        far.write_all(b"SSH-2.0-evil\r\n").await.unwrap();
        let error = contained::run(async move {
            let stream = Faulty { inner: near, caller: try_id() };
            handshake(&hop, stream, &Limits::default()).await.map(|_| ())
        });
        assert_eq!(error.await, Ok(Err(Error::Fault { host: "h1:22".into() })));
    }
}
