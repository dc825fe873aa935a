//! Asks one API server. Each call has a deadline; each write passes the gate and is sent once.

use std::{fmt, future::Future, time::Duration};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, client::Client as KubeClient, core::Status};
use secrecy::ExposeSecret as _;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    connection::{Auth, Connection, ConnectionError},
    error::Error,
    wire::Wire,
};
use crate::{
    foreign::{Cause, capped},
    gate::WriteGate,
    redaction::Secrets,
    transport::{Failure, origin},
};

/// What the server records as the author of Drover's changes.
pub(super) const FIELD_MANAGER: &str = "drover";

/// The longest that one call may take.
const CALL: Duration = Duration::from_secs(10);
/// Calls to one server at a time: a sick one shall not hold on to more.
const CONCURRENT: usize = 8;

/// Talks to one API server over verified, kept connections. It follows no redirect, uses no proxy
/// and sends nothing twice.
pub struct Client {
    kube: KubeClient,
    server: Box<str>,
    address: Box<str>,
    secrets: Secrets,
    gate: WriteGate,
    slots: Semaphore,
}

impl Client {
    /// A client for `connection`; to be called from within a tokio runtime. Nothing is sent yet.
    ///
    /// # Errors
    /// Which part of `connection` can't be used.
    pub fn new(connection: &Connection, gate: WriteGate) -> Result<Self, ConnectionError> {
        let kube = KubeClient::new(Wire::new(connection)?, "default");
        let secrets = match &connection.auth {
            Auth::Token(token) => Secrets::new(&[token.expose_secret().to_owned()]),
            Auth::Anonymous | Auth::ClientCertificate { .. } => Secrets::new(&[]),
        };
        let server = origin(&connection.server);
        let address = connection.server.as_str().into();
        Ok(Self { kube, server, address, secrets, gate, slots: Semaphore::new(CONCURRENT) })
    }

    /// The whole address of the server, which carries no secret.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn kube(&self) -> KubeClient {
        self.kube.clone()
    }

    pub(super) fn nodes(&self) -> Api<Node> {
        Api::all(self.kube())
    }

    pub(super) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.kube(), namespace)
    }

    pub(super) fn all_pods(&self) -> Api<Pod> {
        Api::all(self.kube())
    }

    /// Waits for `request`, which changes nothing; `attempt` says what it is to do, such as
    /// `read the Node web-1`.
    pub(super) async fn read<T>(
        &self,
        attempt: impl Fn() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        self.call(CALL, attempt, request).await
    }

    /// The same for a write, which must not be on its way any more when this process may not write.
    pub(super) async fn write<T>(
        &self,
        attempt: impl Fn() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        let closed = |cause| Error::Closed { attempt: attempt().into(), cause };
        let left = self.gate.remaining().map_err(closed)?;
        self.call(CALL.min(left), &attempt, async {
            // The slot may have been waited for.
            self.gate.check().map_err(|it| kube::Error::Service(it.into()))?;
            request.await
        })
        .await
    }

    async fn call<T>(
        &self,
        limit: Duration,
        attempt: impl Fn() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        let in_a_slot = async {
            // The semaphore is never closed.
            let _slot = self.slots.acquire().await;
            request.await
        };
        match timeout_at(Instant::now() + limit, in_a_slot).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.error(attempt().into(), error)),
            Err(_) => Err(Error::Timeout {
                server: self.server.clone(),
                attempt: attempt().into(),
                after: CALL,
            }),
        }
    }

    /// What may be kept of a text that the server wrote.
    pub(super) fn kept(&self, text: &str) -> Box<str> {
        capped(&self.secrets.blotted(text))
    }

    fn error(&self, attempt: Box<str>, error: kube::Error) -> Error {
        let server = self.server.clone();
        match error {
            kube::Error::Api(status) => self.refusal(attempt, &status),
            kube::Error::Service(error) => match error.downcast::<Failure>() {
                Ok(failure) => Error::Failed { server, attempt, failure: *failure },
                Err(error) => match error.downcast::<crate::gate::Closed>() {
                    Ok(cause) => Error::Closed { attempt, cause: *cause },
                    Err(error) => {
                        let cause = Cause::new(&self.kept(&error.to_string()));
                        let failure = Failure::Interrupted(cause);
                        Error::Failed { server, attempt, failure }
                    }
                },
            },
            other => {
                let cause = Cause::new(&self.kept(&other.to_string()));
                Error::UnexpectedAnswer { server, attempt, cause }
            }
        }
    }

    fn refusal(&self, attempt: Box<str>, status: &Status) -> Error {
        let server = self.server.clone();
        let reason = match self.kept(&status.message) {
            empty if empty.is_empty() => "no reason given".into(),
            reason => reason,
        };
        // A certificate of an authority that the server does not know makes it take Drover for
        // nobody, without a word.
        let is_nobody = reason.contains("\"system:anonymous\"");
        match status.code {
            401 => Error::Unauthorized { server, reason },
            403 if is_nobody => Error::Unauthorized { server, reason },
            403 => Error::Forbidden { server, attempt, reason },
            429 => {
                let seconds = status.details.as_ref().map_or(0, |it| it.retry_after_seconds);
                let retry_after = (seconds != 0).then(|| Duration::from_secs(seconds.into()));
                Error::Busy { server, attempt, retry_after, reason }
            }
            code => {
                let word = self.kept(&status.reason);
                Error::Refused { server, attempt, code, word, reason }
            }
        }
    }

    /// The error that the server takes Drover for `user`, who is nobody.
    pub(super) fn anonymous(&self, user: &str) -> Error {
        let reason = format!("it takes Drover for {user}").into();
        Error::Unauthorized { server: self.server.clone(), reason }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
impl Client {
    /// A client of a scripted server.
    pub(super) fn scripted(kube: KubeClient) -> Self {
        Self {
            kube,
            server: "https://nodes.example".into(),
            address: "https://nodes.example/".into(),
            secrets: Secrets::new(&["t0ken-of-a-test".into()]),
            gate: WriteGate::always_open(),
            slots: Semaphore::new(CONCURRENT),
        }
    }

    pub(super) fn with_gate(self, gate: WriteGate) -> Self {
        Self { gate, ..self }
    }
}

#[cfg(test)]
mod tests;
