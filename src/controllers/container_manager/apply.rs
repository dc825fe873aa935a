//! Does what was decided about a `ContainerManager`'s connection.

use super::plan::{Plan, Step};
use crate::{
    api::container_manager::ContainerManager,
    context::Context,
    controllers::connecting,
    kubernetes::Kind as _,
    nodes::{client::Client, connection::ConnectionError},
    object_key::ObjectKey,
};

/// What came of the step.
pub type Outcome = connecting::Outcome<ConnectionError>;

/// Connects or disconnects; nothing is written anywhere.
#[must_use]
pub fn run(ctx: &Context, key: &ObjectKey, plan: &Plan) -> Outcome {
    let Some(step) = &plan.step else { return Outcome::default() };
    let label = match step {
        Step::Connect(_) => "connect",
        Step::SetAside | Step::Disconnect => "disconnect",
    };
    connecting::counted(&ctx.metrics, ContainerManager::NAME, label, || take(ctx, key, step))
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
