//! Talks to one etcd: reads to whichever member answers, writes to a named one and only once.

use std::{fmt, time::Duration};

use http::{HeaderValue, header::CONTENT_TYPE};
use reqwest::{Response, Url};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{
    connection::{Connection, ConnectionError},
    error::Error,
    gateway::{self, Answer, Bytes, Compare, Number, Operation, Transaction, end_of},
};
use crate::{
    foreign::{Cause, capped},
    gate::WriteGate,
    transport::{self, Failover, Failure, origin},
};

/// The longest that connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(5);
/// The most that is read of an answer, in bytes.
const LIMIT: usize = 8 * 1024 * 1024;
/// The most that is read of an answer that is no success, in bytes.
const ERROR_LIMIT: usize = 64 * 1024;
/// Requests to one etcd at a time.
const CONCURRENT: usize = 4;

/// Talks to one etcd over verified connections. It follows no redirect and uses no proxy.
pub struct Client {
    http: reqwest::Client,
    endpoints: Box<[Endpoint]>,
    failover: Failover,
    timeout: Duration,
    slots: Semaphore,
    gate: WriteGate,
}

struct Endpoint {
    url: Url,
    origin: Box<str>,
}

/// One of a client's endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointId(usize);

/// Which keys to read.
#[derive(Clone, Debug)]
pub(super) struct Range {
    key: Vec<u8>,
    end: Option<Vec<u8>>,
    limit: u32,
}

/// What was read of a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In the order of the keys, up to the limit.
    pub(super) entries: Vec<Entry>,
    /// How many there are without the limit.
    pub(super) count: u64,
}

/// What one member said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Which member.
    pub(super) endpoint: EndpointId,
    /// Of which etcd.
    pub(super) cluster: ClusterId,
    /// One for each range.
    pub(super) found: Vec<Found>,
}

/// Tells one etcd from all others, whatever its members are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterId(pub u64);

impl fmt::Display for ClusterId {
    /// As `etcdctl member list` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A key that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// Changes with each write to the key.
    pub(super) revision: i64,
}

/// A write of one key, done only if all that is said of the keys holds at that moment.
#[derive(Clone, Debug)]
pub(super) struct Swap<'a> {
    pub(super) key: &'a [u8],
    /// The revision of the key; nothing where it must not be there.
    pub(super) seen: Option<i64>,
    pub(super) value: &'a str,
    /// No key may begin with this.
    pub(super) none_below: Option<&'a [u8]>,
}

impl Range {
    /// One key.
    pub(super) fn key(key: &str) -> Self {
        Self { key: key.into(), end: None, limit: 1 }
    }

    /// The first `limit` keys that begin with `prefix`.
    pub(super) fn below(prefix: &str, limit: u32) -> Self {
        Self { key: prefix.into(), end: Some(end_of(prefix.as_bytes())), limit }
    }
}

impl Client {
    /// A client for `connection`. Nothing is sent yet.
    ///
    /// # Errors
    /// Which part of `connection` can't be used.
    pub fn new(connection: &Connection, gate: WriteGate) -> Result<Self, ConnectionError> {
        connection.check()?;
        let connect = CONNECT.min(connection.timeout / 2);
        // Asked once in minutes, so no connection is kept.
        let http =
            transport::client(connection.tls()?, connect, 0).map_err(|_| ConnectionError::Setup)?;
        let endpoint = |it: &Url| Endpoint { url: it.clone(), origin: origin(it) };
        Ok(Self {
            http,
            endpoints: connection.endpoints.iter().map(endpoint).collect(),
            failover: Failover::new(connection.endpoints.len()),
            timeout: connection.timeout,
            slots: Semaphore::new(CONCURRENT),
            gate,
        })
    }

    /// Reads all of `ranges` as they are at one moment, from the member that answered last, or else
    /// from the others in turn, within three times the timeout at most. The answer is that of the
    /// majority. `attempt` says what it is for, such as `read the leases`.
    pub(super) async fn read(
        &self,
        attempt: &'static str,
        ranges: &[Range],
    ) -> Result<Reading, Error> {
        let operation = |it: &Range| Operation::RequestRange {
            key: Bytes(it.key.clone()),
            range_end: it.end.clone().map(Bytes),
            limit: Number(it.limit.into()),
        };
        let body =
            Transaction { compare: Vec::new(), success: ranges.iter().map(operation).collect() };
        let mut round = self.failover.begin(self.timeout);
        loop {
            let endpoint = EndpointId(round.place());
            let answer = self.send(endpoint, attempt, &body, round.deadline()).await;
            let reading = answer.and_then(|answer| {
                let cluster = ClusterId(answer.header.cluster_id.0.cast_unsigned());
                let found = self.found(endpoint, attempt, ranges, answer)?;
                Ok(Reading { endpoint, cluster, found })
            });
            match reading {
                Ok(reading) => {
                    round.served();
                    return Ok(reading);
                }
                Err(error) => {
                    let progress = error.progress();
                    round.failed(error, progress)?;
                }
            }
        }
    }

    /// Sends a write to one member, once. Returns whether it was done; where it was not, something
    /// is other than it was seen.
    pub(super) async fn swap(
        &self,
        id: EndpointId,
        attempt: &'static str,
        swap: &Swap<'_>,
    ) -> Result<bool, Error> {
        let seen = swap.seen;
        let mut compare = vec![seen.map_or_else(
            || Compare::absent(swap.key),
            |revision| Compare::unchanged(swap.key, revision),
        )];
        compare.extend(swap.none_below.map(Compare::none_below));
        let key = Bytes(swap.key.to_vec());
        let value = Bytes(swap.value.into());
        let body = Transaction { compare, success: vec![Operation::RequestPut { key, value }] };
        let closed = |cause| Error::Closed { attempt, cause };
        // A write that is still on its way when the Lease is lost could cross the next holder's.
        let left = self.gate.remaining().map_err(closed)?;
        let answer = self.send(id, attempt, &body, Instant::now() + self.timeout.min(left)).await?;
        Ok(answer.succeeded)
    }

    async fn send(
        &self,
        id: EndpointId,
        attempt: &'static str,
        body: &Transaction,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        let endpoint = self.endpoint(id);
        let unexpected = |problem: &str| Error::UnexpectedAnswer {
            endpoint: endpoint.origin.clone(),
            attempt,
            cause: Cause::new(problem),
        };
        // Only texts and numbers are in it.
        let body = serde_json::to_vec(body).map_err(|it| unexpected(&it.to_string()))?;
        let mut url = endpoint.url.clone();
        url.set_path("/v3/kv/txn");
        let json = HeaderValue::from_static("application/json");
        let request = self.http.post(url).header(CONTENT_TYPE, json).body(body);
        let answer = async {
            // The semaphore is never closed.
            let _slot = self.slots.acquire().await;
            let failed =
                |failure| Error::Failed { endpoint: endpoint.origin.clone(), attempt, failure };
            let answer = request.send().await.map_err(|it| failed(Failure::of(&it)))?;
            if answer.status().is_redirection() {
                return Err(failed(Failure::Redirected));
            }
            if !answer.status().is_success() {
                return Err(refusal(endpoint, attempt, answer).await);
            }
            transport::body(answer, LIMIT).await.map_err(failed)
        };
        let body = timeout_at(deadline, answer).await.unwrap_or_else(|_| {
            let endpoint = endpoint.origin.clone();
            Err(Error::Timeout { endpoint, attempt, after: self.timeout })
        })?;
        serde_json::from_slice(&body).map_err(|it| unexpected(&it.to_string()))
    }

    fn found(
        &self,
        id: EndpointId,
        attempt: &'static str,
        ranges: &[Range],
        answer: Answer,
    ) -> Result<Vec<Found>, Error> {
        let unexpected = || Error::UnexpectedAnswer {
            endpoint: self.endpoint(id).origin.clone(),
            attempt,
            cause: Cause::new("it does not hold what was asked for"),
        };
        if answer.responses.len() != ranges.len() {
            return Err(unexpected());
        }
        let found = |response: gateway::Response| {
            let range = response.response_range.ok_or_else(unexpected)?;
            let entry = |it: gateway::KeyValue| Entry {
                key: it.key.0,
                value: it.value.0,
                revision: it.mod_revision.0,
            };
            let entries: Vec<_> = range.kvs.into_iter().map(entry).collect();
            let count = u64::try_from(range.count.0).unwrap_or(0).max(entries.len() as u64);
            Ok(Found { entries, count })
        };
        answer.responses.into_iter().map(found).collect()
    }

    fn endpoint(&self, id: EndpointId) -> &Endpoint {
        // Ids come from this client and count its endpoints; one of another client wraps around.
        &self.endpoints[id.0 % self.endpoints.len()]
    }
}

async fn refusal(endpoint: &Endpoint, attempt: &'static str, answer: Response) -> Error {
    let status = answer.status().as_u16();
    // The status says enough where the body can't be read.
    let body = transport::body(answer, ERROR_LIMIT).await.unwrap_or_default();
    let reason = gateway::words(&body).map(|it| capped(&it)).filter(|it| !it.is_empty());
    let reason = reason.unwrap_or_else(|| "no reason given".into());
    let endpoint = endpoint.origin.clone();
    match status {
        // With its own users on, etcd says so with 400: the gateway passes no certificate on.
        400 if reason.contains("user name is empty") => Error::Unauthorized { endpoint, reason },
        401 => Error::Unauthorized { endpoint, reason },
        403 => Error::Forbidden { endpoint, attempt, reason },
        429 => Error::Busy { endpoint, attempt, reason },
        408 | 500.. => Error::Unavailable { endpoint, attempt, status, reason },
        _ => Error::Refused { endpoint, attempt, status, reason },
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<_> = self.endpoints.iter().map(|it| &it.origin).collect();
        f.debug_struct("Client").field("endpoints", &endpoints).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
