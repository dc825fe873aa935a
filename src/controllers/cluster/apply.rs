//! Does what was decided about a Cluster's connection.

use std::sync::Arc;

use super::plan::{Plan, Step};
use crate::{
    context::Context,
    elasticsearch::{
        client::Client,
        connection::{Connection, ConnectionError},
        link::ObjectKey,
    },
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
    match &plan.step {
        None => Outcome::default(),
        Some(Step::Disconnect) => {
            ctx.links.disconnect(key);
            Outcome::default()
        }
        Some(Step::Connect(connection)) => {
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
