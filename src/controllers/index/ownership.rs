//! Whose an index is. Pure.

use super::{changes::mark_of, observe::Observed};
use crate::{api::index::Index, elasticsearch::snapshot::LiveIndex};

/// Whose the live index is.
pub(super) enum Owner {
    /// This object's: by its mark, or by the uuid in its status.
    This,
    /// Nobody's that Drover knows of.
    Nobody,
    /// That of another object, which is there; the text says whose.
    Rival(String),
    /// Somebody else's; the text says whose.
    Other(String),
}

pub(super) fn owner(index: &Index, seen: &Observed, live: &LiveIndex) -> Owner {
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

/// The uuid of the index that Drover made or adopted.
pub(super) fn stored_uuid(index: &Index) -> Option<&str> {
    index.status.as_ref().and_then(|it| it.uuid.as_deref())
}

/// Whether somebody else made the index. Where the mark that says so is lost the status tells, and
/// where nobody does, nothing in it is taken for Drover's.
pub(super) fn is_adopted(index: &Index, live: &LiveIndex) -> bool {
    let found = live.content.mark();
    match found.filter(|it| Some(&it.uid) == index.metadata.uid.as_ref()) {
        Some(mark) => mark.adopted,
        None => index.status.as_ref().and_then(|it| it.adopted).unwrap_or(true),
    }
}
