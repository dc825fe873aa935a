//! Traffic on a cluster while something is done to it: a writer and a reader that count every answer, and a watcher that counts the nodes
//! that are away. It runs on a thread of its own, whatever the test does.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::certificates::Authority;
use super::elasticsearch::{Elasticsearch, PASSWORD, SUPERUSER};
use super::init;
use super::wait::eventually;

/// How many writes are on their way at once, and how many reads.
const WRITERS: u64 = 4;
const READERS: u64 = 2;
/// Between two requests of one of them: 50 writes and 25 reads a second at most.
const PAUSE: Duration = Duration::from_millis(80);
/// Between two questions whether a node is there.
const WATCH: Duration = Duration::from_millis(200);
/// Longer than a node of a loaded machine takes for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Nobody forgets to stop it.
const LONGEST: Duration = Duration::from_mins(20);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("traffic")
        .enable_all()
        .build()
        .expect("a runtime")
});

/// Where traffic goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The nodes' URLs.
    pub nodes: Vec<String>,
    /// The authorities of their certificates, as PEM.
    pub authority: String,
    pub user: String,
    pub password: String,
}

impl Target {
    /// All nodes of a cluster of the bed, as the superuser.
    pub fn of(cluster: &Elasticsearch) -> Self {
        Self {
            nodes: cluster.urls(),
            authority: Authority::shared().pem(),
            user: SUPERUSER.to_owned(),
            password: PASSWORD.to_owned(),
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    /// Documents that Elasticsearch said it had made.
    pub acknowledged: usize,
    /// Writes of which neither the first node nor the next said so.
    pub unacknowledged: usize,
    /// Acknowledged, and not there at the end.
    pub lost: Vec<String>,
    /// Reads of acknowledged documents.
    pub reads: usize,
    /// Those that neither the first node nor the next answered with the document.
    pub failed_reads: usize,
    /// Writes and reads that were sent to a second node.
    pub retried: usize,
    /// How many nodes were away at once, at most. One that does not answer is away until it answers and has found a master.
    pub most_down: usize,
    /// Which node went away or came back, and after how long: the first few.
    pub outages: Vec<String>,
    /// Why writes and reads failed: the first few.
    pub failures: Vec<String>,
}

impl Counted {
    /// Panics if the traffic took harm, beyond what one retry on the next node mends, or if there was none.
    pub fn assert_unharmed(&self) {
        assert!(self.lost.is_empty() && self.failed_reads == 0, "{self:#?}");
        assert!(self.most_down <= 1, "{self:#?}");
        assert!(self.acknowledged > 0 && self.reads > 0, "{self:#?}");
    }
}

/// Running traffic; it stops when dropped.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    caller: Caller,
    index: String,
    /// Names the documents of this run.
    run: usize,
    written: AtomicU64,
    acknowledged: Mutex<Vec<String>>,
    counted: Mutex<Counted>,
    down: Mutex<Vec<bool>>,
    stop: AtomicBool,
    end: Instant,
}

impl Traffic {
    /// Starts it on an index, which is made with one replica where it is not there yet.
    pub async fn start(target: &Target, index: &str) -> Self {
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        init();
        make_index(&Caller::new(target), index).await;
        let shared = Arc::new(Shared {
            down: Mutex::new(vec![false; target.nodes.len()]),
            caller: Caller::new(target),
            index: index.to_owned(),
            run: RUNS.fetch_add(1, Ordering::Relaxed),
            written: AtomicU64::new(0),
            acknowledged: Mutex::default(),
            counted: Mutex::default(),
            stop: AtomicBool::new(false),
            end: Instant::now() + LONGEST,
        });
        let mut tasks = JoinSet::new();
        for _ in 0..WRITERS {
            tasks.spawn_on(shared.clone().write(), RUNTIME.handle());
        }
        for _ in 0..READERS {
            tasks.spawn_on(shared.clone().read(), RUNTIME.handle());
        }
        for node in 0..target.nodes.len() {
            tasks.spawn_on(shared.clone().watch(node), RUNTIME.handle());
        }
        let it = Self { shared, tasks };
        it.goes_on(10).await;
        it
    }

    /// Waits until so many more writes are acknowledged, and as many reads made.
    pub async fn goes_on(&self, more: usize) {
        let before = self.so_far();
        eventually("traffic goes on", Duration::from_mins(1), async || {
            let now = self.so_far();
            let enough = |before: usize, now: usize| before + more <= now;
            if enough(before.acknowledged, now.acknowledged) && enough(before.reads, now.reads) {
                Ok(())
            } else {
                Err(format!("{now:#?}"))
            }
        })
        .await;
    }

    /// What came of it until now; what is lost is known at the end alone.
    pub fn so_far(&self) -> Counted {
        let acknowledged = self.shared.acknowledged.lock().unwrap().len();
        Counted { acknowledged, ..self.shared.counted.lock().unwrap().clone() }
    }

    /// Stops it, looks for every document that was acknowledged, and tells what came of all.
    pub async fn finish(mut self) -> Counted {
        self.shared.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("a task that panics not");
        }
        Counted { lost: self.shared.lost().await, ..self.so_far() }
    }
}

impl Shared {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed) && Instant::now() < self.end
    }

    async fn write(self: Arc<Self>) {
        while self.goes_on() {
            let number = self.written.fetch_add(1, Ordering::Relaxed);
            let id = format!("{}-{number}", self.run);
            let path = format!("/{}/_create/{id}?timeout=8s", self.index);
            let body = json!({ "number": number });
            // A conflict is with the first try of this very write: it may have come only half way.
            if self.twice(number, "PUT", &path, Some(&body), |status, _| status == 201).await {
                self.acknowledged.lock().unwrap().push(id);
            } else {
                self.counted.lock().unwrap().unacknowledged += 1;
            }
            sleep(PAUSE).await;
        }
    }

    async fn read(self: Arc<Self>) {
        let mut turn = 0_u64;
        while self.goes_on() {
            sleep(PAUSE).await;
            turn += 1;
            let id = {
                let ids = self.acknowledged.lock().unwrap();
                if ids.is_empty() {
                    continue;
                }
                ids[fastrand::usize(..ids.len())].clone()
            };
            let path = format!("/{}/_doc/{id}", self.index);
            let is_found = |status, answer: &Value| status == 200 && answer["found"] == true;
            let found = self.twice(turn, "GET", &path, None, is_found).await;
            let mut counted = self.counted.lock().unwrap();
            counted.reads += 1;
            counted.failed_reads += usize::from(!found);
        }
    }

    /// Asks a node, and where its answer is not good, the next one.
    async fn twice(
        &self,
        turn: u64,
        method: &str,
        path: &str,
        body: Option<&Value>,
        is_good: impl Fn(u16, &Value) -> bool,
    ) -> bool {
        let nodes = self.caller.target.nodes.len() as u64;
        let mut answers = Vec::new();
        for attempt in 0..2 {
            let node = usize::try_from((turn + attempt) % nodes).expect("few nodes");
            match self.caller.ask(node, method, path, body).await {
                Ok((status, answer)) if is_good(status, &answer) => return true,
                other => answers.push(format!("node {node}: {other:?}")),
            }
            if attempt == 0 {
                self.counted.lock().unwrap().retried += 1;
            }
        }
        let mut counted = self.counted.lock().unwrap();
        if counted.failures.len() < 20 {
            counted.failures.push(format!("{method} {path}: {}", answers.join("; ")));
        }
        false
    }

    async fn watch(self: Arc<Self>, node: usize) {
        while self.goes_on() {
            let answer = self.caller.ask(node, "GET", "/_cluster/health?local=true", None).await;
            let count = {
                let mut down = self.down.lock().unwrap();
                let before = down[node];
                // When the master goes, the others have none for a moment: they are there all the same.
                down[node] = match answer {
                    // One that is slow to answer is there.
                    Err(why) => down[node] || why.contains("Connect") || !why.contains("TimedOut"),
                    // One that is alone has not come back to the others.
                    Ok((_, health)) => {
                        down[node] && health["number_of_nodes"].as_u64().is_none_or(|it| it < 2)
                    }
                };
                let count = down.iter().filter(|it| **it).count();
                (count, before, down[node])
            };
            {
                let (count, before, now) = count;
                let mut counted = self.counted.lock().unwrap();
                if before != now && counted.outages.len() < 50 {
                    let left = self.end.saturating_duration_since(Instant::now());
                    let after = LONGEST.saturating_sub(left);
                    let word = if now { "away" } else { "back" };
                    counted.outages.push(format!("{after:?}: node {node} is {word}"));
                }
                counted.most_down = counted.most_down.max(count);
            }
            sleep(WATCH).await;
        }
    }

    /// Which of the acknowledged documents nobody finds.
    async fn lost(&self) -> Vec<String> {
        // The writers' connections belong to another runtime.
        let caller = Caller::new(&self.caller.target);
        let ids = self.acknowledged.lock().unwrap().clone();
        let mut lost = Vec::new();
        for (turn, some) in ids.chunks(500).enumerate() {
            let node = turn % caller.target.nodes.len();
            let path = format!("/{}/_mget?_source=false", self.index);
            let body = json!({ "ids": some });
            let found = eventually("all documents are asked for", PATIENCE * 3, async || {
                let answer = caller.ask(node, "POST", &path, Some(&body)).await?;
                let docs = answer.1["docs"].as_array().ok_or_else(|| format!("{answer:?}"))?;
                // A shard that is not there is no answer.
                match docs.iter().find(|it| it.get("error").is_some()) {
                    Some(error) => Err(error.to_string()),
                    None => Ok(docs.iter().map(|it| it["found"] == true).collect::<Vec<_>>()),
                }
            })
            .await;
            assert_eq!(found.len(), some.len());
            lost.extend(some.iter().zip(found).filter(|it| !it.1).map(|it| it.0.clone()));
        }
        lost
    }
}

async fn make_index(caller: &Caller, index: &str) {
    let body = json!({ "settings": { "number_of_shards": 3, "number_of_replicas": 1 } });
    let path = format!("/{index}?wait_for_active_shards=all");
    eventually("an index for traffic", Duration::from_mins(1), async || {
        match caller.ask(0, "PUT", &path, Some(&body)).await {
            Ok((200, answer)) if answer["shards_acknowledged"] == true => Ok(()),
            Ok((400, answer)) if answer["error"]["type"] == "resource_already_exists_exception" => {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[derive(Debug)]
struct Caller {
    target: Target,
    client: Client,
}

impl Caller {
    fn new(target: &Target) -> Self {
        let authorities =
            reqwest::Certificate::from_pem_bundle(target.authority.as_bytes()).expect("PEM");
        let client = Client::builder()
            .tls_certs_only(authorities)
            .no_proxy()
            .connect_timeout(Duration::from_secs(3))
            .timeout(PATIENCE)
            .build()
            .expect("a client");
        Self { target: target.clone(), client }
    }

    async fn ask(
        &self,
        node: usize,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        let method = method.parse().expect("an HTTP method");
        let url = format!("{}{path}", self.target.nodes[node]);
        let mut request = self.client.request(method, url);
        request = request.basic_auth(&self.target.user, Some(&self.target.password));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|it| format!("{it:?}"))?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|it| format!("{it:?}"))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }
}
