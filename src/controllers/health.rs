//! Elasticsearch's words for health in the words of the API.

use crate::{api::cluster_status::Health, elasticsearch::cluster_reads::HealthStatus};

/// What the API calls Elasticsearch's `word`.
#[must_use]
pub fn health(word: HealthStatus) -> Health {
    match word {
        HealthStatus::Green => Health::Green,
        HealthStatus::Yellow => Health::Yellow,
        HealthStatus::Red => Health::Red,
        HealthStatus::Unknown => Health::Unknown,
    }
}
