//! Sends calls to the endpoints of one cluster: reads to whichever answers, writes to a named one.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use reqwest::Url;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use super::{
    answer::{Answer, EndpointId},
    calls::{Read, Write},
    connection::{Auth, Connection, ConnectionError},
    error::Error,
    receive::{self, Sent},
    redaction,
    request::Request,
    tls,
};
use crate::{
    gate::WriteGate,
    redaction::Secrets,
    tls::Expiry,
    transport::{self, Failover, origin},
};

/// Idle connections kept to one endpoint.
const KEPT: usize = 4;
/// Requests to one cluster at a time: a sick one shall not hold on to more.
const CONCURRENT: usize = 8;
/// The longest that connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(5);

/// Talks to one Elasticsearch cluster over verified, kept connections. It follows no redirect,
/// uses no proxy from the environment, and neither asks for compression nor undoes it.
pub struct Client {
    http: Http,
    endpoints: Box<[Endpoint]>,
    failover: Failover,
    timeout: Duration,
    slots: Semaphore,
    gate: WriteGate,
    meter: Arc<dyn Meter>,
    expiry: Expiry,
    secrets: Secrets,
    auth: Auth,
}

/// Is told of every request that was sent.
pub trait Meter: Send + Sync {
    /// `code_class` is `2xx` to `5xx`, or `error` where no answer came.
    fn request(&self, operation: &'static str, code_class: &'static str, seconds: f64);
}

struct Endpoint {
    url: Url,
    origin: Box<str>,
    /// Whether it has answered since a connection last broke, so that one may have been kept.
    kept: AtomicBool,
}

struct Http {
    pooled: reqwest::Client,
    /// Opens a connection for each request.
    fresh: reqwest::Client,
}

impl Client {
    /// A client for `connection`. Nothing is sent yet.
    ///
    /// # Errors
    /// Which part of `connection` can't be used.
    pub fn new(
        connection: Connection,
        gate: WriteGate,
        meter: Arc<dyn Meter>,
    ) -> Result<Self, ConnectionError> {
        connection.auth.check()?;
        let expiry = Expiry::unseen();
        let http = Http::new(&connection, &expiry)?;
        let endpoints = connection.endpoints.into_iter().map(Endpoint::new);
        let endpoints = endpoints.collect::<Result<Box<[_]>, _>>()?;
        if endpoints.is_empty() {
            return Err(ConnectionError::NoEndpoint);
        }
        Ok(Self {
            http,
            failover: Failover::new(endpoints.len()),
            endpoints,
            timeout: connection.timeout,
            slots: Semaphore::new(CONCURRENT),
            gate,
            meter,
            expiry,
            secrets: redaction::secrets(&connection.auth),
            auth: connection.auth,
        })
    }

    /// Reads from the endpoint that answered last, or else from the others in turn, within three
    /// times the connection's timeout at most.
    ///
    /// # Errors
    /// What Elasticsearch said; where no endpoint served, the error of the one that came farthest.
    pub async fn read(&self, read: &Read) -> Result<Answer, Error> {
        let mut round = self.failover.begin(self.timeout);
        loop {
            match self.read_until(EndpointId(round.place()), read, round.deadline()).await {
                Ok(answer) => {
                    round.served();
                    return Ok(answer);
                }
                Err(error) => {
                    let progress = error.progress();
                    round.failed(error, progress)?;
                }
            }
        }
    }

    /// Begins the next read at the endpoint after the one that answered last.
    pub(super) fn pass_on(&self) {
        self.failover.pass_on();
    }

    /// Blots out of a text that came from the server what was secret when it went there.
    pub fn blot(&self, text: &mut String) {
        self.secrets.blot(text);
    }

    /// The identity that a server tells, unless it is made of what it was sent.
    pub(super) fn identity(&self, answer: &Answer, uuid: String) -> Result<String, Error> {
        if self.secrets.are_in(&uuid) {
            return Err(answer.unexpected("it sends the credentials back as its identity"));
        }
        Ok(uuid)
    }

    /// Every endpoint.
    pub(super) fn endpoint_ids(&self) -> impl Iterator<Item = EndpointId> + use<> {
        (0..self.endpoints.len()).map(EndpointId)
    }

    /// The address of an endpoint, as errors name it.
    pub(super) fn origin(&self, id: EndpointId) -> &str {
        &self.endpoints[id.0].origin
    }

    /// Reads from one endpoint.
    ///
    /// # Errors
    /// What Elasticsearch said, or why it could not be asked.
    pub async fn read_at(&self, id: EndpointId, read: &Read) -> Result<Answer, Error> {
        self.read_until(id, read, Instant::now() + self.timeout).await
    }

    /// Reads from one endpoint over a connection that is made for this alone: it tells what a kept
    /// one can't, such as which certificate the server shows by now.
    ///
    /// # Errors
    /// What Elasticsearch said, or why it could not be asked.
    pub(super) async fn read_afresh_at(
        &self,
        id: EndpointId,
        read: &Read,
    ) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.timeout;
        let request = Request::read(read, id, &self.endpoint(id).url, self.timeout);
        let _slot = self.slot(&request, deadline).await?;
        self.send(&self.http.fresh, &request, deadline).await
    }

    /// Sends a write to one endpoint, once: never to another one, and never again.
    ///
    /// # Errors
    /// What Elasticsearch said, or that it said nothing: the write may have been carried out all the
    /// same.
    pub async fn write_at(&self, id: EndpointId, write: &Write) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.timeout;
        let request = Request::write(write, id, &self.endpoint(id).url, self.timeout);
        let _slot = self.slot(&request, deadline).await?;
        let closed = |cause| Error::Closed { operation: write.operation, cause };
        // A write that is still on its way when the Lease is lost could cross the next holder's.
        let left = self.gate.remaining().map_err(closed)?;
        let end = Instant::now().checked_add(left).unwrap_or(deadline);
        self.send(&self.http.pooled, &request, deadline.min(end)).await
    }

    /// When the first of the certificates expires that the endpoints have shown.
    #[must_use]
    pub fn certificate_expires(&self) -> Option<Timestamp> {
        self.expiry.get()
    }

    /// The same by what the endpoints show while `ask` connects to them.
    pub(super) async fn see_certificates<T>(&self, ask: impl Future<Output = T>) -> T {
        let before = self.expiry.forget();
        let answer = ask.await;
        self.expiry.recall(before);
        answer
    }

    async fn read_until(
        &self,
        id: EndpointId,
        read: &Read,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let request = Request::read(read, id, &self.endpoint(id).url, self.timeout);
        let _slot = self.slot(&request, deadline).await?;
        let may_be_kept = self.endpoint(id).kept.load(Ordering::Relaxed);
        match self.send(&self.http.pooled, &request, deadline).await {
            // A server ends idle connections when it likes, which shows only when one is used.
            Err(Error::Interrupted { .. }) if may_be_kept => {
                self.send(&self.http.fresh, &request, deadline).await
            }
            result => result,
        }
    }

    async fn slot(
        &self,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<SemaphorePermit<'_>, Error> {
        match timeout_at(deadline, self.slots.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(self.timed_out(request.id, request.operation)),
        }
    }

    async fn send(
        &self,
        http: &reqwest::Client,
        request: &Request<'_>,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let Request { id, operation, .. } = *request;
        let endpoint = self.endpoint(id);
        let sent = Sent {
            endpoint: &endpoint.origin,
            id,
            operation,
            limit: request.limit,
            secrets: &self.secrets,
        };
        let start = Instant::now();
        let received = receive::answer(request.build(http, &self.auth), &sent);
        let (status, result) = timeout_at(deadline, received)
            .await
            .unwrap_or_else(|_| (None, Err(self.timed_out(id, operation))));
        let seconds = start.elapsed().as_secs_f64();
        self.meter.request(operation, code_class(status), seconds);
        tracing::debug!(endpoint = %endpoint.origin, operation, status, seconds, "request sent");
        endpoint.kept.store(result.is_ok(), Ordering::Relaxed);
        result
    }

    fn endpoint(&self, id: EndpointId) -> &Endpoint {
        // Ids come from this client and count its endpoints; one of another client wraps around.
        &self.endpoints[id.0 % self.endpoints.len()]
    }

    fn timed_out(&self, id: EndpointId, operation: &'static str) -> Error {
        Error::Timeout { endpoint: self.endpoint(id).origin.clone(), operation }
    }
}

impl Endpoint {
    fn new(mut url: Url) -> Result<Self, ConnectionError> {
        if let Err(problem) = transport::check_endpoint(&url) {
            return Err(ConnectionError::Endpoint { endpoint: origin(&url), problem });
        }
        url.set_fragment(None);
        let origin = origin(&url);
        Ok(Self { url, origin, kept: AtomicBool::new(false) })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<_> = self.endpoints.iter().map(|it| &it.origin).collect();
        f.debug_struct("Client").field("endpoints", &endpoints).finish_non_exhaustive()
    }
}

impl Http {
    fn new(connection: &Connection, expiry: &Expiry) -> Result<Self, ConnectionError> {
        let tls = tls::config(connection, expiry.clone())?;
        let connect = CONNECT.min(connection.timeout / 2);
        let build = |kept| {
            transport::client(tls.clone(), connect, kept).map_err(|_| ConnectionError::Setup)
        };
        Ok(Self { pooled: build(KEPT)?, fresh: build(0)? })
    }
}

fn code_class(status: Option<u16>) -> &'static str {
    match status {
        Some(200..300) => "2xx",
        Some(300..400) => "3xx",
        Some(400..500) => "4xx",
        Some(500..600) => "5xx",
        _ => "error",
    }
}

#[cfg(test)]
mod tests;
