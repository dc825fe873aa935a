//! The watch that Elasticsearch lacks: one poller for each cluster.
//!
//! At rest it asks for the version of the cluster state and nothing else. Only when that moved, or
//! a full check is due, does it read health and what changed of the tracked indices, and wakes the
//! objects that have something new to look at.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::{sleep, timeout};
use tracing::{Instrument as _, debug, info_span};

use super::{
    client::Client,
    cluster_reads::{ClusterHealth, HealthStatus, StateVersion},
    error::{Category, Cause, Error},
    health_report::Diagnosis,
    index_reads::{IndexBody, IndexMarks, IndexStats},
    links::{Errand, Link, Pace},
    snapshot::{ClusterView, Content, IndexView, LiveIndex, Snapshot, moved},
    version::Version,
};

/// Requests of one burst of nudges are collected this long.
const GATHER: Duration = Duration::from_millis(50);
/// Nudged polls of a busy cluster take at most one part in this many of the time.
const SHARE: u32 = 5;
/// However long a poll took, the next nudged one is at most this much later.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// Polls of a cluster that asks for patience, or does not take the credentials, are put off to this
/// at most: others may wait for the same server, and users are locked out for too many failures.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The first version with a health report.
const HAS_HEALTH_REPORT: Version = Version(8, 7, 0);
/// How often the health report is asked again that does not speak of what health shows: it passes
/// over a shard that is missing only since seconds, and nothing moves when it no longer does.
const REPORT_TRIES: u8 = 5;

/// Polls until the task is aborted.
pub(super) async fn run(link: Arc<Link>, pace: Pace) {
    let key = link.key();
    let span = info_span!("polling", namespace = %key.namespace, cluster = %key.name);
    poll_for_ever(&link, pace).instrument(span).await;
}

async fn poll_for_ever(link: &Link, pace: Pace) {
    let mut last_full: Option<Instant> = None;
    let mut refusals = 0;
    loop {
        let started = Instant::now();
        let full = last_full.is_none_or(|at| at.elapsed() >= pace.stats);
        let before = link.snapshot();
        let mut pause = pace.poll;
        match poll(link, &before, full).await {
            Ok(()) => {
                refusals = 0;
                if full {
                    last_full = Some(started);
                }
            }
            Err(error) => {
                debug!(error = &error as &dyn std::error::Error, "poll failed");
                refusals = if is_refusal(&error) { refusals + 1 } else { 0 };
                pause = put_off(pace.poll, refusals, &error);
                fail(link, before, error);
            }
        }
        let jitter = 0.95 + 0.1 * fastrand::f64();
        if 0 < refusals {
            // What a nudge would ask is refused as well.
            sleep(pause.mul_f64(jitter)).await;
            continue;
        }
        let took = started.elapsed();
        let gap = (took * (SHARE - 1)).clamp(GATHER, LONGEST_GAP);
        if timeout(pause.mul_f64(jitter), link.nudged()).await.is_ok() {
            sleep(gap).await;
        }
    }
}

/// Whether asking again at once can only do harm.
fn is_refusal(error: &Error) -> bool {
    matches!(error.category(), Category::Busy | Category::Unauthorized)
}

/// The pause after so many refusals in a row: it doubles, and is what the server asks for if that
/// is longer.
fn put_off(poll: Duration, refusals: u32, error: &Error) -> Duration {
    let wished = match error {
        Error::TooManyRequests { retry_after, .. } => retry_after.unwrap_or_default(),
        _ => Duration::ZERO,
    };
    let doubled = poll.saturating_mul(1 << refusals.saturating_sub(1).min(16));
    doubled.max(wished).min(LONGEST_PAUSE).max(poll)
}

/// Whether two faults tell people the same. A server's own reasons hold figures that move by
/// themselves, such as the bytes over a limit.
fn is_same(before: &Error, now: &Error) -> bool {
    let moves = matches!(now.category(), Category::Busy | Category::Unreachable);
    let words = |it: &Error| it.chain().replace(|it: char| moves && it.is_ascii_digit(), "");
    words(before) == words(now)
}

/// Keeps the last good answer beside the new fault; only another fault is news.
fn fail(link: &Link, before: Snapshot, error: Error) {
    let same = before.fault.as_deref().is_some_and(|it| is_same(it, &error));
    let news = !same || !before.polled;
    let snapshot = Snapshot { fault: Some(Arc::new(error)), polled: true, ..before };
    link.publish(snapshot, news);
}

async fn poll(link: &Link, before: &Snapshot, full: bool) -> Result<(), Error> {
    let client = link.client();
    let caller = &format!("drover/poll/{}/{}", link.key().namespace, link.key().name);
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
    let view = read_cluster(client, state, known, full, caller).await?;
    let found = read_indices(client, &view, &errands, full, caller).await?;
    let without_figures = |it: &Found| matches!(it, Found::Changed(live) if live.figures.is_none());
    let figures = if !errands.is_empty() && (full || found.iter().any(without_figures)) {
        figures(client, caller).await?
    } else {
        BTreeMap::new()
    };
    for (errand, found) in errands.iter().zip(found) {
        let now = match found {
            Found::Same => errand.view.clone(),
            Found::Missing => IndexView::Missing,
            Found::Unreadable => IndexView::Unreadable,
            Found::Changed(live) => IndexView::Present(Arc::new(live)),
        };
        let now = match now {
            IndexView::Present(live) => {
                let health = view.health.indices.get(live.physical_name.as_str()).copied();
                let figures = newer_figures(live.figures, figures.get(&live.physical_name));
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
    let news = full || before.fault.is_some() || known.is_none_or(|it| decides(it, &view));
    let snapshot = Snapshot { cluster: Some(Arc::new(view)), fault: None, polled: true };
    link.publish(snapshot, news);
    Ok(())
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

/// Documents and bytes by index. They decide nothing: a role that does not allow them costs no more
/// than the figures.
async fn figures(client: &Client, caller: &str) -> Result<BTreeMap<String, IndexStats>, Error> {
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
            let same = matches!(&errand.view, IndexView::Present(live)
                if live.physical_name == *physical && live.marks == **marks);
            (full || !same).then_some(*physical)
        })
        .collect();
    let mut contents = client.indices(&changed, caller).await?;
    Ok(errands.iter().map(|errand| found(errand, &by_name, &mut contents)).collect())
}

fn found(
    errand: &Errand,
    by_name: &HashMap<&str, (&str, &IndexMarks)>,
    contents: &mut BTreeMap<String, IndexBody>,
) -> Found {
    let Some((physical, marks)) = by_name.get(errand.name.as_str()) else { return Found::Missing };
    let before = match &errand.view {
        IndexView::Present(live) if live.physical_name == *physical => Some(live),
        _ => None,
    };
    match (contents.remove(*physical).map(Content::new), before) {
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::elasticsearch::error::CertificateProblem;

    fn busy(reason: &str, seconds: Option<u64>) -> Error {
        Error::TooManyRequests {
            endpoint: "https://es.example:9200".into(),
            operation: "health",
            retry_after: seconds.map(Duration::from_secs),
            reason: reason.into(),
        }
    }

    #[test]
    fn polls_that_are_refused_are_put_off_longer_and_longer() {
        let second = Duration::from_secs(1);
        let pauses = [0, 1, 2, 3, 9, 99].map(|it| put_off(second, it, &busy("", None)).as_secs());
        assert_eq!(pauses, [1, 1, 2, 4, 60, 60]);
        assert_eq!(put_off(second, 1, &busy("", Some(7))), 7 * second);
        assert_eq!(put_off(second, 1, &busy("", Some(7777))), LONGEST_PAUSE);
        assert_eq!(put_off(100 * second, 9, &busy("", None)), 100 * second);
    }

    #[test]
    fn another_fault_is_news_and_a_moved_figure_is_none() {
        assert!(is_same(&busy("70 of 60 bytes", None), &busy("71 of 60 bytes", Some(1))));
        assert!(!is_same(&busy("too many bytes", None), &busy("too many searches", None)));
        let refused = |problem| Error::Certificate { endpoint: "https://es".into(), problem };
        let unknown = refused(CertificateProblem::UnknownAuthority);
        let other = refused(CertificateProblem::WrongFingerprint);
        assert!(!is_same(&unknown, &other), "what is wrong with a certificate is in its cause");
        let expired =
            |it| refused(CertificateProblem::Expired(Timestamp::from_second(it).unwrap()));
        assert!(!is_same(&expired(0), &expired(1)));
    }
}
