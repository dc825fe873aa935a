//! Kubernetes events: what happened to an object, for people who describe it.

use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::call;
use crate::{chain::chain, context::Context};

/// The longest note that the API server takes, in bytes.
const NOTE_LIMIT: usize = 1024;

/// How many events a recorder may have published before the next takes its place.
const ENOUGH: u32 = 256;

/// Publishes events. One for the process, since it counts repeats: of an event that comes again
/// soon only the number grows.
pub struct Publisher {
    client: Client,
    reporter: Reporter,
    /// A recorder keeps a copy of each event for minutes: thousands of objects that are made at
    /// once would leave more of those than all else weighs.
    current: Mutex<(Recorder, u32)>,
}

impl Publisher {
    /// Publishes in the name of `reporter`.
    #[must_use]
    pub fn new(client: Client, reporter: Reporter) -> Self {
        let current = Mutex::new((Recorder::new(client.clone(), reporter.clone()), 0));
        Self { client, reporter, current }
    }

    fn recorder(&self) -> Recorder {
        // Nothing in here panics half-way, so a poisoned recorder is whole.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if ENOUGH <= current.1 {
            *current = (Recorder::new(self.client.clone(), self.reporter.clone()), 0);
        }
        current.1 += 1;
        current.0.clone()
    }
}

/// One thing that happened. Published on a change or an attempt, never for a state that lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    kind: EventType,
    reason: &'static str,
    action: &'static str,
    note: String,
}

impl Notice {
    /// What went as it should: `reason` says what, such as `IndexCreated`; `action` what Drover was
    /// at, such as `Reconcile`.
    #[must_use]
    pub fn normal(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        Self { kind: EventType::Normal, reason, action, note: note.into() }
    }

    /// What happened, in one word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// What is told, to take out what shall not be.
    pub fn note(&mut self) -> &mut String {
        &mut self.note
    }

    /// What a person should look at.
    #[must_use]
    pub fn warning(reason: &'static str, action: &'static str, note: impl Into<String>) -> Self {
        Self { kind: EventType::Warning, reason, action, note: note.into() }
    }
}

/// Publishes `notice` about `object`. An event is a courtesy: a failure is logged and nothing else.
pub async fn publish<K>(ctx: &Context, object: &K, notice: Notice)
where
    K: Resource<DynamicType = ()>,
{
    publish_for(ctx, &object.object_ref(&()), notice).await;
}

/// As [`publish`], for an object that is known by reference alone.
pub async fn publish_for(ctx: &Context, object: &ObjectReference, notice: Notice) {
    let reason = notice.reason;
    if ctx.gate.check().is_err() {
        tracing::debug!(reason, "event not published: this process may not write");
        return;
    }
    let event = Event {
        type_: notice.kind,
        reason: notice.reason.to_owned(),
        note: Some(short(notice.note)),
        action: notice.action.to_owned(),
        secondary: None,
    };
    let recorder = ctx.publisher.recorder();
    let publish = recorder.publish(&event, object);
    if let Err(error) = call(|| format!("publish event {reason}"), publish).await {
        tracing::warn!(error = chain(&error), reason, "event not published");
    }
}

/// Cuts at a character, not inside one.
fn short(mut note: String) -> String {
    const CUT: &str = " ...";
    if note.len() > NOTE_LIMIT {
        note.truncate(note.floor_char_boundary(NOTE_LIMIT - CUT.len()));
        note.push_str(CUT);
    }
    note
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_at_a_character_and_ends_in_dots() {
        let note = short("é".repeat(2000));
        assert!(note.len() <= NOTE_LIMIT && note.len() > NOTE_LIMIT - 8, "{}", note.len());
        assert!(note.ends_with("é ..."));
        assert_eq!(short("fine".into()), "fine");
    }
}
