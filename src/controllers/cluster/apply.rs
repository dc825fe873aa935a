//! Does what was decided about a Cluster's connection.

use std::{sync::Arc, time::Instant};

use super::plan::{Plan, Step};
use crate::{
    api::cluster::Cluster,
    context::Context,
    elasticsearch::{
        client::Client,
        connection::{Connection, ConnectionError},
        link::ObjectKey,
    },
    kubernetes::Kind as _,
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
        Step::Connect(_) | Step::TakeBack => "connect",
        Step::SetAside | Step::Disconnect => "disconnect",
    };
    let failed = outcome.unusable.is_some();
    let ending = if failed { StepEnding::Error } else { StepEnding::Success };
    ctx.metrics.step_taken(Cluster::NAME, label, ending, start.elapsed());
    outcome
}

fn take(ctx: &Context, key: &ObjectKey, step: &Step) -> Outcome {
    match step {
        Step::Disconnect => {
            ctx.links.disconnect(key);
            Outcome::default()
        }
        Step::SetAside => {
            ctx.links.set_aside(key);
            Outcome::default()
        }
        Step::TakeBack => {
            ctx.links.take_back(key);
            Outcome { unusable: None, connecting: true }
        }
        Step::Connect(connection) => {
            let digest = connection.digest();
            let meter = Arc::clone(&ctx.metrics);
            match Client::new(Connection::clone(connection), ctx.gate.clone(), meter) {
                Ok(client) => {
                    ctx.links.connect(key, client, digest);
                    Outcome { unusable: None, connecting: true }
                }
                Err(error) => {
                    ctx.links.disconnect(key);
                    Outcome { unusable: Some(error), connecting: false }
                }
            }
        }
    }
}
