//! What the proxy can do to a request, and which requests it does it to.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Bytes;

use super::ledger::Entry;

/// One fault.
#[derive(Clone)]
pub enum Fault {
    /// Forwards it so much later.
    Delay(Duration),
    /// Never answers, and never forwards.
    Hold,
    /// Closes the connection at that moment.
    Cut(Moment),
    /// Answers itself.
    Answer(Answer),
    /// Answers itself, according to the request.
    Respond(Arc<dyn Fn(&Entry) -> Answer + Send + Sync>),
    /// Lets the answer's body trickle: so many bytes, then a pause.
    Trickle(usize, Duration),
    /// Changes the answer's body.
    Rewrite(Arc<dyn Fn(Vec<u8>) -> Vec<u8> + Send + Sync>),
    /// Calls a hook at that moment, then closes the connection.
    Hook(Moment, Arc<dyn Fn(&Entry) + Send + Sync>),
}

/// When a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server does not get the request.
    BeforeForward,
    /// The server has done it, and the client never hears.
    AfterAnswer,
    /// The client gets the head and half of the body.
    MidBody,
}

/// An answer of the proxy's own.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Payload,
}

/// The body of such an answer.
#[derive(Clone, Debug)]
pub enum Payload {
    Bytes(Bytes),
    /// So many spaces, announced by Content-Length: a JSON parser has nothing to reject.
    Spaces(u64),
    /// Spaces without an end.
    Endless,
    /// Byte by byte, with a pause after each.
    Trickle(Bytes, Duration),
    /// A file, read while it is sent, and what becomes of it on the way.
    File(PathBuf, Option<Damage>),
}

/// What becomes of a file on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One byte in the middle is another.
    WrongByte,
    /// It breaks off half way.
    Short,
    /// 16 KiB a second.
    Slow,
}

impl Answer {
    /// JSON.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::text(status, "application/json", &body.to_string())
    }

    /// A page, as a proxy before Elasticsearch may show it.
    pub fn html(status: u16, body: &str) -> Self {
        Self::text(status, "text/html", body)
    }

    /// Text of any type.
    pub fn text(status: u16, content_type: &str, body: &str) -> Self {
        Self::payload(status, Payload::Bytes(Bytes::copy_from_slice(body.as_bytes())))
            .header("content-type", content_type)
    }

    /// No body.
    pub fn empty(status: u16) -> Self {
        Self::payload(status, Payload::Bytes(Bytes::new()))
    }

    /// Any body.
    pub fn payload(status: u16, body: Payload) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Elasticsearch's own form of an error.
    pub fn elasticsearch_error(status: u16, kind: &str, reason: &str) -> Self {
        let cause = serde_json::json!({"type": kind, "reason": reason});
        let body = serde_json::json!({
            "error": {"root_cause": [cause], "type": kind, "reason": reason}, "status": status,
        });
        // So does the real one, and clients tell the product by it.
        Self::json(status, &body).header("x-elastic-product", "Elasticsearch")
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delay(time) => write!(f, "Delay({time:?})"),
            Self::Hold => write!(f, "Hold"),
            Self::Cut(moment) => write!(f, "Cut({moment:?})"),
            Self::Answer(answer) => write!(f, "Answer({})", answer.status),
            Self::Respond(_) => write!(f, "Respond"),
            Self::Trickle(bytes, pause) => write!(f, "Trickle({bytes}, {pause:?})"),
            Self::Rewrite(_) => write!(f, "Rewrite"),
            Self::Hook(moment, _) => write!(f, "Hook({moment:?})"),
        }
    }
}

type Matcher = Box<dyn Fn(&Entry) -> bool + Send + Sync>;

struct Rule {
    id: RuleId,
    matches: Matcher,
    left: usize,
    hits: usize,
    fault: Fault,
}

/// Names a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(usize);

/// The rules in force; the newest that matches wins.
#[derive(Clone, Default)]
pub(super) struct Rules {
    rules: Arc<Mutex<Vec<Rule>>>,
}

impl Rules {
    pub fn add(&self, times: usize, matches: Matcher, fault: Fault) -> RuleId {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let id = RuleId(NEXT.fetch_add(1, Ordering::Relaxed));
        self.rules.lock().unwrap().insert(0, Rule { id, matches, left: times, hits: 0, fault });
        id
    }

    pub fn remove(&self, id: RuleId) {
        self.rules.lock().unwrap().retain(|rule| rule.id != id);
    }

    pub fn clear(&self) {
        self.rules.lock().unwrap().clear();
    }

    pub fn hits(&self, id: RuleId) -> usize {
        self.rules.lock().unwrap().iter().find(|rule| rule.id == id).map_or(0, |rule| rule.hits)
    }

    /// Which fault a request gets; counts it.
    pub fn choose(&self, entry: &Entry) -> Option<Fault> {
        let mut rules = self.rules.lock().unwrap();
        let rule = rules.iter_mut().find(|rule| rule.left > 0 && (rule.matches)(entry))?;
        rule.left -= 1;
        rule.hits += 1;
        Some(rule.fault.clone())
    }
}
