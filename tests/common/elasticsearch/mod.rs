//! Real Elasticsearch clusters of one or more nodes.

mod settings;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::certificates::Authority;
use super::process::{Process, Signal, free_port, logs, send};
use super::wait::{eventually, poll_until};
use super::{init, paths};
#[allow(unused_imports)] // each test binary needs some of these
pub use settings::{Node, PASSWORD, SUPERUSER, Settings, service_token};

/// Room for a start beside a compiler.
const START: Duration = Duration::from_mins(3);

/// A running cluster; it stops when dropped, or with the test process.
#[derive(Debug)]
pub struct Elasticsearch {
    settings: Settings,
    nodes: Vec<(Node, PathBuf)>,
    processes: Vec<Option<Process>>,
}

impl Settings {
    /// Starts the cluster and waits until it answers with all its nodes.
    pub async fn start(self) -> Elasticsearch {
        let it = self.launch();
        it.ready().await;
        it
    }

    /// Starts the cluster and does not wait: for several at once. [`Elasticsearch::ready`] does.
    pub fn launch(self) -> Elasticsearch {
        init();
        paths::require_elasticsearch(&self.version);
        let address = |index| match self.nodes {
            1 => "127.0.0.1".to_owned(),
            _ => format!("127.0.0.{}", 11 + index),
        };
        let nodes: Vec<(Node, PathBuf)> = (0..self.nodes)
            .map(|index| {
                let name = format!("{}-{}", self.name, index + 1);
                let dir = paths::scratch(&name);
                let node = Node {
                    address: address(index),
                    http_port: free_port(),
                    transport_port: free_port(),
                    data: dir.join("data").display().to_string(),
                    logs: dir.join("logs").display().to_string(),
                    name,
                };
                (node, dir)
            })
            .collect();
        let peers: Vec<Node> = nodes.iter().map(|it| it.0.clone()).collect();
        for (node, dir) in &nodes {
            self.write(&dir.join("config"), node, &peers);
        }
        let mut it = Elasticsearch {
            settings: self,
            processes: nodes.iter().map(|_| None).collect(),
            nodes,
        };
        for index in 0..it.nodes.len() {
            it.start_node(index);
        }
        it
    }
}

impl Elasticsearch {
    /// A cluster whose nodes somebody else starts and stops: requests work, and no process is ours.
    pub fn elsewhere(settings: Settings, nodes: Vec<Node>) -> Self {
        let processes = nodes.iter().map(|_| None).collect();
        let nodes = nodes.into_iter().map(|it| (it, PathBuf::new())).collect();
        Self { settings, nodes, processes }
    }

    /// The first node's URL, as in `https://127.0.0.1:40001`.
    pub fn url(&self) -> String {
        self.url_of(0)
    }

    /// A node's URL.
    pub fn url_of(&self, index: usize) -> String {
        let scheme = if self.settings.tls { "https" } else { "http" };
        let node = &self.nodes[index].0;
        format!("{scheme}://{}:{}", node.address, node.http_port)
    }

    /// All nodes' URLs.
    pub fn urls(&self) -> Vec<String> {
        (0..self.nodes.len()).map(|index| self.url_of(index)).collect()
    }

    /// A node's `address:port`, as a proxy's upstream.
    pub fn address(&self, index: usize) -> String {
        let node = &self.nodes[index].0;
        format!("{}:{}", node.address, node.http_port)
    }

    pub fn version(&self) -> &str {
        &self.settings.version
    }

    pub fn tls(&self) -> bool {
        self.settings.tls
    }

    /// Waits until all nodes are there.
    pub async fn ready(&self) {
        let nodes = self.settings.nodes;
        let what = format!("Elasticsearch {} is up with {nodes} nodes", self.settings.version);
        eventually(&what, START, async || {
            if let Some(status) = self.processes.iter().flatten().find_map(Process::status) {
                panic!("Elasticsearch ended with {status}{}", logs());
            }
            let path = format!("/_cluster/health?wait_for_nodes={nodes}&timeout=1s");
            match self.try_request("GET", &path, None).await {
                Ok((200, health)) if health["status"] != "red" => {}
                other => return Err(format!("{other:?}")),
            }
            // The licence comes a moment later, and with it the realms that it allows.
            match self.try_request("GET", "/_license", None).await {
                Ok((200, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// One request as the superuser; the body is sent as JSON. An answer that is no JSON comes as a string.
    pub async fn try_request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        self.request_as(0, method, path, body, &basic(SUPERUSER, PASSWORD)).await
    }

    /// One request to a node with an `Authorization` header of the caller's; none when it is empty.
    pub async fn request_as(
        &self,
        node: usize,
        method: &str,
        path: &str,
        body: Option<&Value>,
        authorization: &str,
    ) -> Result<(u16, Value), String> {
        let authority = reqwest::Certificate::from_pem(Authority::shared().pem().as_bytes())
            .expect("our own authority");
        let client = reqwest::Client::builder()
            .tls_certs_only([authority])
            .no_proxy()
            .timeout(Duration::from_secs(30))
            .build()
            .expect("a client");
        let method = method.parse().expect("an HTTP method");
        let mut request = client.request(method, format!("{}{path}", self.url_of(node)));
        if self.settings.security && !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| format!("{error:?}"))?;
        let status = answer.status().as_u16();
        let text = answer.text().await.map_err(|error| format!("{error:?}"))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// One request as the superuser, whatever the answer.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.try_request(method, path, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error}{}", logs()))
    }

    /// One request as the superuser that has to succeed.
    pub async fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.request(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// An index, as `GET /name` shows it; `None` when it is not there.
    pub async fn index(&self, name: &str) -> Option<Value> {
        match self.request("GET", &format!("/{name}"), None).await {
            (200, answer) => Some(answer.as_object()?.values().next()?.clone()),
            (404, _) => None,
            other => panic!("GET /{name}: {other:?}"),
        }
    }

    /// The cluster's uuid.
    pub async fn uuid(&self) -> String {
        let root = self.ok("GET", "/", None).await;
        root["cluster_uuid"].as_str().expect("a cluster uuid").to_owned()
    }

    /// A new API key in the encoded form, with the rights that `role` describes; not on 7.17,
    /// whose distribution lacks what the security index needs.
    pub async fn api_key(&self, name: &str, role: &Value) -> String {
        let body = json!({"name": name, "role_descriptors": {"drover": role}});
        let answer = self.ok("POST", "/_security/api_key", Some(&body)).await;
        answer["encoded"].as_str().expect("an API key").to_owned()
    }

    /// The server's own process, which from 8.x on is a child of the one that was started.
    pub fn pid(&self, node: usize) -> u32 {
        self.try_pid(node).unwrap_or_else(|| panic!("node {node} does not run{}", logs()))
    }

    fn try_pid(&self, node: usize) -> Option<u32> {
        std::fs::read_to_string(self.dir(node).join("pid")).ok()?.trim().parse().ok()
    }

    /// A node's own folder, with `config`, `data` and `logs`.
    pub fn dir(&self, node: usize) -> &Path {
        &self.nodes[node].1
    }

    /// Freezes a node: connections stay, nothing answers.
    pub fn freeze(&self, node: usize) {
        send(Signal::Stop, self.pid(node));
    }

    /// Ends [`Self::freeze`].
    pub fn thaw(&self, node: usize) {
        send(Signal::Cont, self.pid(node));
    }

    /// Stops a node as an operator would, and waits for its end.
    pub async fn stop(&mut self, node: usize) {
        let pid = self.pid(node);
        let process = self.processes[node].take().expect("a running node");
        send(Signal::Term, pid);
        process.ended(Duration::from_mins(1)).await;
    }

    /// Kills a node at once.
    pub fn kill(&mut self, node: usize) {
        send(Signal::Kill, self.pid(node));
        drop(self.processes[node].take());
    }

    /// Starts a node that was stopped or killed, with its data and addresses, and waits for it.
    pub async fn start_again(&mut self, node: usize) {
        self.start_node(node);
        self.ready().await;
    }

    fn start_node(&mut self, index: usize) {
        assert!(self.processes[index].is_none(), "node {index} runs already");
        let (node, dir) = &self.nodes[index];
        let _ = std::fs::remove_file(dir.join("pid"));
        let heap = self.settings.heap_megabytes;
        self.processes[index] = Some(Process::spawn(
            &format!("Elasticsearch {}", node.name),
            &dir.join("output.log"),
            settings::run_script(),
            [self.settings.version.as_str(), dir.to_str().expect("a plain path")],
            &[("ES_JAVA_OPTS", format!("-Xms{heap}m -Xmx{heap}m"))],
        ));
    }

    /// Waits until a node's server process has written down who it is.
    pub async fn started(&self, node: usize) -> u32 {
        let wait = Duration::from_millis(50);
        poll_until(START, wait, async || self.try_pid(node).ok_or(())).await.expect("a process id")
    }
}

/// The `Authorization` header of a user.
pub fn basic(user: &str, password: &str) -> String {
    let command = std::process::Command::new("sh")
        .args(["-c", r#"printf '%s' "$0:$1" | openssl base64 -A"#, user, password])
        .output()
        .expect("sh runs");
    format!("Basic {}", String::from_utf8_lossy(&command.stdout).trim())
}
