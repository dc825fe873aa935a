//! What somebody else changed, told apart from what the spec still has to change. Pure.

use serde_json::Value;

use crate::{api::index::Index, elasticsearch::values::Difference};

/// The longest value that a status quotes, in characters: it is for people, and stored for each.
pub const QUOTE: usize = 1024;

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
