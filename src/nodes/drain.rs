//! Moves pods off a Node by eviction, which honours disruption budgets. One call evicts what it may
//! and tells what is left; to go on, call again.

use std::time::Duration;

use k8s_openapi::{
    api::policy::v1::Eviction,
    apimachinery::pkg::apis::meta::v1::{DeleteOptions, Preconditions},
};
use kube::{
    api::{ListParams, PostParams},
    core::{ObjectMeta, Status},
};
use tokio::time::Instant;

pub use super::pods::Pods;
use super::{
    amend::read,
    client::{Client, FIELD_MANAGER},
    cordon::is_cordoned,
    error::Error,
    member::Member,
    pods::{Candidate, Lot},
};
use crate::chain::chain;

/// Pods in one page of a list.
const PAGE: u32 = 100;
/// The most pages that are read of a list. A kubelet takes 110 pods where nothing else is said.
const PAGES: usize = 20;
/// After this long a call evicts no more.
const SPAN: Duration = Duration::from_secs(30);

/// What is done about pods that no controller would make again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmanaged {
    /// They stay, and the Node is not drained while they do.
    Keep,
    /// They are evicted, for good.
    Evict,
}

/// What one call of [`drain`] did, and what is left on the Node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Pods whose eviction was granted in this call; they are going, or gone.
    pub evicted: usize,
    /// Pods that are going.
    pub terminating: Pods,
    /// Pods that a disruption budget does not let go now.
    pub blocked_by_budget: Pods,
    /// Pods that no controller would make again, which were kept.
    pub unmanaged: Pods,
    /// Pods whose eviction the server refused for another reason.
    pub refused: Pods,
    /// The reason for the first of them by name.
    pub refusal: Option<Box<str>>,
    /// Pods that were not tried, because the call took too long or because of `fault`, or that
    /// were other ones by then.
    pub untried: usize,
    /// What ended the call early.
    pub fault: Option<Error>,
}

impl Drained {
    /// Whether nothing is left that a drain takes away.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.evicted == 0
            && self.untried == 0
            && self.fault.is_none()
            && [&self.terminating, &self.blocked_by_budget, &self.unmanaged, &self.refused]
                .into_iter()
                .all(Pods::is_empty)
    }
}

/// Evicts from the cordoned Node of a host all pods but those of `DaemonSet`s, those that the kubelet
/// runs by itself and those that have ended. Takes half a minute at most and waits for no pod to go.
/// A Node that is not there has no pods.
///
/// # Errors
/// [`Error::NotOwned`] where the Node is not the host's, [`Error::NotCordoned`] where new pods may
/// start on it; that the pods can't be listed.
pub async fn drain(
    client: &Client,
    member: &Member,
    unmanaged: Unmanaged,
) -> Result<Drained, Error> {
    let end = Instant::now() + SPAN;
    let Some(node) = read(client, member.node()).await? else { return Ok(Drained::default()) };
    member.check(&node)?;
    if !is_cordoned(&node) {
        return Err(Error::NotCordoned { node: member.node().into() });
    }
    let (mut pods, has_more) = pods(client, member).await?;
    // In a call that is cut short nobody shall always be the last.
    fastrand::shuffle(&mut pods);
    let mut drained = Drained { untried: usize::from(has_more), ..Drained::default() };
    for pod in pods {
        let name = client.kept(&format!("{}/{}", pod.namespace, pod.name));
        match pod.lot {
            Lot::Stays => {}
            Lot::Goes => drained.terminating.add(name),
            Lot::Unmanaged if unmanaged == Unmanaged::Keep => drained.unmanaged.add(name),
            _ if end <= Instant::now() || drained.fault.is_some() => drained.untried += 1,
            Lot::Unmanaged | Lot::Moves => match evict(client, &pod).await {
                Evicted::Granted => drained.evicted += 1,
                // Looked at again in the next call.
                Evicted::Changed => drained.untried += 1,
                Evicted::Blocked => drained.blocked_by_budget.add(name),
                Evicted::Refused(error) => {
                    drained.refused.add(name.clone());
                    if drained.refused.names.first() == Some(&name) {
                        drained.refusal = Some(chain(&error).into());
                    }
                }
                Evicted::Failed(error) => {
                    drained.untried += 1;
                    drained.fault = Some(error);
                }
            },
        }
    }
    Ok(drained)
}

/// The pods of the Node, and whether there are more than Drover reads.
async fn pods(client: &Client, member: &Member) -> Result<(Vec<Candidate>, bool), Error> {
    let field = format!("spec.nodeName={}", member.node());
    let mut page = ListParams::default().fields(&field).limit(PAGE);
    let mut pods = Vec::new();
    for _ in 0..PAGES {
        let attempt = || format!("list the pods on the Node {}", member.node());
        let found = client.read(attempt, client.all_pods().list(&page)).await?;
        pods.extend(found.items.into_iter().map(Candidate::from));
        match found.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok((pods, false)),
        }
    }
    Ok((pods, true))
}

enum Evicted {
    Granted,
    /// It is not there any more, or another pod has its name.
    Changed,
    /// A budget allows no more disruption now.
    Blocked,
    /// It concerns this pod alone.
    Refused(Error),
    /// It would go no better with the next pod.
    Failed(Error),
}

async fn evict(client: &Client, pod: &Candidate) -> Evicted {
    let Candidate { namespace, name, uid, .. } = pod;
    let preconditions = Preconditions { uid: uid.clone(), resource_version: None };
    let eviction = Eviction {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        // kube's own call for this sends its options under a name that the server does not know.
        delete_options: Some(DeleteOptions {
            preconditions: Some(preconditions),
            ..DeleteOptions::default()
        }),
    };
    let parameters =
        PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    let pods = client.pods(namespace);
    // It does not name the pod: which one comes first differs from call to call, and the status with it.
    let attempt = || "evict a pod".into();
    let request = async {
        match pods.create_subresource::<_, Status>("eviction", name, &parameters, &eviction).await {
            Ok(_) => Ok(Evicted::Granted),
            Err(kube::Error::Api(status)) if is_budget(&status) => Ok(Evicted::Blocked),
            Err(error) => Err(error),
        }
    };
    match client.write(attempt, request).await {
        Ok(evicted) => evicted,
        Err(error) if error.is_not_found() || error.is_conflict() => Evicted::Changed,
        Err(error @ (Error::Refused { .. } | Error::Forbidden { .. })) => Evicted::Refused(error),
        Err(error) => Evicted::Failed(error),
    }
}

/// Whether a disruption budget says no, and not a server that has too much to do.
fn is_budget(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|it| &it.causes);
    status.code == 429 && causes.into_iter().any(|it| it.reason == "DisruptionBudget")
}

#[cfg(test)]
mod tests;
