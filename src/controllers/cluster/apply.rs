//! Does what was decided about a Cluster's connection.

use std::sync::Arc;

use super::plan::{Plan, Step};
use crate::{
    api::cluster::Cluster,
    context::Context,
    controllers::connecting,
    elasticsearch::{
        client::Client,
        connection::{Connection, ConnectionError},
        link::ObjectKey,
    },
    kubernetes::Kind as _,
};

/// What came of the step.
pub type Outcome = connecting::Outcome<ConnectionError>;

/// Connects or disconnects; nothing is written anywhere.
#[must_use]
pub fn run(ctx: &Context, key: &ObjectKey, plan: &Plan) -> Outcome {
    let Some(step) = &plan.step else { return Outcome::default() };
    let label = match step {
        Step::Connect(_) | Step::TakeBack => "connect",
        Step::SetAside | Step::Disconnect => "disconnect",
    };
    connecting::counted(&ctx.metrics, Cluster::NAME, label, || take(ctx, key, step))
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
