//! Elasticsearch on hosts as its package would have put it there: in /usr/share/elasticsearch, with its
//! configuration in /etc/elasticsearch, as the service `elasticsearch` that comes back after a reboot.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::super::elasticsearch::{self, Elasticsearch, Node};
use super::super::wait::poll_until;
use super::super::{clock, init, paths};
use super::{Host, HostNetwork, Settings};

/// Room for a start of three nodes beside a compiler.
const START: Duration = Duration::from_mins(3);

/// Room for one cluster on hosts, until it is dropped: three nodes take 2 GB and both processors while they start, so that no
/// more than two of them are there at once, however many tests run. Waits for its turn.
pub async fn room() -> SemaphorePermit<'static> {
    static ROOMS: Semaphore = Semaphore::const_new(2);
    clock::queue(ROOMS.acquire()).await.expect("never closed")
}

/// A cluster with one node on each of its hosts.
#[derive(Debug)]
pub struct Brownfield {
    /// The first has the first node, and so on: a host has the name of its node.
    pub hosts: Vec<Host>,
    /// For requests; whoever wants to stop a node does that on its host.
    pub elasticsearch: Elasticsearch,
    _room: SemaphorePermit<'static>,
}

impl Brownfield {
    /// Starts the hosts, each with a node that may become master and holds data, at the hosts' addresses and the usual
    /// ports, and waits until the cluster is green. The hosts' names are the cluster's with a number.
    pub async fn start(
        settings: elasticsearch::Settings,
        hosts: impl IntoIterator<Item = Settings>,
    ) -> Self {
        init();
        let room = room().await;
        let began = Instant::now();
        drop(paths::archive(&settings.version)); // with it comes the Java that hosts have
        let network = HostNetwork::shared().await;
        let placed: Vec<(Settings, u8, Node)> = hosts
            .into_iter()
            .enumerate()
            .map(|(index, host)| {
                let place = network.take_place();
                let node = Node {
                    name: format!("{}-{}", settings.name, index + 1),
                    address: network.address(place),
                    http_port: 9200,
                    transport_port: 9300,
                    data: "/var/lib/elasticsearch".to_owned(),
                    logs: "/var/log/elasticsearch".to_owned(),
                };
                (host, place, node)
            })
            .collect();
        let nodes: Vec<Node> = placed.iter().map(|it| it.2.clone()).collect();
        let launch = placed.into_iter().map(|(host, place, node)| {
            let config = paths::scratch(&node.name);
            settings.write(&config, &node, &nodes);
            write_jvm_options(&config, settings.heap_megabytes);
            let mut host = host.name(&node.name).elasticsearch(&settings.version, &config);
            host.place = Some(place);
            host.start()
        });
        let hosts = join_all(launch).await;
        let settings = settings.nodes(u16::try_from(nodes.len()).expect("a few"));
        let it =
            Self { hosts, elasticsearch: Elasticsearch::elsewhere(settings, nodes), _room: room };
        it.green().await;
        let (count, took) = (it.hosts.len(), began.elapsed().as_secs());
        paths::say(&format!("{count} hosts and a green cluster on them: {took} s"));
        it
    }

    /// Waits until all nodes are there and all shards have their copies.
    pub async fn green(&self) {
        let count = self.hosts.len();
        let path =
            format!("/_cluster/health?wait_for_nodes={count}&wait_for_status=green&timeout=1s");
        let superuser = elasticsearch::basic(elasticsearch::SUPERUSER, elasticsearch::PASSWORD);
        let asked = poll_until(START, Duration::from_millis(200), async || {
            // Whichever answers: the first may be the one that is away.
            let mut last = String::new();
            for node in 0..count {
                let asked = self.elasticsearch.request_as(node, "GET", &path, None, &superuser);
                match asked.await {
                    Ok((200, health)) if health["timed_out"] == false => return Ok(()),
                    other => last = format!("{other:?}"),
                }
            }
            Err(last)
        });
        if let Err(last) = asked.await {
            panic!("no green cluster of {count} hosts within {START:?}: {last}{}", self.logs());
        }
    }

    /// The ends of the journals of its nodes, and of their logs.
    pub fn logs(&self) -> String {
        let of = |host: &Host| {
            let tail = "journalctl --no-pager -u elasticsearch --lines=20; cd /var/log/elasticsearch; \
                        grep -hA3 -e ERROR -e WARN $(ls *.log | grep -v ^gc) | tail -n 40; true";
            format!("\n--- Elasticsearch at {} ---\n{}", host.address(), host.inside(tail))
        };
        self.hosts.iter().map(of).collect()
    }
}

fn write_jvm_options(config: &std::path::Path, heap_megabytes: u32) {
    let folder = config.join("jvm.options.d");
    std::fs::create_dir(&folder).expect("own folder");
    let text = format!("-Xms{heap_megabytes}m\n-Xmx{heap_megabytes}m\n");
    std::fs::write(folder.join("bed.options"), text).expect("own folder");
}
