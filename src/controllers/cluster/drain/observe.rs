//! Why a host that leaves can't yet, in Elasticsearch's own words.

use super::super::rollout::observe::{Seen, caller};
use crate::{api::cluster::Cluster, context::Context, rollout::drain::Decision};

/// Puts what Elasticsearch says of a copy that does not move beside what keeps the drain back. What it
/// does not tell is left away: it decides nothing.
pub async fn explain(
    ctx: &Context,
    cluster: &Cluster,
    seen: Option<&Seen>,
    decision: &mut Decision,
) {
    let Some(copy) = decision.stuck.take() else { return };
    let link = ctx.links.get(&super::super::key(cluster));
    let (Some(link), Some(Ok(evidence))) = (link, seen.map(|it| &it.evidence)) else { return };
    let node = copy.node.as_ref().and_then(|it| evidence.nodes.get(it)).map(|it| &*it.name);
    let caller = caller(cluster);
    let Ok(Some(words)) = link.client().why_it_stays(&copy, node, &caller).await else { return };
    if let Some(why) = decision.drain.as_mut().and_then(|it| it.blocked.as_mut()) {
        let (index, shard) = copy.shard();
        *why = format!("{why}. Of {index}[{shard}] Elasticsearch says: {words}");
        link.client().blot(why);
    }
}
