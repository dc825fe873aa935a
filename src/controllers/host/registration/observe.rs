//! What a Host sees of the `ContainerManager` that it is, or is to be, registered in.

use kube::ResourceExt as _;

use super::record;
use crate::{
    api::{
        condition::truth,
        container_manager::{ContainerManager, ContainerManagerType, conditions},
        host::Host,
        line::Line,
    },
    context::Context,
    nodes::{self, manager::Place, register::Listed},
    object_key::ObjectKey,
};

/// What is known of where a Host is, or is to be, registered.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The one that its Cluster names; nothing where it names none, or is being deleted.
    pub wished: Option<Manager>,
    /// The one that the Host's status names.
    pub recorded: Option<Manager>,
    /// Whether a run over the hosts of its Cluster has it out of service.
    pub is_held: bool,
}

/// A `ContainerManager`, as one Host sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    /// Its name.
    pub name: String,
    /// Whether it is being deleted.
    pub is_leaving: bool,
    /// Address of the server that is asked, or was last; nothing where none is.
    pub server: Option<Line<1024>>,
    /// What is known of it.
    pub access: Access,
}

/// What is known of a `ContainerManager`, and of a Host's Node in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is not in this namespace.
    Absent,
    /// It asks no server.
    Trivial,
    /// Its server has not been asked since this process began.
    Unasked,
    /// Its server can't be used now, or Drover may not do there what it needs to.
    Unusable {
        /// The Node as it was last seen.
        node: Option<Listed>,
    },
    /// Its server answers.
    Open {
        /// The Node that bears the Host's uid and the name that it shall have.
        node: Option<Listed>,
    },
}

/// Reads what is known; asks nobody. `is_held` says whether a run has the machine out of service.
#[must_use]
pub fn world(ctx: &Context, host: &Host, is_held: bool) -> Seen {
    let namespace = host.namespace();
    let cluster = host.spec.cluster_ref.as_ref().and_then(|named| {
        ctx.stores.clusters.find(|it| it.name_any() == named.name && it.namespace() == namespace)
    });
    let wished = cluster
        .as_ref()
        .filter(|it| it.metadata.deletion_timestamp.is_none())
        .and_then(|it| it.spec.container_manager_ref.as_ref())
        .map(|it| manager(ctx, host, &it.name, &host.node_name()));
    let record = record(host);
    let recorded = record.map(|it| {
        let node = it.node.clone().unwrap_or_else(|| host.node_name());
        manager(ctx, host, &it.name, &node)
    });
    Seen { wished, recorded, is_held }
}

fn manager(ctx: &Context, host: &Host, name: &str, node: &str) -> Manager {
    let namespace = host.namespace();
    let is_it = |it: &ContainerManager| it.name_any() == *name && it.namespace() == namespace;
    let Some(object) = ctx.stores.container_managers.find(is_it) else {
        let (name, server) = (name.to_owned(), None);
        return Manager { name, is_leaving: false, server, access: Access::Absent };
    };
    // As it is connected to: the object may name another one by now.
    let connected = ctx.managers.last(&key(&object));
    let server = connected.map(|it| address(&it));
    let access = match object.spec.kind {
        ContainerManagerType::Trivial => Access::Trivial,
        ContainerManagerType::Kubernetes | ContainerManagerType::OpenShift => {
            access(ctx, &object, host, node)
        }
    };
    let is_leaving = object.metadata.deletion_timestamp.is_some();
    Manager { name: name.to_owned(), is_leaving, server, access }
}

fn key(object: &ContainerManager) -> ObjectKey {
    ObjectKey { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}

fn access(ctx: &Context, object: &ContainerManager, host: &Host, node: &str) -> Access {
    let Some(manager) = ctx.managers.get(&key(object)) else {
        let judged = object.status.as_ref().map(|it| it.conditions.as_slice());
        let is_false = |kind| truth(judged.unwrap_or_default(), kind) == Some(false);
        let is_hopeless = is_false(conditions::ACCEPTED) || is_false(conditions::RESOLVED_REFS);
        return if is_hopeless { Access::Unusable { node: None } } else { Access::Unasked };
    };
    let snapshot = manager.snapshot();
    let node = snapshot.nodes.as_ref().and_then(|it| it.get(&place(host, node)).cloned());
    if !snapshot.asked {
        Access::Unasked
    } else if snapshot.is_usable() {
        Access::Open { node }
    } else {
        Access::Unusable { node }
    }
}

/// The address of the server, as it is put on record.
pub(super) fn address(manager: &nodes::manager::Manager) -> Line<1024> {
    Line::new(manager.client().address())
}

/// Where the Node of a Host is found.
pub(super) fn place(host: &Host, node: &str) -> Place {
    let uid = host.metadata.uid.as_deref().unwrap_or_default();
    Place { node: node.into(), uid: uid.into() }
}
