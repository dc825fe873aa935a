//! Connecting to what an object stands for, alike for all kinds that do.

use std::time::Instant;

use crate::telemetry::metrics::{Metrics, StepEnding};

/// What came of the step.
#[derive(Debug)]
pub struct Outcome<E> {
    /// Why the connection can't even be tried.
    pub unusable: Option<E>,
    /// Whether a connection was begun whose first answer is awaited.
    pub connecting: bool,
}

impl<E> Default for Outcome<E> {
    fn default() -> Self {
        Self { unusable: None, connecting: false }
    }
}

/// Takes a step of the controller of `kind`, and counts it under `label`.
pub fn counted<E>(
    metrics: &Metrics,
    kind: &'static str,
    label: &'static str,
    take: impl FnOnce() -> Outcome<E>,
) -> Outcome<E> {
    let start = Instant::now();
    let outcome = take();
    let failed = outcome.unusable.is_some();
    let ending = if failed { StepEnding::Error } else { StepEnding::Success };
    metrics.step_taken(kind, label, ending, start.elapsed());
    outcome
}
