//! What is set in the running cluster.

use std::time::{Duration, Instant};

use super::{
    super::{observe::Observed, plan::Plan, rollout::observe::caller},
    plan::{is_any_refused, is_concerned, to_ask_anew},
};
use crate::{
    api::cluster::Cluster,
    context::Context,
    elasticsearch::cluster_settings::{ClusterSettings, Refused},
};

/// The longest that the asking may take.
const LIMIT: Duration = Duration::from_secs(10);

/// What is known of the settings of the running cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// What somebody has set.
    pub set: ClusterSettings,
    /// What it has refused to take.
    pub refused: Vec<Refused>,
    /// Whether it is time to ask once more for what is refused.
    pub is_time: bool,
}

/// Asks the pinned cluster, where anything is to be changed there, or was; nothing where it does not tell.
pub async fn look(
    ctx: &Context,
    cluster: &Cluster,
    seen: &Observed,
    plan: &Plan,
) -> Option<Current> {
    let link = ctx.links.get(&super::super::key(cluster));
    if let Some(link) = &link {
        link.refusals.forget(&to_ask_anew(cluster));
    }
    let pinned = plan.identity.pinned().filter(|_| plan.identity.is_pinned())?;
    let is_answering = seen.snapshot.polled && seen.snapshot.fault.is_none();
    if !is_answering || !is_concerned(cluster) {
        return None;
    }
    let link = link?;
    let caller = caller(cluster);
    let asked = tokio::time::timeout(LIMIT, link.client().cluster_settings(&caller)).await;
    match asked {
        Ok(Ok((set, uuid, _))) if uuid == pinned => {
            link.refusals.saw(&set);
            let is_time = link.refusals.is_time(is_any_refused(cluster), Instant::now());
            Some(Current { set, refused: link.refusals.all(), is_time })
        }
        Ok(Err(error)) => {
            tracing::debug!(error = error.told(), "the settings of the cluster can't be read");
            None
        }
        Ok(Ok(_)) | Err(_) => None,
    }
}
