//! The cluster's state, as far as it is asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use serde::Deserialize;

use super::super::{
    evidence::{Copy, CopyState, Mark, Node, NodeId, Origin, Record, Shutdowns},
    shutdown,
};
use crate::foreign::capped;

#[derive(Deserialize)]
pub(super) struct State {
    pub(super) cluster_uuid: String,
    pub(super) master_node: Option<String>,
    nodes: BTreeMap<NodeId, Member>,
    metadata: Metadata,
    routing_table: Option<RoutingTable>,
    #[serde(default)]
    snapshots: Running,
    #[serde(default)]
    restore: Running,
}

#[derive(Deserialize)]
struct Member {
    name: String,
    ephemeral_id: String,
    transport_address: String,
    /// An empty list for a node that only routes requests.
    roles: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    cluster_coordination: Coordination,
    /// There are none without the module, and none as long as nobody uses it.
    #[serde(default)]
    node_shutdown: Announced,
    #[serde(default)]
    indices: BTreeMap<String, IndexMetadata>,
}

#[derive(Deserialize)]
struct Coordination {
    last_committed_config: Vec<String>,
    voting_config_exclusions: Vec<Exclusion>,
}

#[derive(Deserialize)]
struct Exclusion {
    node_id: String,
    node_name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Announced {
    nodes: BTreeMap<NodeId, Shutdown>,
}

#[derive(Deserialize)]
struct Shutdown {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    reason: String,
}

impl Shutdown {
    /// How far it is the state does not tell.
    fn record(&self) -> Record {
        let kind = capped(&self.kind.to_lowercase());
        Record { kind, reason: capped(&self.reason), is_stalled: false }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IndexMetadata {
    settings: IndexSettings,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IndexSettings {
    index: Index,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Index {
    store: Store,
    version: IndexVersion,
    verified_read_only: String,
    auto_expand_replicas: String,
    routing: Placing,
}

/// Where an index goes.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Placing {
    allocation: Filters,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Filters {
    include: Included,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Included {
    #[serde(rename = "_tier_preference")]
    tiers: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IndexVersion {
    created: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Store {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct RoutingTable {
    indices: BTreeMap<String, Shards>,
}

#[derive(Deserialize)]
struct Shards {
    shards: BTreeMap<u32, Vec<Routing>>,
}

#[derive(Deserialize)]
struct Routing {
    state: RoutingState,
    primary: bool,
    node: Option<String>,
    unassigned_info: Option<Unassigned>,
}

#[derive(Clone, std::marker::Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum RoutingState {
    Started,
    Relocating,
    Initializing,
    Unassigned,
}

#[derive(Deserialize)]
struct Unassigned {
    reason: String,
}

/// Snapshots that are being taken, or restored.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Running {
    snapshots: Vec<Snapshot>,
}

#[derive(Deserialize)]
struct Snapshot {
    snapshot: String,
}

impl State {
    /// Whether it has a routing table at all.
    pub(super) fn has_table(&self) -> bool {
        self.routing_table.is_some()
    }

    /// The members by id, as far as the state tells of them.
    pub(super) fn members(&self) -> Result<BTreeMap<NodeId, Node>, &'static str> {
        let members = self.nodes.iter().map(|(id, member)| {
            let address: SocketAddr =
                member.transport_address.parse().map_err(|_| "a node has no IP address")?;
            let node = Node {
                name: capped(&member.name),
                ephemeral_id: capped(&member.ephemeral_id),
                address: address.ip().to_canonical().to_string().into(),
                roles: member.roles.iter().map(|it| capped(it)).collect(),
                ..Node::default()
            };
            Ok((capped(id), node))
        });
        members.collect()
    }

    /// Those whose majority elects masters.
    pub(super) fn voters(&self) -> BTreeSet<NodeId> {
        let committed = &self.metadata.cluster_coordination.last_committed_config;
        committed.iter().map(|it| capped(it)).collect()
    }

    /// Names of the nodes that have no vote, whoever took it.
    pub(super) fn voting_exclusions(&self) -> Vec<Box<str>> {
        let exclusions = self.metadata.cluster_coordination.voting_config_exclusions.iter();
        exclusions.map(|it| capped(&it.node_name)).collect()
    }

    /// The indices whose copies follow the number of nodes.
    pub(super) fn expanding(&self) -> BTreeSet<Box<str>> {
        let expands = |it: &IndexMetadata| {
            let range = &it.settings.index.auto_expand_replicas;
            !range.is_empty() && range != "false"
        };
        let indices = self.metadata.indices.iter().filter(|(_, it)| expands(it));
        indices.map(|(name, _)| capped(name)).collect()
    }

    /// The data tiers that indices go to, of those that say any.
    pub(super) fn tiers(&self) -> BTreeMap<Box<str>, Vec<Box<str>>> {
        let tiers = self.metadata.indices.iter().filter_map(|(name, index)| {
            let tiers = index.settings.index.routing.allocation.include.tiers.as_deref()?;
            let tiers = tiers.split(',').map(str::trim).filter(|it| !it.is_empty());
            Some((capped(name), tiers.map(capped).collect::<Vec<_>>()))
        });
        tiers.filter(|(_, it)| !it.is_empty()).collect()
    }

    /// Nodes that somebody takes out: by voting exclusions, but for those that are `own`, and by shutdown
    /// records that are not Drover's, whatever these say of how far they are.
    pub(super) fn taken_out(&self, own: Option<&Mark>) -> Vec<Box<str>> {
        let name = |id: &str, otherwise: &str| match self.nodes.get(id) {
            Some(member) => member.name.clone(),
            None => otherwise.to_owned(),
        };
        let exclusions = self.metadata.cluster_coordination.voting_config_exclusions.iter();
        let exclusions = exclusions
            .filter(|it| own.is_none_or(|own| !own.has(&it.node_name)))
            .map(|it| format!("a voting exclusion of {}", name(&it.node_id, &it.node_name)));
        let shutdowns = self.metadata.node_shutdown.nodes.iter();
        let shutdowns = shutdowns.filter_map(|(id, it)| {
            let record = it.record();
            let text = || shutdown::text(&record.kind, &name(id, id));
            record.owner().is_none().then(text)
        });
        exclusions.chain(shutdowns).map(|it| capped(&it)).collect()
    }

    /// The nodes that are announced to go down.
    pub(super) fn shutdowns(&self) -> Shutdowns {
        let records = self.metadata.node_shutdown.nodes.iter();
        let records = records.map(|(id, it)| (capped(id), it.record())).collect();
        Shutdowns { records, unusable: None }
    }

    /// Names of the snapshots that are being taken or restored.
    pub(super) fn snapshots(&self) -> Vec<Box<str>> {
        let running = self.snapshots.snapshots.iter().chain(&self.restore.snapshots);
        running.map(|it| capped(&it.snapshot)).collect()
    }

    /// Which version has made each index. One that does not tell is taken to be of the oldest.
    pub(super) fn origins(&self) -> BTreeMap<Box<str>, Origin> {
        let names = self.routing_table.iter().flat_map(|it| it.indices.keys());
        let names = names.chain(self.metadata.indices.keys());
        let origin = |name: &String| {
            let index = self.metadata.indices.get(name).map(|it| &it.settings.index);
            let origin = index.map(|it| Origin {
                version: it.version.created.parse().unwrap_or_default(),
                verified_read_only: it.verified_read_only == "true",
            });
            (capped(name), origin.unwrap_or_default())
        };
        names.map(origin).collect()
    }

    /// Every copy of every shard.
    pub(super) fn copies(self) -> Vec<Copy> {
        let metadata = self.metadata.indices;
        let is_mounted = |index: &str| {
            metadata.get(index).is_some_and(|it| it.settings.index.store.kind == "snapshot")
        };
        let indices = self.routing_table.into_iter().flat_map(|it| it.indices);
        let copies = indices.flat_map(|(index, table)| {
            let is_mounted = is_mounted(&index);
            let index = capped(&index);
            let copies = table.shards.into_iter();
            let copies =
                copies.flat_map(|(shard, copies)| copies.into_iter().map(move |it| (shard, it)));
            copies.map(move |(shard, it)| it.copy(index.clone(), shard, is_mounted))
        });
        copies.collect()
    }
}

impl Routing {
    fn copy(self, index: Box<str>, shard: u32, is_mounted: bool) -> Copy {
        let state = match self.state {
            RoutingState::Started => CopyState::Started,
            RoutingState::Relocating => CopyState::Relocating,
            RoutingState::Initializing => CopyState::Initializing,
            RoutingState::Unassigned => CopyState::Unassigned,
        };
        Copy {
            index,
            shard,
            is_primary: self.primary,
            state,
            node: self.node.as_deref().map(capped),
            // One that is being built still tells why nobody had it.
            unassigned: match state {
                CopyState::Unassigned => self.unassigned_info.map(|it| capped(&it.reason)),
                _ => None,
            },
            is_mounted,
        }
    }
}
