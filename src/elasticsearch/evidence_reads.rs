//! Reads all that decides whether a host may go down, in one go and from one endpoint.

mod disks;
mod settings;
mod state;

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};

use self::{disks::Disks, settings::Settings, state::State};
use super::{
    answer::{Answer, EndpointId},
    calls::Read,
    client::Client,
    cluster_reads::HealthStatus,
    error::Error,
    evidence::{Allocation, Counts, Evidence, Exclusion, Node, NodeId},
    shutdown_reads,
    version::Version,
};
use crate::foreign::capped;

/// The most that is read of the cluster's state, in bytes: some 180 for each copy of a shard, so that
/// a cluster with a few hundred thousand of them can be judged too.
const STATE_LIMIT: usize = 64 * 1024 * 1024;

/// Who is a member, where each copy is, and what is being taken out: all of one moment. The state's
/// `routing_table` lists a copy that moves once, at the node that it leaves, as health counts it.
const STATE: &str = "/_cluster/state/master_node,nodes,routing_table,metadata,customs?filter_path=\
    cluster_uuid,master_node,nodes.*.name,nodes.*.ephemeral_id,nodes.*.transport_address,\
    nodes.*.roles,metadata.cluster_coordination.last_committed_config,\
    metadata.cluster_coordination.voting_config_exclusions,metadata.node_shutdown.nodes.*.type,\
    metadata.node_shutdown.nodes.*.reason,\
    metadata.indices.*.settings.index.store.type,metadata.indices.*.settings.index.version.created,\
    metadata.indices.*.settings.index.verified_read_only,\
    metadata.indices.*.settings.index.auto_expand_replicas,\
    metadata.indices.*.settings.index.routing.allocation.include._tier_preference,\
    routing_table.indices.*.shards.*.state,\
    routing_table.indices.*.shards.*.primary,routing_table.indices.*.shards.*.node,\
    routing_table.indices.*.shards.*.unassigned_info.reason,snapshots.snapshots.snapshot,\
    restore.snapshots.snapshot";

/// The votes that were taken. Without the rest of the state this is small.
const VOTES: &str = "/_cluster/state/metadata?filter_path=cluster_uuid,\
    metadata.cluster_coordination.voting_config_exclusions";

const HEALTH: &str = "/_cluster/health?filter_path=status,number_of_nodes,active_shards,\
    relocating_shards,initializing_shards,unassigned_shards,delayed_unassigned_shards,\
    number_of_in_flight_fetch";

/// With what elasticsearch.yml of the master says, among the defaults.
const SETTINGS: &str = "/_cluster/settings?flat_settings=true&include_defaults=true&filter_path=\
    persistent,transient,defaults.cluster%5C.routing%5C.allocation%5C.*";

const PROCESSES: &str = "/_nodes/process,http?filter_path=nodes.*.version,nodes.*.process.id,\
    nodes.*.http.publish_address";

const DISKS: &str = "/_nodes/stats/fs?filter_path=nodes.*.fs.data.total_in_bytes,\
    nodes.*.fs.data.available_in_bytes";

impl Client {
    /// Who may be given which shards now, and the endpoint that told it.
    ///
    /// # Errors
    /// Why it can't be read.
    pub async fn allocation(&self, caller: &str) -> Result<(Allocation, EndpointId), Error> {
        let answer = self.read(&Read::from_master("cluster_settings", SETTINGS, caller)).await?;
        Ok((answer.json::<Settings>()?.allocation(), answer.endpoint))
    }

    /// Who is taken out by name now, in which cluster, and the endpoint that told it.
    ///
    /// # Errors
    /// Why it can't be read.
    pub async fn exclusion(&self, caller: &str) -> Result<(Exclusion, String, EndpointId), Error> {
        let votes = self.read(&Read::from_master("voting_exclusions", VOTES, caller)).await?;
        let read = Read::from_master("cluster_settings", SETTINGS, caller);
        let settings = self.read_at(votes.endpoint, &read).await?;
        let told: Votes = votes.json()?;
        let voting = told.metadata.cluster_coordination.voting_config_exclusions;
        let voting = voting.iter().map(|it| capped(&it.node_name)).collect();
        let exclusion = Exclusion { voting, ..settings.json::<Settings>()?.exclusion() };
        Ok((exclusion, self.identity(&votes, told.cluster_uuid)?, votes.endpoint))
    }

    /// All that Elasticsearch says that decides whether a host may go down. It takes the privilege
    /// `monitor` and nothing that is paid for. What is missing of an answer is an error, never an
    /// empty part of the evidence; whether the answers agree is for [`Evidence::check`] to say. As long
    /// as all nodes run an older major version than `next`, it is asked as well what stands in the way
    /// of that, which takes the privilege `manage`, and which nothing else depends on.
    ///
    /// # Errors
    /// Why any part of it can't be read; then nothing is known.
    pub async fn evidence(&self, caller: &str, next: Option<Version>) -> Result<Evidence, Error> {
        Ok(self.look(caller, next).await?.0)
    }

    /// The same, and whether nodes can be announced to go down, which takes the privilege `manage`. Where
    /// they can't be, the evidence says why.
    ///
    /// # Errors
    /// Why any part of it can't be read; then nothing is known.
    pub async fn evidence_with_shutdowns(
        &self,
        caller: &str,
        next: Option<Version>,
    ) -> Result<Evidence, Error> {
        let (mut evidence, endpoint) = self.look(caller, next).await?;
        let asked = self.shutdowns_at(endpoint, caller).await;
        shutdown_reads::complete(&mut evidence, asked)?;
        Ok(evidence)
    }

    async fn look(
        &self,
        caller: &str,
        next: Option<Version>,
    ) -> Result<(Evidence, EndpointId), Error> {
        let state = Read::from_master("evidence_state", STATE, caller);
        let state = Read { limit: STATE_LIMIT, ..state };
        let health = Read::from_master("health", HEALTH, caller);
        let settings = Read::from_master("cluster_settings", SETTINGS, caller);
        let processes = Read::new("processes", PROCESSES, caller);
        let disks = Read::new("disks", DISKS, caller);
        let answers = futures::try_join!(
            self.read(&state),
            self.read(&health),
            self.read(&settings),
            self.read(&processes),
            self.read(&disks),
        )?;
        let (state, health, settings, processes, disks) = answers;
        // Endpoints may be of different clusters, and only the state names its own.
        if [&health, &settings, &processes, &disks].iter().any(|it| it.endpoint != state.endpoint) {
            return Err(state.unexpected("another endpoint answered what was asked beside it"));
        }
        let mut evidence = Self::known(&state, &health, &settings, &processes, &disks)?;
        evidence.uuid = self.identity(&state, evidence.uuid.into())?.into();
        if next.is_some_and(|it| evidence.is_of_older_major(it)) {
            let told = self.what_is_critical(caller, state.endpoint).await;
            evidence.deprecations = Some(told);
        }
        Ok((evidence, state.endpoint))
    }

    fn known(
        state: &Answer,
        health: &Answer,
        settings: &Answer,
        processes: &Answer,
        disks: &Answer,
    ) -> Result<Evidence, Error> {
        let cluster: State = state.json()?;
        let counts = health.json::<Health>()?.counts();
        let set: Settings = settings.json()?;
        let watermark = set.high_watermark().map_err(|it| settings.unexpected(it))?;
        let ran: Processes = processes.json()?;
        let held: Disks = disks.json()?;

        // A cluster without any index has no table: Elasticsearch leaves empty parts away.
        let copies = counts.active + counts.initializing + counts.unassigned;
        if !cluster.has_table() && copies != 0 {
            return Err(state.unexpected("the answer lacks the routing table"));
        }
        let nodes = cluster.members().map_err(|it| state.unexpected(it))?;
        let nodes = ran.complete(nodes).map_err(|it| processes.unexpected(it))?;
        let full = held.full(&nodes, &watermark).map_err(|it| disks.unexpected(it))?;
        let exclusion = Exclusion { voting: cluster.voting_exclusions(), ..set.exclusion() };
        let mut foreign = cluster.taken_out(exclusion.marked());
        foreign.extend(set.foreign());
        Ok(Evidence {
            uuid: capped(&cluster.cluster_uuid),
            master: cluster.master_node.as_deref().map(capped),
            voters: cluster.voters(),
            snapshots: cluster.snapshots(),
            origins: cluster.origins(),
            expanding: cluster.expanding(),
            tiers: cluster.tiers(),
            shutdowns: cluster.shutdowns(),
            copies: cluster.copies(),
            nodes,
            health: counts,
            allocation: set.allocation(),
            exclusion,
            foreign,
            full,
            deprecations: None,
        })
    }
}

#[derive(Deserialize)]
struct Votes {
    cluster_uuid: String,
    metadata: VotesMetadata,
}

#[derive(Deserialize)]
struct VotesMetadata {
    cluster_coordination: VotesTaken,
}

#[derive(Deserialize)]
struct VotesTaken {
    voting_config_exclusions: Vec<VoteTaken>,
}

#[derive(Deserialize)]
struct VoteTaken {
    node_name: String,
}

/// What is no success is not read this far, so every count has to be there.
#[derive(Deserialize)]
struct Health {
    status: HealthStatus,
    number_of_nodes: usize,
    active_shards: usize,
    relocating_shards: usize,
    initializing_shards: usize,
    unassigned_shards: usize,
    delayed_unassigned_shards: usize,
    number_of_in_flight_fetch: usize,
}

impl Health {
    fn counts(&self) -> Counts {
        Counts {
            status: self.status,
            nodes: self.number_of_nodes,
            active: self.active_shards,
            relocating: self.relocating_shards,
            initializing: self.initializing_shards,
            unassigned: self.unassigned_shards,
            delayed: self.delayed_unassigned_shards,
            fetches: self.number_of_in_flight_fetch,
        }
    }
}

#[derive(Deserialize)]
struct Processes {
    nodes: BTreeMap<NodeId, Running>,
}

#[derive(Deserialize)]
struct Running {
    version: String,
    #[serde(default)]
    process: Process,
    /// What it serves clients at; nothing as long as it does not.
    http: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Process {
    id: Option<i64>,
}

impl Processes {
    /// The members with what each said of itself. The state of 7.17 tells no versions.
    fn complete(
        &self,
        mut nodes: BTreeMap<NodeId, Node>,
    ) -> Result<BTreeMap<NodeId, Node>, &'static str> {
        for (id, node) in &mut nodes {
            let running = self.nodes.get(id).ok_or("a node does not tell what it runs")?;
            node.version = capped(&running.version);
            node.serves = running.http.is_some();
            node.process = running.process.id.and_then(|it| u32::try_from(it).ok());
        }
        Ok(nodes)
    }
}

#[cfg(test)]
mod tests;
