//! What separates the live index from the spec, sorted by what can be done about it. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::{
    api::index::{AppliedStatus, Index, IndexState},
    elasticsearch::{
        names,
        snapshot::LiveIndex,
        values::{
            Difference, Problem,
            aliases::{self, AliasChange},
            mappings,
            mark::{self, Mark},
            settings::{self, Kind, SettingChange},
        },
    },
};

/// Where the owner mark stands, as a path of a difference.
const MARK_PATH: &str = "mappings._meta.drover";
/// Where the open or closed state stands, as a path of a difference.
const STATE_PATH: &str = "state";

/// All that separates a live index from its spec.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Settings that differ, of every kind.
    pub settings: Vec<SettingChange>,
    /// What to send to the mapping API, without the mark; nothing when it would change nothing.
    pub mapping: Option<Map<String, Value>>,
    /// What `mapping` adds or changes.
    pub additions: Vec<Difference>,
    /// Mapping changes that Elasticsearch can't make in place.
    pub impossible: Vec<Difference>,
    /// The user's part of `_meta`, where it differs.
    pub meta: Option<Difference>,
    /// Aliases to add, change or remove.
    pub aliases: Vec<AliasChange>,
    /// The live state, where it is not the declared one.
    pub state: Option<IndexState>,
    /// Whether Drover's mark is not on the index.
    pub unmarked: bool,
}

/// The spec in the form in which it is compared.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Settings, flat.
    pub settings: settings::Flat,
    /// Mappings.
    pub mappings: Map<String, Value>,
    /// Aliases by name.
    pub aliases: Map<String, Value>,
}

/// Reads the free-form parts of the spec.
///
/// # Errors
/// What of it can't be worked with, by path.
pub fn declared(index: &Index) -> Result<Declared, Vec<Problem>> {
    let map = |it: &Option<crate::api::fields::JsonObject>| {
        it.as_ref().map(crate::api::fields::JsonObject::to_map).unwrap_or_default()
    };
    let (settings, mappings, aliases) =
        (map(&index.spec.settings), map(&index.spec.mappings), map(&index.spec.aliases));
    let mut problems = Vec::new();
    let settings = settings::flatten(&settings).map_err(|found| problems.extend(found));
    let mappings = mappings::normalise(&mappings).map_err(|found| problems.extend(found));
    let aliases =
        aliases::normalise(index.public_name(), &aliases).map_err(|found| problems.extend(found));
    // Admission refuses such a name, but not one that was stored before it was asked.
    if let Some(message) = names::new_index_problem(index.public_name()) {
        problems.push(Problem::new("name", message));
    }
    match (settings, mappings, aliases) {
        (Ok(settings), Ok(mappings), Ok(aliases)) if problems.is_empty() => {
            Ok(Declared { settings, mappings, aliases })
        }
        _ => Err(problems),
    }
}

/// The mark that `index` puts on what it owns.
#[must_use]
pub fn mark_of(index: &Index) -> Mark {
    Mark {
        namespace: index.metadata.namespace.clone().unwrap_or_default(),
        name: index.metadata.name.clone().unwrap_or_default(),
        uid: index.metadata.uid.clone().unwrap_or_default(),
        adopted: false,
    }
}

/// Compares `live` with what is declared and with what Drover set before.
#[must_use]
pub fn changes(index: &Index, declared: &Declared, live: &LiveIndex) -> Changes {
    let applied = index.status.as_ref().and_then(|it| it.applied.clone()).unwrap_or_default();
    let AppliedStatus { settings: applied_settings, aliases: applied_aliases } = applied;
    let content = &live.content;
    let live_mappings = content.mappings();
    let live_state = if live.is_open() { IndexState::Open } else { IndexState::Closed };
    let live_settings = content.settings();
    let mapping = mappings::difference(&declared.mappings, &live_mappings, &live_settings);
    Changes {
        settings: settings::difference(&declared.settings, &live_settings, &applied_settings),
        mapping: mapping.body,
        additions: mapping.additions,
        impossible: mapping.impossible,
        meta: mark::difference(&declared.mappings, &live_mappings),
        aliases: aliases::difference(&declared.aliases, &content.aliases(), &applied_aliases),
        state: (live_state != index.spec.state).then_some(live_state),
        unmarked: mark::read(&live_mappings).map(|it| it.uid) != index.metadata.uid,
    }
}

impl Changes {
    /// Whether `change` can be made while the index is, or shall be, open or closed.
    #[must_use]
    pub fn in_place(change: &SettingChange, closed: bool) -> bool {
        match change.kind {
            Kind::Dynamic => true,
            Kind::ClosedOnly => closed,
            Kind::Final => false,
        }
    }

    /// Every difference, the mark's apart.
    #[must_use]
    pub fn differences(&self, index: &Index) -> Vec<Difference> {
        let mut all: Vec<Difference> = self.settings.iter().map(setting_difference).collect();
        all.extend(self.additions.iter().cloned());
        all.extend(self.impossible.iter().cloned());
        all.extend(self.meta.clone());
        all.extend(self.aliases.iter().map(alias_difference));
        if let Some(live) = self.state {
            let word = |it| Some(Value::String(format!("{it:?}")));
            let desired = word(index.spec.state);
            all.push(Difference { path: STATE_PATH.into(), desired, live: word(live) });
        }
        all
    }

    /// The lost mark as a difference, where it is lost.
    #[must_use]
    pub fn lost_mark(&self) -> Option<Difference> {
        self.unmarked.then(|| Difference {
            path: MARK_PATH.into(),
            desired: Some(Value::String("the owner mark".into())),
            live: None,
        })
    }

    /// The same, of the same index, without what stands at `paths`.
    #[must_use]
    pub fn without(
        mut self,
        paths: &BTreeSet<String>,
        declared: &Declared,
        live: &LiveIndex,
    ) -> Self {
        self.settings.retain(|it| !paths.contains(&it.path()));
        self.aliases.retain(|it| !paths.contains(&it.path()));
        // One field may be partly as it shall stay: what to send is worked out anew.
        let (mappings, settings) = (live.content.mappings(), live.content.settings());
        let mapping = mappings::difference_but_for(&declared.mappings, &mappings, &settings, paths);
        self.mapping = mapping.body;
        self.additions = mapping.additions;
        self.impossible.retain(|it| !paths.contains(&it.path));
        self.meta = self.meta.filter(|it| !paths.contains(&it.path));
        if paths.contains(STATE_PATH) {
            self.state = None;
        }
        if paths.contains(MARK_PATH) {
            self.unmarked = false;
        }
        self
    }
}

fn setting_difference(change: &SettingChange) -> Difference {
    Difference { path: change.path(), desired: change.desired.clone(), live: change.live.clone() }
}

fn alias_difference(change: &AliasChange) -> Difference {
    Difference { path: change.path(), desired: change.desired.clone(), live: change.live.clone() }
}

/// A setting that needs another index, or a closed one, as a difference.
#[must_use]
pub fn not_in_place(change: &SettingChange) -> Difference {
    setting_difference(change)
}
