//! What a cluster that is not green looks like, to tell whether that is how it is.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::Timestamp;

use crate::{
    elasticsearch::{
        cluster_reads::HealthStatus,
        evidence::{CopyState, Evidence},
    },
    rollout::run::Settled,
};

/// What the cluster looks like, as far as it is not green. While replicas are held back nothing new
/// is taken for how the cluster is, but what was stays so as long as it looks the same.
#[must_use]
pub fn looks(evidence: &Evidence, before: Option<&Settled>, now: Timestamp) -> Option<Settled> {
    let health = &evidence.health;
    let moves = 0 < health.initializing + health.relocating + health.delayed + health.fetches;
    if moves || health.status != HealthStatus::Yellow {
        return None;
    }
    let digest = unassigned(evidence);
    let same = before.filter(|it| it.digest == digest).cloned();
    if evidence.allocation.is_protected() || evidence.shutdowns.is_any_of_drover() {
        return same;
    }
    Some(same.unwrap_or(Settled { digest, since: now }))
}

/// A digest of the copies that no node has.
pub(super) fn unassigned(evidence: &Evidence) -> u64 {
    let mut hasher = DefaultHasher::new();
    let none = evidence.copies.iter().filter(|it| it.state == CopyState::Unassigned);
    let mut all: Vec<_> = none.map(|it| (it.shard(), it.is_primary, &it.unassigned)).collect();
    all.sort();
    all.hash(&mut hasher);
    hasher.finish()
}
