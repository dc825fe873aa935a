//! Asks the API server itself whether what an installation was decided on is so.

use kube::ResourceExt as _;

use super::{plan::Step, wish::Basis};
use crate::{
    api::{cluster::Cluster, host::Host},
    context::Context,
    error::Error,
    kubernetes::references::look_up,
};

/// What came of the step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// There was none.
    #[default]
    Nothing,
    /// It may be put on record.
    Begun,
    /// It is over, or nobody wants it any more.
    Over,
    /// What it was decided on is no longer so.
    Stale,
}

/// Takes the step.
///
/// # Errors
/// When the API server can't be asked.
pub async fn run(ctx: &Context, host: &Host, step: Option<&Step>) -> Result<Ending, Error> {
    Ok(match step {
        None => Ending::Nothing,
        Some(Step::End | Step::Drop) => Ending::Over,
        Some(Step::Begin(_, basis)) => {
            let namespace = host.namespace().unwrap_or_default();
            let name = host.spec.cluster_ref.as_ref().map_or("", |it| &it.name);
            let cluster = look_up::<Cluster>(&ctx.client, &namespace, name).await?;
            let is_so = cluster.is_some_and(|it| Basis::of(&it) == *basis);
            if is_so { Ending::Begun } else { Ending::Stale }
        }
    })
}
