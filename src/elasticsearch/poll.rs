//! One poll of a cluster: what moved, and only that, read and handed on.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    client::Client,
    cluster_reads::{ClusterHealth, HealthStatus, StateVersion},
    error::{Category, Cause, Error},
    health_report::Diagnosis,
    index_reads::{Bodies, IndexMarks, IndexStats},
    link::{Errand, Link},
    snapshot::{ClusterView, Content, IndexView, LiveIndex, Snapshot, moved},
    version::Version,
};

/// The first version with a health report.
const HAS_HEALTH_REPORT: Version = Version(8, 7, 0);
/// How often the health report is asked again that does not speak of what health shows: it passes
/// over a shard that is missing only since seconds, and nothing moves when it no longer does.
const REPORT_TRIES: u8 = 5;

/// How many tracked indices are read before they are handed on: what is read of all at once would
/// weigh more than all that is kept.
const AT_ONCE: usize = 200;

/// Asks what moved since `before`; at a full check everything is read.
pub(super) async fn poll(link: &Link, before: &Snapshot, full: bool) -> Result<(), Error> {
    let client = link.client();
    let caller = &link.caller();
    let known = before.cluster.as_deref();
    if known.is_none() {
        // Whether it is Elasticsearch at all comes before what another product makes of the rest.
        client.root(caller).await?;
    }
    let state = client.state_version(caller).await?;
    if let Some(known) = known.filter(|it| it.state.cluster_uuid != state.cluster_uuid) {
        // Another cluster answers. That is told before anything that it says of indices is believed.
        let view = ClusterView { state: state.clone(), endpoints: Vec::new(), ..known.clone() };
        link.outdate_all();
        link.publish(Snapshot { cluster: Some(Arc::new(view)), fault: None, polled: true }, true);
    }
    let known = known.filter(|it| it.state.cluster_uuid == state.cluster_uuid);
    let full = full || known.is_none();
    let state_moved = known.is_none_or(|it| it.state != state || 0 < it.report_tries);
    let errands = link.errands(full || state_moved);
    if !full && !state_moved && errands.is_empty() {
        if before.fault.is_some() {
            link.publish(Snapshot { fault: None, ..before.clone() }, true);
        }
        return Ok(());
    }
    let mut view = read_cluster(client, state, known, full, caller).await?;
    let mut all_figures = None;
    for errands in errands.chunks(AT_ONCE) {
        let found = read_indices(client, &view, errands, full, caller).await?;
        if all_figures.is_none() && (full || any_lacks_figures(errands, &found, &view.health)) {
            all_figures = Some(figures(client, caller).await?);
        }
        deliver(link, &view, errands, found, all_figures.as_ref());
    }
    // Each tracked index has its own by now, and a cluster may have thousands of others.
    view.health.indices = BTreeMap::new();
    let news = full || before.fault.is_some() || known.is_none_or(|it| decides(it, &view));
    let snapshot = Snapshot { cluster: Some(Arc::new(view)), fault: None, polled: true };
    link.publish(snapshot, news);
    Ok(())
}

/// Hands on what was found, with health and with the figures that were read.
fn deliver(
    link: &Link,
    view: &ClusterView,
    errands: &[Errand],
    found: Vec<Found>,
    figures: Option<&Figures>,
) {
    for (errand, found) in errands.iter().zip(found) {
        let now = match found {
            Found::Same => errand.view.clone(),
            Found::Missing => IndexView::Missing,
            Found::Unreadable => IndexView::Unreadable,
            Found::TooLarge(marks) => IndexView::TooLarge(Arc::new(marks)),
            Found::Changed(live) => IndexView::Present(Arc::new(live)),
        };
        let now = match now {
            IndexView::Present(live) => {
                let health = view.health.indices.get(live.physical_name.as_str()).copied();
                let figures = figures.and_then(|it| it.get(live.physical_name.as_str()));
                let figures = newer_figures(live.figures, figures);
                if live.health == health && live.figures == figures {
                    IndexView::Present(live)
                } else {
                    let live = Arc::unwrap_or_clone(live);
                    IndexView::Present(Arc::new(LiveIndex { health, figures, ..live }))
                }
            }
            other => other,
        };
        let news = is_news(&errand.view, &now);
        link.deliver(errand, now, news);
    }
}

fn any_lacks_figures(errands: &[Errand], found: &[Found], health: &ClusterHealth) -> bool {
    errands.iter().zip(found).any(|(errand, found)| lacks_figures(errand, found, health))
}

/// Whether the index has no figures yet and could have some: there are none of one whose shards are
/// still to be placed, as of one that was made a moment ago.
fn lacks_figures(errand: &Errand, found: &Found, health: &ClusterHealth) -> bool {
    let live = match (found, &errand.view) {
        (Found::Changed(live), _) => live,
        (Found::Same, IndexView::Present(live)) => live,
        _ => return false,
    };
    let health = health.indices.get(live.physical_name.as_str()).map(|it| it.status);
    let serves =
        live.is_open() && matches!(health, Some(HealthStatus::Green | HealthStatus::Yellow));
    live.figures.is_none() && serves
}

/// Whether something changed that is worth a look at once; the state's version alone is not.
fn decides(before: &ClusterView, now: &ClusterView) -> bool {
    let figures = |it: &ClusterView| {
        let it = &it.health;
        let shards = (it.active, it.primaries, it.relocating, it.initializing, it.unassigned);
        (it.status, it.nodes, it.data_nodes, shards)
    };
    before.root != now.root
        || before.state.master != now.state.master
        || figures(before) != figures(now)
        || before.nodes != now.nodes
        || before.report != now.report
        || before.endpoints != now.endpoints
}

fn newer_figures(before: Option<IndexStats>, now: Option<&IndexStats>) -> Option<IndexStats> {
    match (before, now) {
        (Some(before), Some(now)) => {
            let same = !moved(before.documents, now.documents)
                && !moved(before.store_bytes, now.store_bytes);
            Some(if same { before } else { *now })
        }
        (before, now) => now.copied().or(before),
    }
}

fn is_news(before: &IndexView, now: &IndexView) -> bool {
    match (before, now) {
        (IndexView::Present(before), IndexView::Present(now)) => {
            !Arc::ptr_eq(before, now) && before != now
        }
        (IndexView::Missing, IndexView::Missing)
        | (IndexView::Unreadable, IndexView::Unreadable) => false,
        (IndexView::TooLarge(before), IndexView::TooLarge(now)) => before.uuid != now.uuid,
        _ => true,
    }
}

async fn read_cluster(
    client: &Client,
    state: StateVersion,
    known: Option<&ClusterView>,
    full: bool,
    caller: &str,
) -> Result<ClusterView, Error> {
    let first_figures = known.is_none_or(|it| it.first_figures && !full);
    let known = known.filter(|it| !full && it.state.cluster_uuid == state.cluster_uuid);
    let (root, endpoints) = match known {
        Some(known) => (known.root.clone(), known.endpoints.clone()),
        None => client.identities(caller).await?,
    };
    let mut health = client.health(caller).await?;
    let nodes = client.nodes(caller).await?;
    let (node_stats, figures) = match known {
        Some(known) => {
            // A figure that decides nothing is read, and so moves, at full checks only.
            health.pending_tasks = known.health.pending_tasks;
            (known.node_stats.clone(), known.stats)
        }
        None => (client.node_stats(caller).await?, client.cluster_stats(caller).await?),
    };
    let as_known = known.filter(|it| is_as_bad(&it.health, &health));
    let report = match as_known {
        _ if root.version < HAS_HEALTH_REPORT => Vec::new(),
        Some(known) if known.report_tries == 0 => known.report.clone(),
        _ => client.health_report(caller).await?,
    };
    let report_tries = match as_known {
        _ if root.version < HAS_HEALTH_REPORT || speaks_of(&report, health.status) => 0,
        Some(known) => known.report_tries.saturating_sub(1),
        None => REPORT_TRIES,
    };
    let certificate_expires = client.certificate_expires();
    Ok(ClusterView {
        root,
        state,
        indices: health.indices.len(),
        health,
        nodes,
        node_stats,
        stats: figures,
        first_figures,
        report,
        report_tries,
        endpoints,
        certificate_expires,
    })
}

/// Whether the report on `before` may stand for `now` as well.
fn is_as_bad(before: &ClusterHealth, now: &ClusterHealth) -> bool {
    before.status == now.status && before.unassigned == now.unassigned
}

/// Whether the report speaks of missing shards where health does, and only there.
fn speaks_of(report: &[Diagnosis], health: HealthStatus) -> bool {
    let told = report.iter().any(|it| it.indicator == "shards_availability");
    told == matches!(health, HealthStatus::Yellow | HealthStatus::Red)
}

/// By physical name.
type Figures = BTreeMap<Box<str>, IndexStats>;

/// Documents and bytes by index. They decide nothing: a role that does not allow them costs no more
/// than the figures.
async fn figures(client: &Client, caller: &str) -> Result<Figures, Error> {
    match client.index_stats(caller).await {
        Err(error) if error.category() == Category::Forbidden => Ok(BTreeMap::new()),
        answer => answer,
    }
}

/// What became of one errand.
enum Found {
    Same,
    Missing,
    Unreadable,
    TooLarge(IndexMarks),
    Changed(LiveIndex),
}

/// Reads which of the tracked indices changed, then those alone; at a full check all of them.
async fn read_indices(
    client: &Client,
    cluster: &ClusterView,
    errands: &[Errand],
    full: bool,
    caller: &str,
) -> Result<Vec<Found>, Error> {
    let names: Vec<&str> = errands.iter().map(|it| it.name.as_str()).collect();
    let Some(answer) = client.index_marks(&names, caller).await? else { return Ok(Vec::new()) };
    if answer.cluster_uuid != cluster.state.cluster_uuid {
        return Err(Error::UnexpectedAnswer {
            endpoint: client.origin(answer.endpoint).into(),
            operation: "index_marks",
            cause: Cause::new("the endpoints have different clusters"),
        });
    }
    let marks = answer.indices;
    let by_name = by_public_name(&marks);
    let changed: Vec<&str> = errands
        .iter()
        .filter_map(|errand| {
            let (physical, marks) = by_name.get(errand.name.as_str())?;
            let same = match &errand.view {
                IndexView::Present(live) => {
                    live.physical_name == *physical && live.marks == **marks
                }
                IndexView::TooLarge(known) => **known == **marks,
                _ => false,
            };
            (full || !same).then_some(*physical)
        })
        .collect();
    let mut contents = client.indices(&changed, caller).await?;
    Ok(errands.iter().map(|errand| found(errand, &by_name, &mut contents)).collect())
}

fn found(
    errand: &Errand,
    by_name: &HashMap<&str, (&str, &IndexMarks)>,
    contents: &mut Bodies,
) -> Found {
    let Some((physical, marks)) = by_name.get(errand.name.as_str()) else { return Found::Missing };
    let before = match &errand.view {
        IndexView::Present(live) if live.physical_name == *physical => Some(live),
        _ => None,
    };
    if contents.too_large.contains(*physical) {
        return Found::TooLarge((*marks).clone());
    }
    if matches!(&errand.view, IndexView::TooLarge(known) if **known == **marks) {
        return Found::Same;
    }
    match (contents.indices.remove(*physical).map(Content::new), before) {
        (Some(content), Some(live)) if live.content == content && live.marks == **marks => {
            Found::Same
        }
        (Some(content), before) => Found::Changed(LiveIndex {
            physical_name: (*physical).to_owned(),
            marks: (*marks).clone(),
            content,
            health: before.and_then(|it| it.health),
            figures: before.and_then(|it| it.figures),
        }),
        (None, Some(live)) if live.marks == **marks => Found::Same,
        // It is in the cluster state and not among what Drover's user may read.
        (None, _) => Found::Unreadable,
    }
}

/// Physical index and marks by every name it answers to; its own name comes before an alias.
fn by_public_name(marks: &BTreeMap<String, IndexMarks>) -> HashMap<&str, (&str, &IndexMarks)> {
    let mut by_name = HashMap::new();
    for (physical, marks) in marks {
        for alias in &marks.aliases {
            by_name.entry(alias.as_str()).or_insert((physical.as_str(), marks));
        }
    }
    for (physical, marks) in marks {
        by_name.insert(physical.as_str(), (physical.as_str(), marks));
    }
    by_name
}
