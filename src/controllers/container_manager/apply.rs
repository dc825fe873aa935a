//! Does what was decided about a `ContainerManager`'s connection.

use std::time::Instant;

use super::plan::{Plan, Step};
use crate::{
    api::container_manager::ContainerManager,
    context::Context,
    kubernetes::Kind as _,
    nodes::{client::Client, connection::ConnectionError},
    object_key::ObjectKey,
    telemetry::metrics::StepEnding,
};

/// What came of the step.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Why the connection can't even be tried.
    pub unusable: Option<ConnectionError>,
    /// Whether a connection was begun whose first answer is awaited.
    pub connecting: bool,
}

/// Connects or disconnects; nothing is written anywhere.
#[must_use]
pub fn run(ctx: &Context, key: &ObjectKey, plan: &Plan) -> Outcome {
    let Some(step) = &plan.step else { return Outcome::default() };
    let start = Instant::now();
    let outcome = take(ctx, key, step);
    let label = match step {
        Step::Connect(_) => "connect",
        Step::SetAside | Step::Disconnect => "disconnect",
    };
    let failed = outcome.unusable.is_some();
    let ending = if failed { StepEnding::Error } else { StepEnding::Success };
    ctx.metrics.step_taken(ContainerManager::NAME, label, ending, start.elapsed());
    outcome
}

fn take(ctx: &Context, key: &ObjectKey, step: &Step) -> Outcome {
    match step {
        Step::Disconnect => {
            ctx.managers.disconnect(key);
            Outcome::default()
        }
        Step::SetAside => {
            ctx.managers.set_aside(key);
            Outcome::default()
        }
        Step::Connect(connection) => match Client::new(connection, ctx.gate.clone()) {
            Ok(client) => {
                ctx.managers.connect(key, client, connection.digest());
                Outcome { unusable: None, connecting: true }
            }
            Err(error) => {
                ctx.managers.set_aside(key);
                Outcome { unusable: Some(error), connecting: false }
            }
        },
    }
}
