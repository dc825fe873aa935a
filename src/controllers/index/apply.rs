//! Makes the calls that were decided on; the only writes to an index.

use std::{sync::Arc, time::Instant};

use serde_json::{Map, Value};

use super::{
    changes::{declared, mark_of},
    decision::{Plan, Step},
};
use crate::{
    api::index::Index,
    elasticsearch::{
        answer::{Answer, EndpointId},
        calls::Write,
        error::{Category, Error},
        link::Link,
        names::OneIndex,
        snapshot::IndexView,
        values::{
            create_body,
            settings::{self, SettingChange},
        },
    },
    kubernetes::Kind as _,
    telemetry::metrics::{Metrics, StepEnding},
};

/// What came of the steps.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What Elasticsearch has done, in words, each once.
    pub done: Vec<&'static str>,
    /// The setting keys that were written.
    pub written_settings: Vec<String>,
    /// Whether the alias call was made.
    pub written_aliases: bool,
    /// What became of the index as a whole.
    pub fate: Option<Fate>,
    /// The uuid of another cluster than the pinned one, which answered in its place.
    pub foreign: Option<String>,
    /// Why the steps have to wait.
    pub put_off: Option<PutOff>,
    /// What went wrong.
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// Notes why `what` did not come to its end; false when what comes after it has no chance.
    fn halted(&mut self, what: &'static str, halt: Halt) -> bool {
        match halt {
            Halt::PutOff(why) => {
                self.put_off = Some(why);
                false
            }
            Halt::Failed(error) => {
                let goes_on = error.category() == Category::Rejected;
                self.failures.push(Failure { what, error });
                goes_on
            }
        }
    }

    pub(super) fn did(&mut self, what: &'static str) {
        if !self.done.contains(&what) {
            self.done.push(what);
        }
    }
}

/// Why steps were not taken, though nothing went wrong. Whoever waits is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOff {
    /// The Cluster has enough writes under way.
    NoSlot,
    /// The index is not as it was seen: it is looked at again first.
    Moved,
    /// Its documents can't be counted now. Nobody tells when they can.
    Uncounted,
}

/// What became of an index as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was made; its uuid is known after the next poll.
    Created,
    /// It is deleted, or was gone by then.
    Deleted,
    /// It was kept because it holds documents.
    Kept,
}

/// A step that failed.
#[derive(Debug)]
pub struct Failure {
    /// What was tried, in words.
    pub what: &'static str,
    /// Why it failed.
    pub error: Error,
}

impl Failure {
    /// What people are told: the same text for the same failure, whenever and wherever it comes.
    #[must_use]
    pub fn text(&self) -> String {
        format!("could not {}: {}", self.what, self.error.told())
    }
}

/// Asks once more whether the world is as it was seen, on the endpoint that is then written to,
/// and makes the calls of `plan`.
pub async fn run(
    metrics: &Metrics,
    link: Option<&Arc<Link>>,
    index: &Index,
    live: &IndexView,
    pinned: Option<&str>,
    plan: &Plan,
) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(link) = link else { return outcome };
    let owner = super::key(index);
    let (Some(pinned), false) = (pinned, plan.steps.is_empty()) else {
        link.wants_no_slot(&owner);
        return outcome;
    };
    let Some(_slot) = link.slot(&owner) else {
        outcome.put_off = Some(PutOff::NoSlot);
        return outcome;
    };
    let name = index.public_name();
    let caller = format!("drover/index/{}/{}", owner.namespace, owner.name);
    let Ok(target) = OneIndex::new(name) else {
        // Admission refuses such names; one that was stored past it is left alone.
        return outcome;
    };
    let guard = match link.client().guard(&target, &caller).await {
        Ok(guard) => guard,
        Err(error) => {
            outcome.failures.push(Failure { what: "look at the index before the change", error });
            return outcome;
        }
    };
    if guard.cluster_uuid != pinned {
        outcome.foreign = Some(guard.cluster_uuid);
        return outcome;
    }
    let same = match live {
        IndexView::Missing => guard.indices.is_empty(),
        IndexView::Present(live) => {
            guard.indices.len() == 1 && guard.indices.get(&live.physical_name) == Some(&live.marks)
        }
        _ => false,
    };
    let physical = match live {
        IndexView::Present(live) => OneIndex::new(&live.physical_name).unwrap_or(target),
        _ => target,
    };
    if !same {
        link.outdate_and_tell(name);
        outcome.put_off = Some(PutOff::Moved);
        return outcome;
    }
    let uuid = match live {
        IndexView::Present(live) => live.marks.uuid.clone(),
        _ => String::new(),
    };
    let endpoint = guard.endpoint;
    let mut hand = Hand { link, caller, cluster: pinned, endpoint, physical, uuid, fresh: true };
    for step in &plan.steps {
        let (start, failures) = (Instant::now(), outcome.failures.len());
        let goes_on = hand.take(step, index, &mut outcome).await;
        let ending = match outcome.put_off {
            _ if failures < outcome.failures.len() => StepEnding::Error,
            Some(_) => StepEnding::PutOff,
            None => StepEnding::Success,
        };
        metrics.step_taken(Index::NAME, label(step), ending, start.elapsed());
        if !goes_on {
            break;
        }
    }
    if outcome.put_off == Some(PutOff::Moved) {
        link.outdate_and_tell(name);
    } else {
        link.outdate(name);
    }
    outcome
}

/// What makes the calls, one after the other.
struct Hand<'a> {
    link: &'a Link,
    caller: String,
    /// The pinned cluster.
    cluster: &'a str,
    /// The endpoint that answered last.
    endpoint: EndpointId,
    physical: OneIndex,
    /// The index that was looked at; empty where there was none.
    uuid: String,
    /// Whether nothing was sent since the index was looked at.
    fresh: bool,
}

/// Why a step did not come to its end.
enum Halt {
    Failed(Error),
    PutOff(PutOff),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Hand<'_> {
    /// Takes one step; false when the ones after it have no chance.
    async fn take(&mut self, step: &Step, index: &Index, outcome: &mut Outcome) -> bool {
        let result = match step {
            Step::Settings(changes) => return self.settings(changes, outcome).await,
            Step::DeleteIfEmpty { unblock } => {
                self.delete_if_empty(*unblock).await.map(|it| outcome.fate = Some(it))
            }
            _ => self.write(call(step, index, &self.physical, &self.caller)).await,
        };
        match (result, step) {
            (Ok(()), _) => {
                outcome.did(what(step));
                match step {
                    Step::Create => outcome.fate = Some(Fate::Created),
                    Step::Delete => outcome.fate = Some(Fate::Deleted),
                    Step::Aliases(_) => outcome.written_aliases = true,
                    _ => {}
                }
                true
            }
            (Err(Halt::Failed(error)), Step::Delete) if error.is_not_found() => {
                outcome.fate = Some(Fate::Deleted);
                true
            }
            (Err(halt), _) => outcome.halted(what(step), halt),
        }
    }

    /// All in one call; when Elasticsearch refuses it, key by key, so that one bad key does not
    /// hold back the others.
    async fn settings(&mut self, changes: &[SettingChange], outcome: &mut Outcome) -> bool {
        let keys = |it: &[SettingChange]| it.iter().map(|it| it.key.clone()).collect::<Vec<_>>();
        let what = "change settings";
        match self.write(self.settings_call(changes)).await {
            Ok(()) => {
                outcome.did(what);
                outcome.written_settings = keys(changes);
                return true;
            }
            Err(Halt::Failed(error)) if error.category() == Category::Rejected => {
                if changes.len() == 1 {
                    return outcome.halted(what, error.into());
                }
            }
            Err(halt) => return outcome.halted(what, halt),
        }
        for change in changes {
            let one = std::slice::from_ref(change);
            match self.write(self.settings_call(one)).await {
                Ok(()) => {
                    outcome.did(what);
                    outcome.written_settings.extend(keys(one));
                }
                Err(halt) => {
                    if !outcome.halted(what, halt) {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Blocks writes, makes every document countable, counts, and only then deletes: a document
    /// that was written a moment ago is not lost.
    async fn delete_if_empty(&mut self, unblock: bool) -> Result<Fate, Halt> {
        if unblock {
            self.write(Write::block_writes(&self.physical, &self.caller)).await?;
        }
        self.send(Write::refresh(&self.physical, &self.caller)).await?;
        let client = self.link.client();
        // A count that lacks a shard does not show that the index is empty.
        match client.count_at(self.endpoint, &self.physical, &self.caller).await? {
            None => return Err(Halt::PutOff(PutOff::Uncounted)),
            Some(0) => {
                match self.write(Write::delete_index(&self.physical, &self.caller)).await {
                    Err(Halt::Failed(error)) if error.is_not_found() => {}
                    result => result?,
                }
                return Ok(Fate::Deleted);
            }
            Some(_) => {}
        }
        if unblock {
            self.write(Write::unblock_writes(&self.physical, &self.caller)).await?;
        }
        Ok(Fate::Kept)
    }

    fn settings_call(&self, changes: &[SettingChange]) -> Write {
        Write::put_settings(&self.physical, settings::body(changes).to_string(), &self.caller)
    }

    async fn write(&mut self, call: Write) -> Result<(), Halt> {
        Ok(self.send(call).await?.acknowledged()?)
    }

    /// Sends `call` to the index that was looked at. What was sent before took its time: whether
    /// it is still that index in that cluster is asked once more, and whether this process may
    /// still write.
    async fn send(&mut self, call: Write) -> Result<Answer, Halt> {
        let client = self.link.client();
        if !std::mem::take(&mut self.fresh) {
            let guard = client.guard_at(self.endpoint, &self.physical, &self.caller).await?;
            let marks = guard.indices.get(self.physical.as_str());
            if guard.cluster_uuid != self.cluster || marks.map(|it| &it.uuid) != Some(&self.uuid) {
                return Err(Halt::PutOff(PutOff::Moved));
            }
        }
        Ok(client.write_at(self.endpoint, &call).await?)
    }
}

/// The call of a step that is one call.
#[must_use]
pub fn call(step: &Step, index: &Index, physical: &OneIndex, caller: &str) -> Write {
    let text = |it: &Map<String, Value>| Value::Object(it.clone()).to_string();
    match step {
        Step::Create => {
            let declared = declared(index).unwrap_or_default();
            let body = create_body(
                &declared.settings,
                &declared.mappings,
                &declared.aliases,
                &mark_of(index),
            );
            Write::create_index(physical, body.to_string(), caller)
        }
        Step::Mapping(body) => Write::put_mapping(physical, text(body), caller),
        Step::Settings(changes) => {
            Write::put_settings(physical, settings::body(changes).to_string(), caller)
        }
        Step::Aliases(body) => Write::update_aliases(body.to_string(), caller),
        Step::Open => Write::open_index(physical, caller),
        Step::Close => Write::close_index(physical, caller),
        Step::Unblock => Write::unblock_writes(physical, caller),
        Step::Delete | Step::DeleteIfEmpty { .. } => Write::delete_index(physical, caller),
    }
}

/// What a step does, in words.
#[must_use]
pub fn what(step: &Step) -> &'static str {
    match step {
        Step::Create => "create the index",
        Step::Mapping(_) => "change the mapping",
        Step::Settings(_) => "change settings",
        Step::Aliases(_) => "change aliases",
        Step::Open => "open the index",
        Step::Close => "close the index",
        Step::Unblock => "let documents be written again",
        Step::Delete => "delete the index",
        Step::DeleteIfEmpty { .. } => "delete the index if it is empty",
    }
}

/// What a step is called in the metrics.
fn label(step: &Step) -> &'static str {
    match step {
        Step::Create => "create",
        Step::Mapping(_) => "mapping",
        Step::Settings(_) => "settings",
        Step::Aliases(_) => "aliases",
        Step::Open => "open",
        Step::Close => "close",
        Step::Unblock => "unblock",
        Step::Delete => "delete",
        Step::DeleteIfEmpty { .. } => "delete_if_empty",
    }
}
