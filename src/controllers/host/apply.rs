//! Does what was decided about a Host. Hosts themselves are asked by tasks of their own, so nothing
//! here waits for one.

use super::{
    elasticsearch, key, operation,
    plan::{Plan, Step},
    registration,
};
use crate::{api::host::Host, context::Context};

/// What came of the step.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Whether the machine is reached or looked into anew, and its first answer awaited.
    pub awaiting: bool,
    /// What came of the step about its Node.
    pub registration: registration::apply::Ending,
    /// What came of the step about its Elasticsearch.
    pub elasticsearch: elasticsearch::apply::Ending,
    /// What came of the step for a run over the hosts of its Cluster.
    pub operation: operation::apply::Ending,
}

/// Watches the machine, or stops to.
#[must_use]
pub fn run(ctx: &Context, host: &Host, plan: &Plan) -> Outcome {
    match &plan.step {
        None => Outcome::default(),
        Some(Step::Leave) => {
            ctx.remotes.leave(&key(host));
            Outcome::default()
        }
        Some(Step::SetAside) => {
            ctx.remotes.set_aside(&key(host));
            Outcome::default()
        }
        Some(Step::Watch(watch)) => {
            ctx.remotes.watch(&key(host), watch.as_ref().clone());
            Outcome { awaiting: true, ..Outcome::default() }
        }
    }
}
