//! What somebody else changed, told apart from what the spec still has to change. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ring::digest::{Context, SHA256};
use serde_json::Value;

use crate::{api::index::Index, digest::hex, elasticsearch::values::Difference};

/// The longest value that a status quotes, in characters: it is for people, and stored for each.
pub const QUOTE: usize = 1024;
/// The most differences that a status keeps digests of. Where there are more, all that differs is
/// taken for drift.
pub const DIGESTS: usize = 4096;

/// Whether this very spec was once applied in full, so that what differs now is not Drover's doing.
pub(super) fn is_settled(index: &Index) -> bool {
    let Some(status) = &index.status else { return false };
    status.uuid.is_some()
        && status.synced_generation.is_some()
        && status.synced_generation == index.metadata.generation
}

/// Which of the differences somebody else made.
pub(super) fn drift(index: &Index, differences: &[Difference]) -> Vec<Difference> {
    if is_settled(index) {
        return differences.to_vec();
    }
    // A drift that is known stays one until it is gone, also beside a new spec or a failed repair;
    // where the new spec wants something else, it is the spec's.
    let Some(status) = &index.status else { return Vec::new() };
    let shown: BTreeMap<_, _> = status.drift.iter().map(|it| (&*it.path, &it.desired)).collect();
    let others: BTreeSet<&str> = status.drift_digests.iter().map(String::as_str).collect();
    let uncounted = others.len() == DIGESTS;
    let is_known = |now: &&Difference| {
        uncounted
            || others.contains(&*digest(now))
            || is_shown_whole(now)
                && shown.get(&*now.path).is_some_and(|it| **it == quoted(now.desired.as_ref()))
    };
    differences.iter().filter(is_known).cloned().collect()
}

/// Stands in a status for a difference that it leaves out or cuts short: says where, and what was
/// desired there.
#[must_use]
pub fn digest(difference: &Difference) -> String {
    let mut context = Context::new(&SHA256);
    context.update(difference.path.as_bytes());
    context.update(&[0]);
    if let Some(desired) = &difference.desired {
        context.update(desired.to_string().as_bytes());
    }
    hex(&context.finish().as_ref()[..6])
}

/// Whether a status that lists the difference shows all of what is desired.
#[must_use]
pub fn is_shown_whole(difference: &Difference) -> bool {
    difference.desired.as_ref().is_none_or(|it| it.to_string().chars().count() <= QUOTE)
}

/// A value as a status quotes it.
#[must_use]
pub fn quoted(value: Option<&Value>) -> Option<String> {
    value.map(|it| it.to_string().chars().take(QUOTE).collect())
}
