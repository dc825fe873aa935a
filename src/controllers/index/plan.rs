//! What an Index needs done, or why nothing can be done. Pure.

use std::collections::BTreeSet;

use kube::ResourceExt as _;
use serde_json::{Map, Value};

use super::{
    changes::{Changes, Declared, changes, declared, mark_of, not_in_place},
    cluster_gate::ClusterGate,
    observe::Observed,
};
use crate::{
    api::{
        RECREATE,
        index::{AdoptionPolicy, DeletionPolicy, DriftPolicy, Index, IndexState, Mode},
    },
    elasticsearch::{
        snapshot::{IndexView, LiveIndex},
        values::{Difference, Problem, aliases, mark::Mark, settings::SettingChange},
    },
};

/// The longest value that a status quotes, in characters: it is for people, and stored for each.
pub const QUOTE: usize = 1024;

/// The decision of one reconcile.
#[derive(Debug, Default)]
pub struct Plan {
    /// Where the index stands.
    pub stand: Stand,
    /// What to do now, in this order.
    pub steps: Vec<Step>,
    /// What mode Plan holds back.
    pub held: Vec<Step>,
    /// What somebody else changed, or what keeps the index from being adopted.
    pub drift: Vec<Difference>,
    /// What Elasticsearch can't change in place.
    pub reindex: Vec<Difference>,
    /// Settings that could be changed if the index were closed.
    pub closed_only: Vec<String>,
    /// What is to be done after these steps, by a later look: what only a closed index takes.
    pub later: Vec<Step>,
    /// Setting keys and alias names of the spec, for the record of what Drover set.
    pub declared: Option<Declared>,
    /// Whether somebody else made the index, so that only what Drover wrote is Drover's.
    pub adopted: bool,
}

impl Plan {
    /// Whether the index can't be looked at.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        let blind = [Stand::Unread, Stand::NoCluster, Stand::Unreadable, Stand::TooLarge];
        blind.contains(&self.stand) || matches!(self.stand, Stand::Invalid(_))
    }
}

/// Where an index stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stand {
    /// It has not been read yet: wait.
    #[default]
    Unread,
    /// The spec can't be worked with.
    Invalid(Vec<Problem>),
    /// Another object has the older claim on the same index, or keeps it; the text says which.
    Conflict(String),
    /// The Cluster is absent or can't be worked in.
    NoCluster,
    /// The index is there and Drover's user may not read it.
    Unreadable,
    /// The index is there and is more than Drover reads.
    TooLarge,
    /// There is none, and there never was one of ours.
    ToCreate,
    /// The index with this uuid was deleted behind Drover's back.
    Lost(String),
    /// What bears the name is not Drover's to touch; the text says why.
    NotOwned(String),
    /// It is Drover's.
    Owned,
    /// The object is deleted and nothing is left to do; the text says what was left behind.
    Gone(Option<String>),
    /// The object is deleted and its index is to be deleted.
    Deleting,
    /// The object is deleted; that writes will be blocked is put on record first.
    Announced,
}

/// One call to Elasticsearch.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Make the index, with the mark.
    Create,
    /// Send this to the mapping API.
    Mapping(Map<String, Value>),
    /// Change these settings; a value of null resets one.
    Settings(Vec<SettingChange>),
    /// Change these aliases in one call.
    Aliases(Value),
    /// Open the index.
    Open,
    /// Close the index.
    Close,
    /// Let documents be written again.
    Unblock,
    /// Delete the index.
    Delete,
    /// Delete the index if it holds no document.
    DeleteIfEmpty {
        /// Whether Drover blocks writes for that time, and has to unblock them again.
        unblock: bool,
    },
}

/// Decides what is next for `index`.
#[must_use]
pub fn next(index: &Index, seen: &Observed) -> Plan {
    if index.metadata.deletion_timestamp.is_some() {
        return farewell(index, seen);
    }
    let declared = match declared(index) {
        Ok(declared) => declared,
        Err(problems) => return stand(Stand::Invalid(problems)),
    };
    if let Some(rival) = &seen.rival {
        let name = index.public_name();
        return stand(Stand::Conflict(format!(
            "Index '{rival}' is older and claims '{name}' in the same Cluster; delete one of the two"
        )));
    }
    match seen.gate {
        ClusterGate::Open { .. } => {}
        ClusterGate::Pending => return Plan::default(),
        ClusterGate::Absent | ClusterGate::Blocked(_) => return stand(Stand::NoCluster),
    }
    let plan = match &seen.live {
        IndexView::Unread => Plan::default(),
        IndexView::Unreadable => stand(Stand::Unreadable),
        IndexView::TooLarge(_) => stand(Stand::TooLarge),
        IndexView::Missing => missing(index),
        IndexView::Present(live) => present(index, seen, &declared, live),
    };
    let plan = Plan { declared: Some(declared), ..plan };
    match index.spec.mode {
        Mode::Apply => plan,
        Mode::Plan => {
            let held = plan.steps.into_iter().chain(plan.later).collect();
            Plan { held, steps: Vec::new(), later: Vec::new(), ..plan }
        }
    }
}

fn stand(stand: Stand) -> Plan {
    Plan { stand, ..Plan::default() }
}

fn stored_uuid(index: &Index) -> Option<&str> {
    index.status.as_ref().and_then(|it| it.uuid.as_deref())
}

fn missing(index: &Index) -> Plan {
    let later = match index.spec.state {
        IndexState::Open => Vec::new(),
        IndexState::Closed => vec![Step::Close],
    };
    let steps = vec![Step::Create];
    let create = Plan { stand: Stand::ToCreate, steps, later, ..Plan::default() };
    match stored_uuid(index) {
        None => create,
        Some(lost) if index.annotations().get(RECREATE).is_some_and(|it| it == lost) => create,
        Some(lost) => stand(Stand::Lost(lost.to_owned())),
    }
}

/// Whose the live index is.
enum Owner {
    /// This object's: by its mark, or by the uuid in its status.
    This,
    /// Nobody's that Drover knows of.
    Nobody,
    /// That of another object, which is there; the text says whose.
    Rival(String),
    /// Somebody else's; the text says whose.
    Other(String),
}

fn owner(index: &Index, seen: &Observed, live: &LiveIndex) -> Owner {
    let name = index.public_name();
    let found = live.content.mark();
    let mine = mark_of(index);
    let known = stored_uuid(index) == Some(live.marks.uuid.as_str());
    let marked = found.as_ref().is_some_and(|it| it.uid == mine.uid);
    // A clone carries the mark of its source: behind an alias the mark alone proves nothing.
    if known && found.is_none() || marked && (known || !live.is_behind_alias(name)) {
        return Owner::This;
    }
    if let (true, Some(other)) = (known, &found) {
        // Fighting over the mark would never end.
        let (namespace, other) = (&other.namespace, &other.name);
        return Owner::Other(format!("index '{name}' was taken over by Index {namespace}/{other}"));
    }
    if live.is_behind_alias(name) {
        let physical = &live.physical_name;
        return Owner::Other(format!("'{name}' is an alias of index '{physical}'"));
    }
    match found {
        None => Owner::Nobody,
        // The object that made it is gone: this one bears its name, or it left without deleting.
        Some(mark) if mark.namespace == mine.namespace && seen.marked_for.is_none() => {
            Owner::Nobody
        }
        Some(mark) if seen.marked_for.is_some() => Owner::Rival(format!(
            "index '{name}' is kept by Index {}/{}; delete one of the two objects. If they name two \
             Clusters, both stand for one Elasticsearch",
            mark.namespace, mark.name
        )),
        Some(mark) => Owner::Other(format!(
            "index '{name}' is marked for Index {}/{}",
            mark.namespace, mark.name
        )),
    }
}

fn present(index: &Index, seen: &Observed, declared: &Declared, live: &LiveIndex) -> Plan {
    let changes = changes(index, declared, live);
    match owner(index, seen, live) {
        Owner::This => owned(index, declared, live, changes),
        Owner::Rival(why) => stand(Stand::Conflict(why)),
        Owner::Other(whose) => stand(Stand::NotOwned(format!("{whose}, which stays as it is"))),
        Owner::Nobody => adoption(index, declared, live, changes),
    }
}

fn adoption(index: &Index, declared: &Declared, live: &LiveIndex, changes: Changes) -> Plan {
    let name = index.public_name();
    let drift = changes.differences(index);
    let refuse =
        |why: String| Plan { stand: Stand::NotOwned(why), drift: drift.clone(), ..Plan::default() };
    if let Some(lost) = stored_uuid(index) {
        return refuse(format!(
            "index '{name}' is another one than the one Drover kept, which had uuid {lost}; set \
             adoptionPolicy and take away status by making this object anew to take it over"
        ));
    }
    match index.spec.adoption_policy {
        AdoptionPolicy::Always => {}
        AdoptionPolicy::IfMatching if drift.is_empty() => {}
        AdoptionPolicy::IfMatching => {
            return refuse(format!(
                "index '{name}' is already there and differs from the spec: status.drift shows \
                 where; make them match, or set adoptionPolicy Always"
            ));
        }
        AdoptionPolicy::Never => {
            return refuse(format!("index '{name}' is already there and adoptionPolicy is Never"));
        }
    }
    owned(index, declared, live, changes)
}

fn owned(index: &Index, declared: &Declared, live: &LiveIndex, changes: Changes) -> Plan {
    let adopted = is_adopted(index, declared, live);
    let mut differences = changes.differences(index);
    differences.extend(changes.lost_mark().filter(|_| is_settled(index)));
    // What can't be made so is outstanding for ever, whoever made it differ: it never turns into
    // drift by waiting.
    let stuck = stuck(index, live, &changes);
    differences.retain(|it| !stuck.contains(&it.path));
    let drift = drift(index, &differences);
    let changes = match index.spec.drift_policy {
        DriftPolicy::Enforce => changes,
        DriftPolicy::Report => {
            changes.without(&drift.iter().map(|it| it.path.clone()).collect::<BTreeSet<_>>())
        }
    };
    let closed_soon = index.spec.state == IndexState::Closed;
    let (closed_only, fixed): (Vec<_>, Vec<_>) = changes
        .settings
        .iter()
        .filter(|it| !Changes::in_place(it, closed_soon || !live.is_open()))
        .partition(|it| Changes::in_place(it, true));
    let mut reindex: Vec<Difference> = fixed.into_iter().map(not_in_place).collect();
    reindex.extend(closed_only.iter().map(|it| not_in_place(it)));
    reindex.extend(changes.impossible.iter().cloned());
    let mut later = Vec::new();
    if live.is_open() && closed_soon {
        let waits =
            |it: &&SettingChange| !Changes::in_place(it, false) && Changes::in_place(it, true);
        let settings: Vec<_> = changes.settings.iter().filter(waits).cloned().collect();
        later.extend((!settings.is_empty()).then_some(Step::Settings(settings)));
    }
    let closed_only = closed_only.into_iter().map(SettingChange::path).collect();
    let steps = steps(index, declared, live, changes, adopted);
    Plan {
        stand: Stand::Owned,
        steps,
        drift,
        reindex,
        closed_only,
        later,
        declared: None,
        adopted,
        held: Vec::new(),
    }
}

/// The paths of what can't be changed in this index, as it is and as it shall be.
fn stuck(index: &Index, live: &LiveIndex, changes: &Changes) -> BTreeSet<String> {
    let closed = index.spec.state == IndexState::Closed || !live.is_open();
    let settings = changes.settings.iter().filter(|it| !Changes::in_place(it, closed));
    let fields = changes.impossible.iter().map(|it| it.path.clone());
    settings.map(SettingChange::path).chain(fields).collect()
}

/// Whether this very spec was once applied in full, so that what differs now is not Drover's doing.
fn is_settled(index: &Index) -> bool {
    let Some(status) = &index.status else { return false };
    status.uuid.is_some()
        && status.synced_generation.is_some()
        && status.synced_generation == index.metadata.generation
}

/// Which of the differences somebody else made.
fn drift(index: &Index, differences: &[Difference]) -> Vec<Difference> {
    if is_settled(index) {
        return differences.to_vec();
    }
    // A drift that is known stays one until it is gone, also beside a new spec or a failed repair.
    let Some(status) = &index.status else { return Vec::new() };
    differences
        .iter()
        .filter(|now| {
            status.drift.iter().any(|known| {
                known.path == now.path
                    && known.desired == quoted(now.desired.as_ref())
                    && known.live == quoted(now.live.as_ref())
            })
        })
        .cloned()
        .collect()
}

/// A value as a status quotes it.
#[must_use]
pub fn quoted(value: Option<&Value>) -> Option<String> {
    value.map(|it| it.to_string().chars().take(QUOTE).collect())
}

/// Whether somebody else made the index. Where the mark that says so is lost, the record of what
/// Drover set tells: it holds less than the spec declares.
fn is_adopted(index: &Index, declared: &Declared, live: &LiveIndex) -> bool {
    let found = live.content.mark();
    match found.filter(|it| Some(&it.uid) == index.metadata.uid.as_ref()) {
        Some(mark) => mark.adopted,
        None => index.status.as_ref().and_then(|it| it.applied.as_ref()).is_none_or(|applied| {
            declared.settings.keys().any(|it| !applied.settings.contains(it))
        }),
    }
}

/// The calls, in an order in which each is possible.
fn steps(
    index: &Index,
    declared: &Declared,
    live: &LiveIndex,
    changes: Changes,
    adopted: bool,
) -> Vec<Step> {
    let name = &live.physical_name;
    let now_closed = !live.is_open();
    let mut steps = Vec::new();
    let mut body = changes.mapping.unwrap_or_default();
    if changes.unmarked || changes.meta.is_some() {
        let mark = Mark { adopted, ..mark_of(index) };
        let meta = mark.merged_into(&declared.mappings, &live.content.mappings());
        if changes.unmarked && !body.is_empty() {
            // On its own, so that a field that is refused does not hold it back.
            let meta = Map::from_iter([("_meta".to_owned(), Value::Object(meta))]);
            steps.push(Step::Mapping(meta));
        } else {
            body.insert("_meta".into(), Value::Object(meta));
        }
    }
    let settings: Vec<SettingChange> =
        changes.settings.into_iter().filter(|it| Changes::in_place(it, now_closed)).collect();
    // The mark comes first: whatever a crash leaves behind is known for Drover's.
    if !body.is_empty() {
        steps.push(Step::Mapping(body));
    }
    if !settings.is_empty() {
        steps.push(Step::Settings(settings));
    }
    if !changes.aliases.is_empty() {
        steps.push(Step::Aliases(aliases::actions(name, &changes.aliases)));
    }
    match changes.state {
        Some(IndexState::Open) => steps.push(Step::Close),
        Some(IndexState::Closed) => steps.push(Step::Open),
        None => {}
    }
    steps
}

fn farewell(index: &Index, seen: &Observed) -> Plan {
    let name = index.public_name();
    let gone = |left: Option<String>| stand(Stand::Gone(left));
    let lets_go =
        index.spec.deletion_policy == DeletionPolicy::Retain || index.spec.mode == Mode::Plan;
    if lets_go && index.status.as_ref().and_then(|it| it.write_block) == Some(true) {
        // An earlier DeleteIfEmpty blocked writes and did not come to its end.
        return match (&seen.gate, &seen.live) {
            (ClusterGate::Open { .. }, IndexView::Present(live)) if is_blocked(index, live) => {
                Plan { stand: Stand::Deleting, steps: vec![Step::Unblock], ..Plan::default() }
            }
            (ClusterGate::Open { .. }, IndexView::Unread) | (ClusterGate::Pending, _) => {
                stand(Stand::Unread)
            }
            (ClusterGate::Open { .. }, _) => gone(None),
            _ => gone(Some(format!(
                "index '{name}' stays, and writes to it stay blocked: set index.blocks.write to null"
            ))),
        };
    }
    if index.spec.deletion_policy == DeletionPolicy::Retain {
        return gone(None);
    }
    if index.spec.mode == Mode::Plan {
        return gone(Some(format!("index '{name}' stays, since mode is Plan")));
    }
    match (&seen.gate, &seen.live) {
        (ClusterGate::Absent, _) => {
            gone(Some(format!("index '{name}' stays if it is there: its Cluster is gone")))
        }
        (ClusterGate::Blocked(_), _) => stand(Stand::NoCluster),
        (ClusterGate::Pending, _) | (_, IndexView::Unread) => stand(Stand::Unread),
        (_, IndexView::Unreadable) => stand(Stand::Unreadable),
        (_, IndexView::TooLarge(_)) => stand(Stand::TooLarge),
        (_, IndexView::Missing) => gone(None),
        (_, IndexView::Present(live)) => match owner(index, seen, live) {
            Owner::This => deletion(index, live),
            Owner::Nobody => gone(Some(format!("index '{name}' stays: it is not Drover's"))),
            Owner::Rival(_) => gone(None),
            Owner::Other(whose) => gone(Some(format!("{whose}: it stays"))),
        },
    }
}

/// Whether the index that Drover kept refuses writes.
fn is_blocked(index: &Index, live: &LiveIndex) -> bool {
    let blocked = live.content.settings().get("index.blocks.write").is_some_and(|it| it == "true");
    blocked && stored_uuid(index) == Some(live.marks.uuid.as_str())
}

/// The deletion of an index that is Drover's.
fn deletion(index: &Index, live: &LiveIndex) -> Plan {
    let step = match index.spec.deletion_policy {
        DeletionPolicy::Delete => Step::Delete,
        _ if !live.is_open() => {
            let name = index.public_name();
            let left =
                format!("index '{name}' stays: it is closed, so its documents can't be counted");
            return stand(Stand::Gone(Some(left)));
        }
        _ => match index.status.as_ref().and_then(|it| it.write_block) {
            None => return stand(Stand::Announced),
            Some(unblock) => Step::DeleteIfEmpty { unblock },
        },
    };
    Plan { stand: Stand::Deleting, steps: vec![step], ..Plan::default() }
}
