//! Does what was decided about the Node of a Host. Each call reads the Node once more before it
//! writes, and has its own deadline.

use std::{sync::Arc, time::Instant};

use kube::ResourceExt as _;

use super::{
    super::{observe::pinned, operation},
    count::{counted, label},
    observe::{address, place},
    plan::{Step, has_its_name},
    record,
};
use crate::{
    api::{
        cluster::Cluster, container_manager::ContainerManager, host::Host,
        host_status::Registration,
    },
    context::Context,
    error::Error,
    kubernetes::{Kind as _, references::look_up},
    nodes::{
        self,
        cordon::{Cordoned, Uncordoned, cordon, uncordon},
        drain::{Drained, Unmanaged, drain},
        manager::Manager,
        member::{self, Member},
        register::{Listed, Registered, Unregistered, register, unregister},
    },
    object_key::ObjectKey,
};

/// On behalf of what Drover cordons the Node of a Host in maintenance.
const OWNER: &str = "maintenance";

/// What came of the step.
#[derive(Debug, Default)]
pub enum Ending {
    /// There was none, or it was nothing but to put something on record.
    #[default]
    Nothing,
    /// The machine is registered.
    Registered(Registered),
    /// New pods are kept off, by whomever.
    Cordoned(Cordoned),
    /// Pods were evicted.
    Drained(Box<Drained>),
    /// Drover keeps pods off no more.
    Uncordoned(Uncordoned),
    /// The Node was given up.
    Left(Unregistered),
    /// It did not work.
    Failed(nodes::error::Error),
    /// It was not tried: too many others are at work there.
    Deferred,
    /// It was not tried: what it was decided on is no longer so, or never was.
    Stale,
    /// There is no way to the server now.
    NoWay,
}

/// Takes the step, and counts it.
///
/// # Errors
/// When Drover's own API server can't be asked; what the other one does is data.
pub async fn run(ctx: &Context, host: &Host, step: Option<&Step>) -> Result<Ending, Error> {
    let Some(step) = step else { return Ok(Ending::Nothing) };
    let start = Instant::now();
    let result = begin(ctx, host, step).await;
    let ending = result.as_ref().ok();
    if let Some(label) = label(step, ending) {
        ctx.metrics.step_taken(Host::NAME, label, counted(ending), start.elapsed());
    }
    result
}

async fn begin(ctx: &Context, host: &Host, step: &Step) -> Result<Ending, Error> {
    let manager = way(ctx, host, step);
    // Before anything is asked, so that whoever has to stand back costs nothing.
    let turn = manager.as_ref().map(|it| it.turn(&host.uid().unwrap_or_default()));
    if matches!(turn, Some(None)) {
        return Ok(Ending::Deferred);
    }
    if !is_still_so(ctx, host, step).await? {
        return Ok(Ending::Stale);
    }
    match step {
        Step::Record { .. } | Step::RecordCordon | Step::Abandon { .. } => {
            return Ok(Ending::Nothing);
        }
        Step::Leave { is_trivial: true, .. } => return Ok(Ending::Left(Unregistered::Absent)),
        Step::Register | Step::Cordon | Step::Drain | Step::Uncordon | Step::Leave { .. } => {}
    }
    let Some(record) = record(host) else { return Ok(Ending::Stale) };
    let Some(manager) = manager else { return Ok(Ending::NoWay) };
    let node = record.node.clone().unwrap_or_else(|| host.node_name());
    let member = match member(host, &node) {
        Ok(member) => member,
        Err(error) => return Ok(Ending::Failed(error)),
    };
    // Another server than the one that was seen would know of no Node, and it would be forgotten.
    let is_another = record.server.as_ref().is_some_and(|it| *it != address(&manager));
    if is_another && matches!(step, Step::Leave { moved_from: None, .. }) {
        return Ok(Ending::Stale);
    }
    let ending = match take(&manager, &member, step).await {
        Ok(ending) => ending,
        Err(nodes::error::Error::Closed { cause, .. }) => return Err(cause.into()),
        Err(error) => Ending::Failed(error),
    };
    note(&manager, host, &node, &ending);
    Ok(ending)
}

/// The server that the step needs, where there is a way to it.
fn way(ctx: &Context, host: &Host, step: &Step) -> Option<Arc<Manager>> {
    let key = ObjectKey { namespace: namespace(host), name: record(host)?.name.clone() };
    match step {
        Step::Record { .. }
        | Step::RecordCordon
        | Step::Abandon { .. }
        | Step::Leave { is_trivial: true, .. } => None,
        Step::Leave { .. } => ctx.managers.last(&key),
        Step::Register | Step::Cordon | Step::Drain | Step::Uncordon => ctx.managers.get(&key),
    }
}

async fn take(
    manager: &Manager,
    member: &Member,
    step: &Step,
) -> Result<Ending, nodes::error::Error> {
    let client = manager.client();
    Ok(match step {
        Step::Register => Ending::Registered(register(client, member).await?),
        Step::Cordon => Ending::Cordoned(cordon(client, member, OWNER).await?),
        Step::Drain => Ending::Drained(Box::new(drain(client, member, Unmanaged::Keep).await?)),
        Step::Uncordon => Ending::Uncordoned(uncordon(client, member, OWNER).await?),
        Step::Leave { .. } => Ending::Left(unregister(client, member).await?),
        Step::Record { .. } | Step::RecordCordon | Step::Abandon { .. } => Ending::Nothing,
    })
}

/// Whether what the step was decided on is so, whatever a cache has shown. Asked before what can't be
/// taken back only.
async fn is_still_so(ctx: &Context, host: &Host, step: &Step) -> Result<bool, Error> {
    let (client, namespace) = (&ctx.client, namespace(host));
    match step {
        Step::Record { .. }
        | Step::RecordCordon
        | Step::Register
        | Step::Abandon { absent: None, .. } => Ok(true),
        // A copy of the Cluster from before may not know of the run.
        Step::Uncordon => {
            let is_of_run = operation::record(host).is_some();
            let errand = if is_of_run { operation::apply::errand(ctx, host).await? } else { None };
            Ok(!errand.is_some_and(|it| it.holds(true)))
        }
        Step::Abandon { absent: Some(manager), .. } => {
            Ok(look_up::<ContainerManager>(client, &namespace, manager).await?.is_none())
        }
        Step::Cordon | Step::Drain | Step::Leave { .. } => {
            let same = look_up::<Host>(client, &namespace, &host.name_any()).await?;
            let told = |it: &Host| (it.metadata.uid.clone(), it.metadata.generation);
            if same.as_ref().map(told) != Some(told(host)) {
                return Ok(false);
            }
            match (step, record(host)) {
                (Step::Leave { .. }, Some(record)) => Ok(!is_to_stay(ctx, host, record).await?),
                // It is out of service for a run alone, which may have gone on.
                (Step::Cordon | Step::Drain, _) if !host.spec.maintenance => {
                    let is_cordoned = operation::record(host).is_some_and(|it| it.cordoned_by_us);
                    let errand = operation::apply::errand(ctx, host).await?;
                    Ok(errand.is_some_and(|it| it.holds(is_cordoned)))
                }
                _ => Ok(true),
            }
        }
    }
}

/// Whether the host is to be where the record has it, as its Cluster and its `ContainerManager` are
/// now.
async fn is_to_stay(ctx: &Context, host: &Host, record: &Registration) -> Result<bool, Error> {
    let (client, namespace) = (&ctx.client, namespace(host));
    let is_going = host.metadata.deletion_timestamp.is_some();
    let Some(cluster) = host.spec.cluster_ref.as_ref().filter(|_| !is_going) else {
        return Ok(false);
    };
    if !has_its_name(host, record) {
        return Ok(false);
    }
    let cluster = look_up::<Cluster>(client, &namespace, &cluster.name).await?;
    let stays = cluster.filter(|it| it.metadata.deletion_timestamp.is_none());
    let named = stays.and_then(|it| it.spec.container_manager_ref);
    if named.is_none_or(|it| it.name != record.name) {
        return Ok(false);
    }
    let manager = look_up::<ContainerManager>(client, &namespace, &record.name).await?;
    Ok(manager.is_some_and(|it| it.metadata.deletion_timestamp.is_none()))
}

fn namespace(host: &Host) -> String {
    host.namespace().unwrap_or_default()
}

fn member(host: &Host, node: &str) -> Result<Member, nodes::error::Error> {
    let host = member::Host {
        uid: host.uid().unwrap_or_default(),
        namespace: namespace(host),
        name: host.name_any(),
        machine_id: pinned(host).map(str::to_owned),
    };
    Member::new(node, host)
}

/// Until the next list, the Node is known to be as it is now.
fn note(manager: &Manager, host: &Host, node: &str, ending: &Ending) {
    let place = place(host, node);
    let known = manager.snapshot().nodes.and_then(|it| it.get(&place).cloned());
    let cordoned = |is_cordoned| known.clone().map(|it| Listed { is_cordoned, ..it });
    let now = match ending {
        Ending::Registered(registered) => Some(Listed {
            node: place.node.clone(),
            uid: place.uid.clone(),
            readiness: registered.readiness.clone(),
            machine_id: None,
            is_cordoned: known.as_ref().is_some_and(|it| it.is_cordoned),
            is_leaving: false,
        }),
        Ending::Cordoned(Cordoned::Absent)
        | Ending::Uncordoned(Uncordoned::Absent)
        | Ending::Left(_) => None,
        Ending::Cordoned(_) | Ending::Uncordoned(Uncordoned::Foreign) => cordoned(true),
        Ending::Uncordoned(_) | Ending::Failed(nodes::error::Error::NotCordoned { .. }) => {
            cordoned(false)
        }
        Ending::Nothing
        | Ending::Drained(_)
        | Ending::Failed(_)
        | Ending::Deferred
        | Ending::Stale
        | Ending::NoWay => return,
    };
    manager.note(&place, now);
}

#[cfg(test)]
mod tests;
