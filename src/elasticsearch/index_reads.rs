//! Reads about indices, by the names that they or their aliases have.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    answer::{Answer, EndpointId},
    calls::Read,
    client::Client,
    cluster_reads::{Documents, HealthStatus, Store},
    error::Error,
    names::{OneIndex, batches, halves},
};

/// Leaves out the names that nobody has.
const LENIENT: &str = "ignore_unavailable=true&allow_no_indices=true";

/// Whether an index serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IndexState {
    /// It does.
    Open,
    /// It keeps its data and serves nothing.
    #[serde(rename = "close")]
    Closed,
}

/// What shows that an index changed, without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexMarks {
    /// The identity of the index.
    pub uuid: String,
    /// Whether it serves.
    pub state: IndexState,
    /// Counts up with each change of a setting.
    pub settings_version: u64,
    /// Counts up with each change of the mapping.
    pub mapping_version: u64,
    /// Counts up with each change of an alias.
    pub aliases_version: u64,
    /// Names of its aliases.
    pub aliases: Vec<String>,
}

/// The marks of some indices, and who told them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The endpoint that answered.
    pub endpoint: EndpointId,
    /// The identity of the cluster behind that endpoint.
    pub cluster_uuid: String,
    /// By physical name.
    pub indices: BTreeMap<String, IndexMarks>,
}

/// What an index is made of, each part as the JSON text that Elasticsearch sent.
#[derive(Clone, Debug, Deserialize)]
pub struct IndexBody {
    /// An object with flat keys, such as `index.number_of_replicas`; all values are texts, lists
    /// of texts or null.
    #[serde(default = "empty_object")]
    pub settings: Box<RawValue>,
    /// An object, as the create-index API takes it.
    #[serde(default = "empty_object")]
    pub mappings: Box<RawValue>,
    /// An object by alias name, as the create-index API takes it.
    #[serde(default = "empty_object")]
    pub aliases: Box<RawValue>,
}

/// What some indices are made of.
#[derive(Clone, Debug, Default)]
pub struct Bodies {
    /// By physical name.
    pub indices: BTreeMap<String, IndexBody>,
    /// The names, as asked for, behind which there is more than Drover reads ([`super::calls::ANSWER_LIMIT`]).
    pub too_large: BTreeSet<String>,
}

/// Figures of one index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "NestedStats")]
pub struct IndexStats {
    /// Documents in primaries, nested ones counted apart.
    pub documents: u64,
    /// Bytes of all shard copies.
    pub store_bytes: u64,
}

impl Client {
    /// The marks of all indices that have one of `names`, themselves or as an alias. Nothing
    /// where `names` is empty; a name that nobody has is absent.
    ///
    /// # Errors
    /// Why they can't be read; two endpoints with different clusters behind them are an
    /// [`Error::UnexpectedAnswer`].
    pub async fn index_marks(&self, names: &[&str], caller: &str) -> Result<Option<Marks>, Error> {
        let mut all: Option<Marks> = None;
        let (before, after) = ("/_cluster/state/metadata/", &*marks_query());
        let mut rest = batches(before, names, after);
        rest.reverse();
        while let Some(batch) = rest.pop() {
            let read = Read::from_master("index_marks", &*batch.path, caller);
            let answer = match (self.read(&read).await, halves(&batch, before, after)) {
                (Err(Error::TooLarge { .. }), Some(halves)) => {
                    rest.extend(halves);
                    continue;
                }
                (answer, _) => answer?,
            };
            let marks = self.marks(&answer)?;
            match &mut all {
                None => all = Some(marks),
                Some(all) if all.cluster_uuid == marks.cluster_uuid => {
                    all.indices.extend(marks.indices);
                }
                Some(_) => return Err(answer.unexpected("the endpoints have different clusters")),
            }
        }
        Ok(all)
    }

    fn marks(&self, answer: &Answer) -> Result<Marks, Error> {
        let body: StateBody = answer.json()?;
        let indices = body.metadata.indices.into_iter();
        let indices = indices.map(|(name, index)| (name, index.marks())).collect();
        let cluster_uuid = self.identity(answer, body.cluster_uuid)?;
        Ok(Marks { endpoint: answer.endpoint, cluster_uuid, indices })
    }

    /// The marks of one index. Ask right before a write, and write to the endpoint that answered:
    /// they tell whether it is still the same cluster and the same index.
    ///
    /// # Errors
    /// Why they can't be read.
    pub async fn guard(&self, name: &OneIndex, caller: &str) -> Result<Marks, Error> {
        let path = format!("/_cluster/state/metadata{}", name.path(&marks_query()));
        let read = Read::from_master("guard", path, caller);
        let answer = self.read(&read).await?;
        self.marks(&answer)
    }

    /// Settings, mappings and aliases of all indices that have one of `names`, themselves or as
    /// an alias. Names that are too large together are asked for in halves. A name that nobody has
    /// is absent, and so is one that the credentials may not see: where its marks are there all the
    /// same, [`Client::index`] tells the privilege that is missing.
    ///
    /// # Errors
    /// Why they can't be read.
    pub async fn indices(&self, names: &[&str], caller: &str) -> Result<Bodies, Error> {
        let mut found = Bodies::default();
        let (before, after) = ("/", &*format!("?flat_settings=true&{LENIENT}"));
        let mut rest = batches(before, names, after);
        while let Some(batch) = rest.pop() {
            let read = Read::from_master("indices", &*batch.path, caller);
            match (self.read(&read).await, halves(&batch, before, after)) {
                (Ok(answer), _) => {
                    found.indices.extend(answer.json::<BTreeMap<String, IndexBody>>()?);
                }
                (Err(Error::TooLarge { .. }), Some(halves)) => rest.extend(halves),
                (Err(Error::TooLarge { .. }), None) => {
                    found.too_large.extend(batch.names.into_iter().map(str::to_owned));
                }
                (Err(error), _) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The marks of one index as one endpoint tells them: for the second and later of several
    /// writes.
    ///
    /// # Errors
    /// Why they can't be read.
    pub async fn guard_at(
        &self,
        endpoint: EndpointId,
        name: &OneIndex,
        caller: &str,
    ) -> Result<Marks, Error> {
        let path = format!("/_cluster/state/metadata{}", name.path(&marks_query()));
        let answer = self.read_at(endpoint, &Read::from_master("guard", path, caller)).await?;
        self.marks(&answer)
    }

    /// How many documents one index holds, refreshed ones only, as one endpoint tells it; nothing
    /// where not every primary shard could be asked.
    ///
    /// # Errors
    /// Why they can't be counted.
    pub async fn count_at(
        &self,
        endpoint: EndpointId,
        name: &OneIndex,
        caller: &str,
    ) -> Result<Option<u64>, Error> {
        #[derive(Deserialize)]
        struct Health {
            status: HealthStatus,
        }
        #[derive(Deserialize)]
        struct Body {
            #[serde(rename = "_shards")]
            shards: Shards,
            indices: BTreeMap<String, Copies>,
        }
        #[derive(Deserialize)]
        struct Shards {
            failed: u64,
        }
        #[derive(Deserialize)]
        struct Copies {
            primaries: Figures,
        }
        #[derive(Deserialize)]
        struct Figures {
            docs: Documents,
        }
        let path = format!("/_cluster/health{}", name.path("?filter_path=status"));
        let answer = self.read_at(endpoint, &Read::from_master("health", path, caller)).await?;
        let all_primaries =
            matches!(answer.json::<Health>()?.status, HealthStatus::Green | HealthStatus::Yellow);
        let path =
            name.path("/_stats/docs?filter_path=_shards.failed,indices.*.primaries.docs.count");
        let answer = self.read_at(endpoint, &Read::new("index_stats", path, caller)).await?;
        let body: Body = answer.json()?;
        let count = body.indices.get(name.as_str()).map(|it| it.primaries.docs.count);
        Ok(count.filter(|_| all_primaries && body.shards.failed == 0))
    }

    /// Documents and bytes by physical name, of all indices that the credentials may monitor.
    ///
    /// # Errors
    /// Why they can't be read.
    pub async fn index_stats(&self, caller: &str) -> Result<BTreeMap<Box<str>, IndexStats>, Error> {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            indices: BTreeMap<Box<str>, IndexStats>,
        }
        let path = "/_stats/docs,store?expand_wildcards=all&forbid_closed_indices=false&filter_path=\
                    indices.*.primaries.docs.count,indices.*.total.store.size_in_bytes";
        let body: Body = self.read(&Read::new("index_stats", path, caller)).await?.json()?;
        Ok(body.indices)
    }
}

/// The figures of one index as Elasticsearch nests them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct NestedStats {
    primaries: NestedFigures,
    total: NestedFigures,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NestedFigures {
    docs: Documents,
    store: Store,
}

impl From<NestedStats> for IndexStats {
    fn from(it: NestedStats) -> Self {
        Self { documents: it.primaries.docs.count, store_bytes: it.total.store.size_in_bytes }
    }
}

fn marks_query() -> String {
    let fields = ["state", "settings_version", "mapping_version", "aliases_version"];
    let fields = fields.map(|it| format!("metadata.indices.*.{it}")).join(",");
    format!(
        "?{LENIENT}&filter_path=cluster_uuid,{fields},metadata.indices.*.aliases,\
         metadata.indices.*.settings.index.uuid"
    )
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".into()).unwrap_or_default()
}

#[derive(Deserialize)]
struct StateBody {
    cluster_uuid: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    indices: BTreeMap<String, IndexMetadata>,
}

#[derive(Deserialize)]
struct IndexMetadata {
    state: IndexState,
    settings: Settings,
    #[serde(default)]
    settings_version: u64,
    #[serde(default)]
    mapping_version: u64,
    #[serde(default)]
    aliases_version: u64,
    #[serde(default)]
    aliases: Vec<String>,
}

#[derive(Deserialize)]
struct Settings {
    index: Uuid,
}

#[derive(Deserialize)]
struct Uuid {
    uuid: String,
}

impl IndexMetadata {
    fn marks(self) -> IndexMarks {
        IndexMarks {
            uuid: self.settings.index.uuid,
            state: self.state,
            settings_version: self.settings_version,
            mapping_version: self.mapping_version,
            aliases_version: self.aliases_version,
            aliases: self.aliases,
        }
    }
}

#[cfg(test)]
mod tests;
