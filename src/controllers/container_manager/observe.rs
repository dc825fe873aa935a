//! What a `ContainerManager` reconcile knows before it decides.

use kube::ResourceExt as _;

use super::{key, references};
use crate::{
    api::container_manager::{ContainerManager, NodeCounts},
    context::Context,
    controllers::references::Problem,
    error::Error,
    nodes::{connection::Connection, manager::Snapshot},
};

/// The world around one `ContainerManager` object.
#[derive(Debug)]
pub struct Observed {
    /// What the spec's references came to; nothing where no server is asked.
    pub connection: Result<Option<Connection>, Problem>,
    /// Tells the connection that is in use from others; nothing where none is.
    pub connected: Option<[u8; 32]>,
    /// What is known of the server.
    pub snapshot: Snapshot,
    /// The Hosts that are Nodes here, as their own statuses have it.
    pub nodes: NodeCounts,
    /// Names of the Hosts that are, or may be, Nodes here, sorted.
    pub members: Vec<String>,
}

/// Reads what the spec names, and what is known of the server.
///
/// # Errors
/// When Drover's own API server can't be asked.
pub async fn world(ctx: &Context, manager: &ContainerManager) -> Result<Observed, Error> {
    let connection = references::resolve(ctx, manager).await?;
    let connected = ctx.managers.get(&key(manager));
    let (nodes, members) = hosts(ctx, manager);
    Ok(Observed {
        connection,
        connected: connected.as_ref().map(|it| it.digest()),
        snapshot: connected.map(|it| it.snapshot()).unwrap_or_default(),
        nodes,
        members,
    })
}

fn hosts(ctx: &Context, manager: &ContainerManager) -> (NodeCounts, Vec<String>) {
    let (namespace, name) = (manager.namespace(), manager.name_any());
    let mut counts = NodeCounts::default();
    let mut members = Vec::new();
    for host in ctx.stores.hosts.state() {
        let record = host.status.as_ref().and_then(|it| it.container_manager.as_ref());
        let Some(record) = record.filter(|it| it.name == name) else { continue };
        if host.namespace() != namespace {
            continue;
        }
        counts.registered += u32::from(record.registered);
        counts.ready += u32::from(record.registered && record.ready);
        members.push(host.name_any());
    }
    members.sort();
    (counts, members)
}
