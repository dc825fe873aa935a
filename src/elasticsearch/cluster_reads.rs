//! Reads about a cluster as a whole and about its nodes.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use super::{
    answer::{Answer, EndpointId},
    calls::Read,
    client::Client,
    error::Error,
    version::Version,
};

/// From this version on every answer names the product in a header.
const NAMES_PRODUCT: Version = Version(7, 14, 0);

/// What stands for the identity of a cluster that has not formed.
const UNFORMED: &str = "_na_";

/// Who answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Name of the node that answered.
    pub node: String,
    /// `cluster.name`.
    pub cluster_name: String,
    /// The identity of the cluster; absent while it has not formed.
    pub cluster_uuid: Option<String>,
    /// What the node runs.
    pub version: Version,
}

/// What changes whenever anything about a cluster does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateVersion {
    /// `cluster.name`.
    pub cluster_name: String,
    /// The identity of the cluster.
    pub cluster_uuid: String,
    /// Another one for each state.
    pub state_uuid: String,
    /// Counts up with each state.
    pub version: u64,
    /// Id of the elected master.
    pub master: Option<String>,
    /// The endpoint that answered.
    pub endpoint: EndpointId,
}

/// Elasticsearch's word for how well something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// All is well.
    Green,
    /// It works, with less safety.
    Yellow,
    /// Something does not work.
    Red,
    /// Elasticsearch does not know, or uses a word that Drover does not.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Health of the cluster and of each index.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ClusterHealth {
    /// The worst of all indices.
    pub status: HealthStatus,
    /// Nodes in the cluster.
    #[serde(rename = "number_of_nodes")]
    pub nodes: u32,
    /// Nodes that hold data.
    #[serde(rename = "number_of_data_nodes")]
    pub data_nodes: u32,
    /// Shard copies in use.
    #[serde(rename = "active_shards")]
    pub active: u32,
    /// Primaries in use.
    #[serde(rename = "active_primary_shards")]
    pub primaries: u32,
    /// Shard copies that move.
    #[serde(rename = "relocating_shards")]
    pub relocating: u32,
    /// Shard copies that are being built.
    #[serde(rename = "initializing_shards")]
    pub initializing: u32,
    /// Shard copies that no node holds.
    #[serde(rename = "unassigned_shards")]
    pub unassigned: u32,
    /// Share of the shard copies that are in use, from 0 to 100.
    #[serde(rename = "active_shards_percent_as_number")]
    pub active_percent: f64,
    /// Changes that wait for the master.
    #[serde(rename = "number_of_pending_tasks")]
    pub pending_tasks: u32,
    /// By physical name: every index, hidden and closed ones too.
    pub indices: BTreeMap<Box<str>, IndexHealth>,
}

/// Health of one index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct IndexHealth {
    /// The worst of its shards.
    pub status: HealthStatus,
    /// Primaries that it should have.
    #[serde(rename = "number_of_shards")]
    pub primaries: u32,
    /// Replicas that each primary should have.
    #[serde(rename = "number_of_replicas")]
    pub replicas: u32,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// `node.name`.
    pub name: String,
    /// The address that it publishes.
    pub host: String,
    /// In Elasticsearch's order.
    pub roles: Vec<String>,
    /// What it runs.
    pub version: String,
}

/// Figures of one node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Heap in use, percent.
    pub heap_percent: Option<u32>,
    /// Data disks in use, percent, rounded down.
    pub disk_used_percent: Option<u32>,
}

/// Figures of the whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClusterStats {
    /// Documents in primaries, nested ones counted apart.
    pub documents: u64,
    /// Bytes of all shard copies.
    pub store_bytes: u64,
}

impl Client {
    /// Who answers.
    ///
    /// # Errors
    /// [`Error::NotElasticsearch`] where it is another product, or why nobody answers.
    pub async fn root(&self, caller: &str) -> Result<Root, Error> {
        let answer = self.read(&Read::new("root", "/", caller)).await?;
        self.read_root(&answer)
    }

    /// Reads an answer to GET /.
    pub(super) fn read_root(&self, answer: &Answer) -> Result<Root, Error> {
        let mut root = root(answer).map_err(|mut error| {
            if let Error::NotElasticsearch { what, .. } = &mut error {
                let mut text = what.to_string();
                self.blot(&mut text);
                *what = text.into();
            }
            error
        })?;
        if let Some(uuid) = root.cluster_uuid.take() {
            root.cluster_uuid = Some(self.identity(answer, uuid)?);
        }
        Ok(root)
    }

    /// The version of the cluster's state: the smallest thing that tells whether anything moved.
    ///
    /// # Errors
    /// Why it can't be read.
    pub async fn state_version(&self, caller: &str) -> Result<StateVersion, Error> {
        #[derive(Deserialize)]
        struct Body {
            cluster_name: String,
            cluster_uuid: String,
            state_uuid: String,
            version: u64,
            master_node: Option<String>,
        }
        let read =
            Read::from_master("state_version", "/_cluster/state/version,master_node", caller);
        let answer = self.read(&read).await?;
        let body: Body = answer.json()?;
        Ok(StateVersion {
            cluster_name: body.cluster_name,
            cluster_uuid: self.identity(&answer, body.cluster_uuid)?,
            state_uuid: body.state_uuid,
            version: body.version,
            master: body.master_node,
            endpoint: answer.endpoint,
        })
    }

    /// Health of the cluster and of every index.
    ///
    /// # Errors
    /// Why it can't be read.
    pub async fn health(&self, caller: &str) -> Result<ClusterHealth, Error> {
        let path = "/_cluster/health?level=indices&filter_path=status,number_of_*,active_*,\
                    relocating_shards,initializing_shards,unassigned_shards,indices.*.status,\
                    indices.*.number_of_*";
        let read = Read::from_master("health", path, caller);
        self.read(&read).await?.json()
    }

    /// The nodes by id.
    ///
    /// # Errors
    /// Why they can't be read.
    pub async fn nodes(&self, caller: &str) -> Result<BTreeMap<String, Node>, Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            nodes: BTreeMap<String, Node>,
        }
        let path = "/_nodes/_all/_none?filter_path=nodes.*.name,nodes.*.host,nodes.*.roles,\
                    nodes.*.version";
        let body: Body = self.read(&Read::new("nodes", path, caller)).await?.json()?;
        Ok(body.nodes)
    }

    /// Figures of the nodes, by node id.
    ///
    /// # Errors
    /// Why they can't be read.
    pub async fn node_stats(&self, caller: &str) -> Result<BTreeMap<String, NodeStats>, Error> {
        let path = "/_nodes/stats/jvm,fs?filter_path=nodes.*.jvm.mem.heap_used_percent,\
                    nodes.*.fs.total.total_in_bytes,nodes.*.fs.total.available_in_bytes";
        let body: NodeStatsBody =
            self.read(&Read::new("node_stats", path, caller)).await?.json()?;
        Ok(body.nodes.into_iter().map(|(id, node)| (id, node.figures())).collect())
    }

    /// Figures of the whole cluster.
    ///
    /// # Errors
    /// Why they can't be read.
    pub async fn cluster_stats(&self, caller: &str) -> Result<ClusterStats, Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Body {
            indices: Indices,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Indices {
            docs: Documents,
            store: Store,
        }
        let path = "/_cluster/stats?filter_path=indices.docs.count,indices.store.size_in_bytes";
        let body: Body = self.read(&Read::new("cluster_stats", path, caller)).await?.json()?;
        Ok(ClusterStats {
            documents: body.indices.docs.count,
            store_bytes: body.indices.store.size_in_bytes,
        })
    }
}

fn root(answer: &Answer) -> Result<Root, Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Body {
        name: String,
        cluster_name: String,
        cluster_uuid: String,
        version: Build,
        tagline: String,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Build {
        number: String,
        distribution: Option<String>,
    }
    let other = |what: String| {
        let what = crate::foreign::capped(&what);
        Err(Error::NotElasticsearch { endpoint: answer.origin.clone(), what })
    };
    let body: Body = match answer.json() {
        Ok(body) => body,
        Err(_) if answer.json::<IgnoredAny>().is_ok() => Body::default(),
        Err(error) => return Err(error),
    };
    let number = body.version.number;
    if let Some(product) = body.version.distribution.filter(|it| it != "elasticsearch") {
        return other(format!("it says that it is {product} {number}"));
    }
    let Some(version) = Version::parse(&number) else {
        return other("its answer to GET / names no version".into());
    };
    if body.tagline != "You Know, for Search" {
        return other("its answer to GET / lacks the words that Elasticsearch says there".into());
    }
    if NAMES_PRODUCT <= version && !answer.from_elasticsearch {
        return other(format!("it says {version}, but without the header x-elastic-product"));
    }
    Ok(Root {
        node: body.name,
        cluster_name: body.cluster_name,
        cluster_uuid: Some(body.cluster_uuid).filter(|it| it != UNFORMED),
        version,
    })
}

/// `docs` of Elasticsearch's statistics.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Documents {
    pub(super) count: u64,
}

/// `store` of Elasticsearch's statistics.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Store {
    pub(super) size_in_bytes: u64,
}

#[derive(Deserialize)]
struct NodeStatsBody {
    #[serde(default)]
    nodes: BTreeMap<String, NodeFigures>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeFigures {
    jvm: Jvm,
    fs: FileSystem,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Jvm {
    mem: Memory,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memory {
    heap_used_percent: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FileSystem {
    total: Disk,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Disk {
    total_in_bytes: u64,
    available_in_bytes: u64,
}

impl NodeFigures {
    fn figures(&self) -> NodeStats {
        let Disk { total_in_bytes: total, available_in_bytes: available } = self.fs.total;
        let used = total.saturating_sub(available).saturating_mul(100);
        NodeStats {
            heap_percent: self.jvm.mem.heap_used_percent,
            disk_used_percent: used.checked_div(total).and_then(|it| u32::try_from(it).ok()),
        }
    }
}

#[cfg(test)]
mod tests;
