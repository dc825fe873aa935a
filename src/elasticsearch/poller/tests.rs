use std::sync::atomic::{AtomicU16, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::elasticsearch::{
    link::{ObjectKey, Wakers},
    links::Links,
    scripted::{Reply, Server, client, connection, json, small_cluster},
    snapshot::IndexView,
};

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

fn is_state(request: &str) -> bool {
    request.starts_with("GET /_cluster/state/version,")
}

/// A link that polls when it is nudged, to a server whose answer about the state's version can be
/// made an error, and who was woken by it.
struct Bed {
    server: Server,
    status: Arc<AtomicU16>,
    link: Arc<Link>,
    clusters: UnboundedReceiver<ObjectKey>,
    _indices: UnboundedReceiver<ObjectKey>,
}

impl Bed {
    async fn new() -> Self {
        let status = Arc::new(AtomicU16::new(0));
        let answer = Arc::clone(&status);
        let count = AtomicU16::new(0);
        let server = Server::http(move |request| match answer.load(Ordering::SeqCst) {
            status @ 1.. if is_state(request) => {
                // Bad once, and again where it is to stay bad.
                if status < 1000 {
                    answer.store(0, Ordering::SeqCst);
                }
                let asked = count.fetch_add(1, Ordering::SeqCst);
                let reason = format!(r#"{{"error":{{"type":"x","reason":"[{asked}/60] bytes"}}}}"#);
                json(status % 1000, &reason)
            }
            _ => small_cluster(request),
        });
        let server = server.await;
        let (clusters, woken) = unbounded_channel();
        let (indices, indices_woken) = unbounded_channel();
        let pace = Pace { poll: Duration::from_hours(1), stats: Duration::from_hours(1) };
        let links = Links::new(Wakers { clusters, indices }, pace);
        let key = ObjectKey { namespace: "shop".into(), name: "es".into() };
        links.connect(&key, client(connection(&[&server])), [0; 32]);
        let link = links.get(&key).unwrap();
        let mut bed = Self { server, status, link, clusters: woken, _indices: indices_woken };
        bed.news().await;
        assert_eq!(bed.link.snapshot().fault, None);
        bed
    }

    async fn news(&mut self) {
        let news = timeout(Duration::from_secs(20), self.clusters.recv()).await;
        news.expect("news in time").expect("the link lives");
    }

    fn polls(&self) -> usize {
        self.server.requests().iter().filter(|it| is_state(it)).count()
    }

    /// From now on the next answer, or each one, is this status.
    fn break_off(&self, status: u16, for_good: bool) {
        self.status.store(if for_good { 1000 + status } else { status }, Ordering::SeqCst);
        self.link.outdate("anything");
    }
}

#[tokio::test]
async fn one_failure_on_the_way_is_no_news() {
    let mut bed = Bed::new().await;
    let before = bed.polls();
    bed.break_off(503, false);
    // The one that failed, the small question, and the poll once more.
    let through = async {
        while bed.polls() < before + 3 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), through).await.unwrap();
    // What the next poll finds comes after whatever this one told.
    bed.break_off(401, true);
    bed.news().await;
    let snapshot = bed.link.snapshot();
    assert!(matches!(snapshot.fault.as_deref(), Some(Error::Unauthorized { .. })), "{snapshot:?}");
    assert!(bed.clusters.try_recv().is_err(), "told twice");
}

#[tokio::test]
async fn a_second_failure_is_news_at_once() {
    let mut bed = Bed::new().await;
    let before = bed.polls();
    bed.break_off(503, true);
    bed.news().await;
    let snapshot = bed.link.snapshot();
    assert!(matches!(snapshot.fault.as_deref(), Some(Error::Unavailable { .. })), "{snapshot:?}");
    assert_eq!(bed.polls(), before + 2);
}

#[tokio::test]
async fn a_server_that_says_no_is_not_asked_again_at_once() {
    for status in [401, 403, 429] {
        let mut bed = Bed::new().await;
        let before = bed.polls();
        bed.break_off(status, true);
        bed.news().await;
        assert!(bed.link.snapshot().fault.is_some());
        assert_eq!(bed.polls(), before + 1, "{status}");
    }
}

#[tokio::test]
async fn another_fault_is_news_and_the_same_with_other_figures_is_none() {
    let mut bed = Bed::new().await;
    bed.break_off(503, true);
    bed.news().await;
    let before = bed.polls();
    bed.link.outdate("anything");
    let again = async {
        while bed.polls() == before {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), again).await.unwrap();
    bed.break_off(500, true);
    bed.news().await;
    let snapshot = bed.link.snapshot();
    assert!(matches!(snapshot.fault.as_deref(), Some(Error::ServerError { .. })), "{snapshot:?}");
    assert!(bed.clusters.try_recv().is_err(), "told twice");
}

/// What is answered of a cluster with one index, whose shards are placed at the second state, and
/// which has figures at the third.
fn cluster_with_books(request: &str, step: u16) -> Reply {
    let is = |path: &str| request.starts_with(&format!("GET {path}"));
    let health = if step < 2 { "red" } else { "green" };
    let body = if is_state(request) {
        let uuid = format!(r#""cluster_uuid":"first","state_uuid":"s{step}""#);
        format!(r#"{{"cluster_name":"es",{uuid},"version":{step}}}"#)
    } else if is("/_cluster/state/metadata/books") {
        let books = r#"{"state":"open","settings":{"index":{"uuid":"u"}}}"#;
        format!(r#"{{"cluster_uuid":"first","metadata":{{"indices":{{"books":{books}}}}}}}"#)
    } else if is("/_cluster/health") {
        format!(r#"{{"status":"{health}","indices":{{"books":{{"status":"{health}"}}}}}}"#)
    } else if is("/books?") {
        r#"{"books":{}}"#.to_owned()
    } else if is("/_stats/") && step > 2 {
        r#"{"indices":{"books":{"primaries":{"docs":{"count":0}}}}}"#.to_owned()
    } else {
        return small_cluster(request);
    };
    json(200, &body)
}

#[tokio::test]
async fn the_figures_of_a_new_index_are_read_once_its_shards_are_placed() {
    let step = Arc::new(AtomicU16::new(1));
    let at = Arc::clone(&step);
    let answer = move |request: &str| cluster_with_books(request, at.load(Ordering::SeqCst));
    let server = Server::http(answer).await;
    let (clusters, mut polled) = unbounded_channel();
    let (indices, mut woken) = unbounded_channel();
    let pace = Pace { poll: Duration::from_hours(1), stats: Duration::from_hours(1) };
    let links = Links::new(Wakers { clusters, indices }, pace);
    let key = ObjectKey { namespace: "shop".into(), name: "es".into() };
    links.connect(&key, client(connection(&[&server])), [0; 32]);
    // The first poll is a full check, which reads all figures.
    timeout(Duration::from_secs(20), polled.recv()).await.unwrap();
    let link = links.get(&key).unwrap();
    let asked = || server.requests().iter().filter(|it| it.starts_with("GET /_stats/")).count();
    let mut before = asked();
    for (now, asks, has_figures) in
        [(1, false, false), (2, true, false), (3, true, true), (4, false, true)]
    {
        step.store(now, Ordering::SeqCst);
        let seen = async {
            loop {
                let view = link.track("books", &key);
                let state = link.snapshot().cluster.map(|it| it.state.version);
                if let (IndexView::Present(live), true) = (view, state == Some(now.into())) {
                    return live;
                }
                link.outdate_and_tell("books");
                woken.recv().await.expect("the link lives");
            }
        };
        let live = timeout(Duration::from_secs(20), seen).await.unwrap();
        let requests = asked() - std::mem::replace(&mut before, asked());
        assert_eq!((requests > 0, live.figures.is_some()), (asks, has_figures), "step {now}");
    }
}
