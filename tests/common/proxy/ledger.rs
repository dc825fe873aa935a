//! What went through the proxy.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use hyper::body::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub id: u64,
    pub at: Instant,
    /// Counts the connections of this proxy.
    pub connection: u64,
    pub method: String,
    pub path: String,
    /// Without the question mark.
    pub query: String,
    /// The header as it was sent.
    pub authorization: Option<String>,
    /// The header `x-opaque-id`.
    pub opaque_id: Option<String>,
    pub user_agent: Option<String>,
    pub body: Bytes,
    pub outcome: Outcome,
}

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On its way, or held.
    Pending,
    /// The server did not get it.
    CutBefore,
    /// The server answered so, and the client did not get it.
    CutAfter(u16),
    /// The server could not be asked.
    Unreachable,
    /// The proxy itself answered so.
    Injected(u16),
    /// The server's answer went back.
    Answered(u16),
}

impl Entry {
    pub(super) fn new(id: u64, connection: u64, parts: &Parts, body: Bytes) -> Self {
        let header = |name: &str| {
            let value = parts.headers.get(name)?;
            Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Self {
            id,
            at: Instant::now(),
            connection,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            authorization: header("authorization"),
            opaque_id: header("x-opaque-id"),
            user_agent: header("user-agent"),
            body,
            outcome: Outcome::Pending,
        }
    }

    /// Whether it may change something. Questions that are asked by POST are not writes.
    pub fn is_write(&self) -> bool {
        const QUESTIONS: [&str; 6] = [
            "_search",
            "_count",
            "_mget",
            "_has_privileges",
            "selfsubjectaccessreviews",
            "selfsubjectrulesreviews",
        ];
        let last = self.path.rsplit('/').next().unwrap_or_default();
        !matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS") && !QUESTIONS.contains(&last)
    }

    /// Whether it renews or takes a Kubernetes Lease, which goes on at rest.
    pub fn is_lease(&self) -> bool {
        self.path.starts_with("/apis/coordination.k8s.io/")
    }

    /// Whether it is a Kubernetes watch.
    pub fn is_watch(&self) -> bool {
        self.query.split('&').any(|part| part == "watch=true" || part == "watch=1")
    }

    /// The status that the server or the proxy answered.
    pub fn status(&self) -> Option<u16> {
        match self.outcome {
            Outcome::Answered(status) | Outcome::Injected(status) | Outcome::CutAfter(status) => {
                Some(status)
            }
            Outcome::Pending | Outcome::CutBefore | Outcome::Unreachable => None,
        }
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// In a line, as for a failed assertion.
    pub fn line(&self) -> String {
        let question = if self.query.is_empty() { "" } else { "?" };
        format!("{} {}{question}{} -> {:?}", self.method, self.path, self.query, self.outcome)
    }
}

/// All entries, shared between the proxy and the tests.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl Ledger {
    /// The entries that match, in order of arrival.
    pub fn find(&self, matches: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.entries.lock().unwrap().iter().filter(|entry| matches(entry)).cloned().collect()
    }

    /// All entries.
    pub fn all(&self) -> Vec<Entry> {
        self.find(|_| true)
    }

    /// All writes, without those of the Lease.
    pub fn writes(&self) -> Vec<Entry> {
        self.find(|entry| entry.is_write() && !entry.is_lease())
    }

    /// How many entries match.
    pub fn count(&self, matches: impl Fn(&Entry) -> bool) -> usize {
        self.entries.lock().unwrap().iter().filter(|entry| matches(entry)).count()
    }

    /// Forgets all entries; what is still under way is not entered again.
    pub fn clear(&self) {
        self.entries.lock().unwrap().clear();
    }

    /// The entries as text, a line each.
    pub fn text(&self) -> String {
        lines(&self.all())
    }

    pub(super) fn add(&self, entry: Entry) {
        self.entries.lock().unwrap().push(entry);
    }

    pub(super) fn settle(&self, id: u64, outcome: Outcome) {
        let mut entries = self.entries.lock().unwrap();
        if let Some(entry) = entries.iter_mut().rev().find(|entry| entry.id == id) {
            entry.outcome = outcome;
        }
    }
}

/// Entries as text, a line each.
pub fn lines(entries: &[Entry]) -> String {
    entries.iter().map(Entry::line).collect::<Vec<_>>().join("\n")
}
