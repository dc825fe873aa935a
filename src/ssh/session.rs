//! A session with one verified host: runs commands there, several at once.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use secrecy::ExposeSecret;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep, timeout_at},
};

use super::{
    command::{Command, Effect},
    connect::Connection,
    error::{Cause, Ending, Error},
    exec::{self, NotEnded},
    host_key::Accepted,
    output::Output,
    target::Limits,
};
use crate::gate::{Closed, WriteGate};

/// While a command runs that may change something, the right to do so is looked at this often.
const GLANCE: Duration = Duration::from_secs(1);
/// After so many commands that were given up, a server may have no room for others: sshd counts
/// them until they end.
const WORN: usize = 3;

/// Is told of every session and every command.
pub trait Meter: Send + Sync {
    /// An attempt at a session ended; `result` is `success` or a category.
    fn connection(&self, result: &'static str);
    /// A command ended; `result` is `success`, `failed` where its status was not 0, or a category.
    fn command(&self, what: &'static str, result: &'static str, seconds: f64);
}

/// A session with one host. Dropped, it is cut.
pub struct Session {
    host: Connection,
    /// Each leads to the next, and the last to the host.
    jump_hosts: Vec<Connection>,
    slots: Semaphore,
    given_up: AtomicUsize,
    gate: WriteGate,
    meter: Arc<dyn Meter>,
}

impl Session {
    /// `connections` lead to the host, which is the last; without any there is no session.
    pub(super) fn new(
        mut connections: Vec<Connection>,
        limits: &Limits,
        gate: WriteGate,
        meter: Arc<dyn Meter>,
    ) -> Option<Self> {
        let host = connections.pop()?;
        Some(Self {
            host,
            jump_hosts: connections,
            slots: Semaphore::new(limits.commands),
            given_up: AtomicUsize::new(0),
            gate,
            meter,
        })
    }

    /// The host's key, and why it was taken.
    #[must_use]
    pub fn host_key(&self) -> Accepted {
        self.host.accepted
    }

    /// The keys of all hops: those of the jump hosts first, the host's last.
    pub fn host_keys(&self) -> impl Iterator<Item = Accepted> {
        self.jump_hosts.iter().chain([&self.host]).map(|it| it.accepted)
    }

    /// Whether it is of no more use: broken, or full of commands that do not end.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.host.handle.is_closed() || WORN <= self.given_up.load(Ordering::Relaxed)
    }

    /// Runs `command` to its end, or to its deadline. A status other than 0 is no error here, see
    /// [`Output::succeeded`]; nor is an end that nobody knows, see [`Ending::Unknown`].
    ///
    /// # Errors
    /// Why it did not come to an end; see [`Error::leaves_outcome_open`].
    pub async fn run(&self, command: &Command) -> Result<Output, Error> {
        let start = Instant::now();
        let result = self.run_until(command, start + command.time_limit()).await;
        let word = match &result {
            Ok(output) if *output.ending() == Ending::Exited(0) => "success",
            Ok(_) => "failed",
            Err(error) => error.category().as_str(),
        };
        let seconds = start.elapsed().as_secs_f64();
        self.meter.command(command.what(), word, seconds);
        let host = &*self.host.host;
        tracing::debug!(host, command = command.what(), result = word, seconds, "command ran");
        result
    }

    async fn run_until(&self, command: &Command, end: Instant) -> Result<Output, Error> {
        let what = command.what();
        let host = || self.host.host.clone();
        let line = command.line().map_err(|problem| Error::InvalidCommand { what, problem })?;
        let script = command.script_on_stdin().map(String::into_bytes);
        let secret = || command.secret().map(|it| it.expose_secret().to_vec());
        let stdin = script.or_else(secret).unwrap_or_default();

        let _slot = self.slot(end).await?;
        if command.effect() == Effect::Writes {
            self.gate.check().map_err(|cause| Error::Closed { what, cause })?;
        }
        let timed_out = || Error::Timeout { host: host(), what, limit: command.time_limit() };
        let opened = timeout_at(end, self.host.handle.channel_open_session()).await;
        let channel = match opened {
            Ok(Ok(channel)) => channel,
            Err(_) => {
                // A server that lives answers this at once.
                self.given_up.fetch_add(WORN, Ordering::Relaxed);
                return Err(timed_out());
            }
            Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
                // A new connection may have room.
                self.given_up.fetch_add(WORN, Ordering::Relaxed);
                let cause = format!("it opens no more sessions ({})", reason.description());
                let cause = Cause::new(&cause);
                return Err(Error::Refused { host: host(), what, cause });
            }
            Ok(Err(_)) => return Err(self.host.lost()),
        };
        let run = exec::run(channel, line, stdin, command.byte_limit());
        let given_up = |error| {
            self.given_up.fetch_add(1, Ordering::Relaxed);
            Err(error)
        };
        let ended = tokio::select! {
            ended = timeout_at(end, run) => ended,
            cause = self.shut(), if command.effect() == Effect::Writes => {
                return given_up(Error::Interrupted { host: host(), what, cause });
            }
        };
        let ended = match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(NotEnded::NotSent)) => return Err(self.host.lost()),
            Ok(Err(NotEnded::Refused)) => {
                let cause = Cause::new("it runs no commands for this user");
                return Err(Error::Refused { host: host(), what, cause });
            }
            Ok(Err(NotEnded::TooMuchOutput)) => {
                let limit = command.byte_limit();
                return given_up(Error::TooMuchOutput { host: host(), what, limit });
            }
            Err(_) => return given_up(timed_out()),
        };
        let output = Output::new(host(), command, ended);
        let refusal = if command.runs_by_sudo() { output.sudo_refusal() } else { None };
        refusal.map_or(Ok(output), Err)
    }

    async fn slot(&self, end: Instant) -> Result<SemaphorePermit<'_>, Error> {
        match timeout_at(end, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::Busy { host: self.host.host.clone() }),
        }
    }

    /// Returns when this process may no longer write.
    async fn shut(&self) -> Closed {
        loop {
            match self.gate.remaining() {
                Ok(left) => sleep(left.min(GLANCE)).await,
                Err(closed) => return closed,
            }
        }
    }

    /// Says farewell to all hops, within `limit` each.
    pub(super) async fn close(self, limit: Duration) {
        self.host.close(limit).await;
        for jump in self.jump_hosts.into_iter().rev() {
            jump.close(limit).await;
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("host", &self.host.host).finish_non_exhaustive()
    }
}
