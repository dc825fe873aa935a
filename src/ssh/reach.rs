//! Asks a host whether it can connect to others: in its kept session, with what a minimal system
//! has, and at a slow pace, since each answer costs connections on both sides.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, mpsc::UnboundedSender},
    time::timeout,
};
use tracing::{Instrument as _, debug, info_span};

use super::{
    command::Command,
    error::{Category, Error},
    pool::Pool,
    remote::Remote,
};
use crate::{chain::chain, lock::locked, object_key::ObjectKey};

const SCRIPT: &str = include_str!("reach.sh");
/// How long one try to connect may take, in seconds: room for two packets that are lost.
const TRY: u32 = 4;
/// How many peers one command is about: four rounds of sixteen tries.
const BATCH: usize = 64;
/// For one command.
const LIMIT: Duration = Duration::from_secs(40);
/// The most that one command prints, in bytes.
const OUTPUT: usize = 16 * 1024;
/// So long a question may change before it is asked: hosts often come several at once.
const SETTLE: Duration = Duration::from_secs(2);
/// How long after the first failure a host is asked again; doubles up to the pace.
const FIRST: Duration = Duration::from_secs(5);

/// Where another host is to be reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    address: Box<str>,
    port: u16,
}

/// What a host is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who wants to know.
    pub asker: ObjectKey,
    /// Whom it shall try to connect to.
    pub peers: Vec<Peer>,
}

/// What came of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A connection came about.
    Open,
    /// The other host answered that nobody listens at that port: it is reached all the same. A
    /// firewall that answers so for it can't be told from it.
    Closed,
    /// No answer came in time.
    Silent,
    /// The host knows no way there, or does not know the name.
    Lost,
}

/// What a host told when it was last asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// What came of each try, or why it could not try.
    pub result: Result<BTreeMap<Peer, Outcome>, Error>,
}

impl Peer {
    /// The one at `address` and `port`; nothing where that is neither a name nor an IP address.
    #[must_use]
    pub fn new(address: &str, port: u16) -> Option<Self> {
        let plain = |it: u8| it.is_ascii_alphanumeric() || b"._:-".contains(&it);
        let good = !address.is_empty() && address.len() <= 253 && address.bytes().all(plain);
        good.then(|| Self { address: address.into(), port })
    }

    /// A host name or an IP address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Outcome {
    /// Whether the other host answered.
    #[must_use]
    pub fn is_reached(self) -> bool {
        matches!(self, Self::Open | Self::Closed)
    }

    fn of(word: &str) -> Option<Self> {
        match word {
            "open" => Some(Self::Open),
            "closed" => Some(Self::Closed),
            "silent" => Some(Self::Silent),
            "lost" => Some(Self::Lost),
            _ => None,
        }
    }
}

/// What one host is asked, and what it told.
#[derive(Default)]
pub(super) struct Reach {
    shared: Mutex<Shared>,
    nudge: Notify,
}

#[derive(Default)]
struct Shared {
    question: Option<Arc<Question>>,
    answer: Option<Arc<Answer>>,
}

impl Reach {
    /// From now on the host is asked `question`: at once, if that is another one than before.
    pub(super) fn ask(&self, question: Option<Arc<Question>>) {
        let mut shared = locked(&self.shared);
        if shared.question == question {
            return;
        }
        let asker = |it: &Option<Arc<Question>>| it.as_ref().map(|it| it.asker.clone());
        if asker(&shared.question) != asker(&question) {
            // Somebody else shall hear of it as news.
            shared.answer = None;
        }
        shared.question = question;
        self.nudge.notify_one();
    }

    /// The host may be ready to be asked, or no longer.
    pub(super) fn nudge(&self) {
        self.nudge.notify_one();
    }

    pub(super) fn answer(&self) -> Option<Arc<Answer>> {
        locked(&self.shared).answer.clone()
    }

    fn question(&self) -> Option<Arc<Question>> {
        locked(&self.shared).question.clone()
    }

    /// Keeps what was told about `question`; returns whether it is news.
    fn tell(&self, question: &Arc<Question>, answer: Answer) -> bool {
        let mut shared = locked(&self.shared);
        if !shared.question.as_ref().is_some_and(|it| Arc::ptr_eq(it, question)) {
            // Something else is asked meanwhile.
            return false;
        }
        let news = !shared.answer.as_ref().is_some_and(|it| it.says_the_same(&answer));
        shared.answer = Some(Arc::new(answer));
        news
    }
}

impl Answer {
    fn says_the_same(&self, other: &Self) -> bool {
        match (&self.result, &other.result) {
            (Ok(told), Ok(other)) => told == other,
            (Err(error), Err(other)) => chain(error) == chain(other),
            _ => false,
        }
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reach").field("question", &self.question()).finish_non_exhaustive()
    }
}

/// Asks until the task is aborted: for all peers once in `every`, and for those that are new soon after
/// the question changed. `askers` is where
/// the names of those go whose question is answered otherwise than before.
pub(super) async fn run(
    remote: Arc<Remote>,
    pool: Arc<Pool>,
    every: Duration,
    askers: Option<UnboundedSender<ObjectKey>>,
) {
    let key = remote.key();
    let span = info_span!("reaching", namespace = %key.namespace, host = %key.name);
    ask_for_ever(&remote, &pool, every, askers).instrument(span).await;
}

async fn ask_for_ever(
    remote: &Remote,
    pool: &Pool,
    every: Duration,
    askers: Option<UnboundedSender<ObjectKey>>,
) {
    let reach = remote.reach();
    let mut pace = Pace::new(every);
    loop {
        let question = reach.question().filter(|it| !it.peers.is_empty() && is_ours(remote));
        let Some(question) = question else {
            reach.nudge.notified().await;
            continue;
        };
        let known = reach.answer().and_then(|it| it.result.clone().ok()).unwrap_or_default();
        let (left, peers) = pace.next(&question, &known);
        if !left.is_zero() {
            let _ = timeout(left, reach.nudge.notified()).await;
            continue;
        }
        let mut result = ask(remote, pool, &peers).await;
        if let Err(error) = &result {
            debug!(error = error as &dyn std::error::Error, "the host did not try its peers");
        }
        pace.asked(peers.len() == question.peers.len(), result.is_ok());
        if let Ok(told) = &mut result {
            for peer in &question.peers {
                let before = || known.get(peer).copied();
                if let Some(outcome) = told.get(peer).copied().or_else(before) {
                    told.insert(peer.clone(), outcome);
                }
            }
        }
        let is_about_the_host = result.as_ref().err().is_none_or(is_about_the_host);
        if is_about_the_host && reach.tell(&question, Answer { result }) {
            // A closed channel means that the process is ending.
            let _ = askers.as_ref().map(|it| it.send(question.asker.clone()));
        }
    }
}

/// When a host is asked for whom.
struct Pace {
    every: Duration,
    /// The question that was last looked at.
    seen: Option<Arc<Question>>,
    /// Not before is it asked at all.
    rest: Instant,
    /// Then it is asked for all peers again.
    all: Instant,
    /// Failures in a row.
    failures: u32,
}

impl Pace {
    fn new(every: Duration) -> Self {
        let now = Instant::now();
        Self { every, seen: None, rest: now, all: now, failures: 0 }
    }

    /// Whom the host is to be asked for, and how long until then: those that it has not told of yet,
    /// and all of them when it is time.
    fn next(
        &mut self,
        question: &Arc<Question>,
        known: &BTreeMap<Peer, Outcome>,
    ) -> (Duration, Vec<Peer>) {
        let now = Instant::now();
        if !self.seen.as_ref().is_some_and(|it| Arc::ptr_eq(it, question)) {
            self.seen = Some(Arc::clone(question));
            // Whatever else changes meanwhile is asked in one go.
            let settled = now + SETTLE;
            self.rest = if now < self.rest { self.rest.min(settled) } else { settled };
        }
        let is_new = |it: &&Peer| !known.contains_key(it);
        let new: Vec<Peer> = question.peers.iter().filter(is_new).cloned().collect();
        let (at, peers) = if new.is_empty() || self.all <= now.max(self.rest) {
            (self.all.max(self.rest), question.peers.clone())
        } else {
            (self.rest, new)
        };
        (at.saturating_duration_since(now), peers)
    }

    /// The host was asked just now, for all or for some.
    fn asked(&mut self, all: bool, well: bool) {
        let now = Instant::now();
        if well {
            self.failures = 0;
            if all {
                self.all = now + self.every.mul_f64(0.9 + 0.2 * fastrand::f64());
            }
            return;
        }
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(self.every);
        self.failures = self.failures.saturating_add(1);
        self.rest = now + pause.mul_f64(0.9 + 0.2 * fastrand::f64());
    }
}

/// Whether the host answers, and is the one that may be looked into.
fn is_ours(remote: &Remote) -> bool {
    let (watch, view) = (remote.watch(), remote.view());
    view.fault.is_none() && watch.machine.is_some() && watch.machine.as_deref() == view.machine()
}

/// Whether it tells something of what the host does. That it is gone, the prober tells.
fn is_about_the_host(error: &Error) -> bool {
    let is_gone =
        matches!(error.category(), Category::Unreachable | Category::Busy | Category::Closed);
    !is_gone || matches!(error, Error::Timeout { .. })
}

async fn ask(
    remote: &Remote,
    pool: &Pool,
    peers: &[Peer],
) -> Result<BTreeMap<Peer, Outcome>, Error> {
    let session = pool.session(&remote.key().to_string(), &remote.watch().target).await?;
    let mut told = BTreeMap::new();
    for peers in peers.chunks(BATCH) {
        let words = peers.iter().flat_map(|it| [it.address.to_string(), it.port.to_string()]);
        let arguments = [TRY.to_string()].into_iter().chain(words);
        let command = Command::script("reach peers", SCRIPT, arguments)
            .read_only()
            .deadline(LIMIT)
            .output_limit(OUTPUT);
        let output = session.run(&command).await?.succeeded()?;
        let text = output.text();
        for line in text.lines() {
            let (number, word) = line.split_once(' ').unwrap_or_default();
            let peer = number.parse().ok().and_then(|it: usize| peers.get(it));
            let outcome = peer.zip(Outcome::of(word.trim()));
            let (peer, outcome) = outcome.ok_or_else(|| match word.trim() {
                "unable" => output.unexpected("it has no bash that connects, or no timeout"),
                _ => output.unexpected("it does not say what came of each try"),
            })?;
            told.insert(peer.clone(), outcome);
        }
        if !peers.iter().all(|it| told.contains_key(it)) {
            return Err(output.unexpected("it does not say what came of each try"));
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests;
