//! The way from a decision to a request to Elasticsearch, alike for all that is written there: a last look at the
//! object, and what came of it.

use std::{sync::Arc, time::Instant};

use kube::ResourceExt as _;

use super::plan::Plan;
use crate::{
    api::cluster::Cluster,
    chain::chain,
    context::Context,
    elasticsearch::{error::Error as Fault, link::Link},
    error::{Category, Error},
    kubernetes::{Kind as _, references::look_up},
    telemetry::metrics::StepEnding,
};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was written.
    Done,
    /// The world is another one than it was decided on: it is looked at again.
    Moved,
    /// It was not, as far as is known.
    Failed {
        /// In words for people.
        why: String,
        /// What has to come right first.
        category: Category,
    },
}

impl Outcome {
    /// Of a request through `link`; `sent`: whether the cluster was as it was decided on.
    #[must_use]
    pub fn of(link: &Link, sent: Result<bool, Fault>) -> Self {
        match sent {
            Ok(true) => Self::Done,
            Ok(false) => Self::Moved,
            Err(error) => {
                let mut why = chain(&error);
                link.client().blot(&mut why);
                Self::Failed { why, category: Category::Elasticsearch }
            }
        }
    }
}

/// The link to the cluster that `plan` has pinned, and its uuid; nothing where there is none, or where what was
/// decided does not hold any more for what the object is by now.
///
/// # Errors
/// When the API server can't be asked.
pub async fn way<'a>(
    ctx: &Context,
    cluster: &Cluster,
    plan: &'a Plan,
    holds: impl FnOnce(&Cluster) -> bool,
) -> Result<Option<(Arc<Link>, &'a str)>, Error> {
    let link = ctx.links.get(&super::key(cluster));
    let (Some(link), Some(pinned)) = (link, plan.identity.pinned()) else { return Ok(None) };
    Ok(is_as_decided(ctx, cluster, holds).await?.then_some((link, pinned)))
}

/// Whether what was decided `holds` for the object as the API server has it now.
///
/// # Errors
/// When the API server can't be asked.
pub async fn is_as_decided(
    ctx: &Context,
    cluster: &Cluster,
    holds: impl FnOnce(&Cluster) -> bool,
) -> Result<bool, Error> {
    let namespace = cluster.namespace().unwrap_or_default();
    let fresh = look_up::<Cluster>(&ctx.client, &namespace, &cluster.name_any()).await?;
    Ok(fresh.is_some_and(|it| holds(&it)))
}

/// Takes the step, and counts it under this `label`.
///
/// # Errors
/// Those of the step.
pub async fn counted(
    ctx: &Context,
    label: &'static str,
    step: impl Future<Output = Result<Outcome, Error>>,
) -> Result<Outcome, Error> {
    let start = Instant::now();
    let outcome = step.await;
    let ending = match &outcome {
        Ok(Outcome::Done) => StepEnding::Success,
        Ok(Outcome::Moved) => StepEnding::PutOff,
        Ok(Outcome::Failed { .. }) | Err(_) => StepEnding::Error,
    };
    ctx.metrics.step_taken(Cluster::NAME, label, ending, start.elapsed());
    outcome
}
