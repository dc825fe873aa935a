//! Makes, adopts, reads and gives up the Node of a host.

use k8s_openapi::api::core::v1::Node;
use kube::{
    api::{DeleteParams, ListParams, PostParams, Preconditions},
    core::ObjectMeta,
};
use serde_json::{Value, json};

use super::{
    amend::{Verdict, amend, read},
    client::{Client, FIELD_MANAGER},
    cordon::{OWNER_ANNOTATION, is_cordoned, lifted_on_leaving},
    error::Error,
    member::{
        Member, NAME_LABEL, NAMESPACE_LABEL, ORIGIN_ANNOTATION, Origin, Ownership, UID_LABEL,
        machine_id,
    },
};

/// Nodes in one page of a list.
const PAGE: u32 = 250;
/// The most pages that are read of a list.
const PAGES: usize = 40;
/// How often a Node is deleted anew, when others write to it meanwhile.
const TRIES: u32 = 4;

/// The Node of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// How it became the host's.
    pub origin: Origin,
    /// Whether it did so just now.
    pub is_new: bool,
    /// What its kubelet says.
    pub readiness: Readiness,
}

/// A Node's Ready condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// A kubelet says that it takes pods.
    Ready,
    /// A kubelet says that it does not.
    NotReady {
        /// Its word for why, such as `KubeletNotReady`.
        reason: Box<str>,
    },
    /// A kubelet has said something, but not for long.
    Unknown,
    /// No kubelet has ever said anything.
    Unreported,
}

/// What became of the Node of a host that is no member any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unregistered {
    /// There was none.
    Absent,
    /// Drover made it, and deleted it.
    Deleted,
    /// It is being deleted and waits for finalizers of others.
    Leaving,
    /// It was adopted, or a kubelet keeps it by now: it stays, without Drover's marks.
    Released,
    /// It is not the host's: it was left alone.
    NotOurs,
}

/// Registers a host: makes its Node, or adopts the one that a kubelet on the same machine has
/// registered under the same name. Does nothing where that is done already.
///
/// # Errors
/// [`Error::NotOwned`] where the Node of that name is not the host's, [`Error::Leaving`] while it is
/// being deleted.
pub async fn register(client: &Client, member: &Member) -> Result<Registered, Error> {
    match adopt(client, member).await? {
        Some(registered) => Ok(registered),
        None => match make(client, member).await {
            // Somebody, such as a kubelet, was quicker.
            Err(error) if error.is_conflict() => adopt(client, member).await?.ok_or(error),
            result => result,
        },
    }
}

/// What the Node of a host is like; nothing where there is none.
///
/// # Errors
/// [`Error::NotOwned`] where the Node of that name is not the host's.
pub async fn registered(client: &Client, member: &Member) -> Result<Option<Registered>, Error> {
    let Some(node) = read(client, member.node()).await? else { return Ok(None) };
    let origin = member.check(&node)?;
    Ok(Some(Registered { origin, is_new: false, readiness: readiness(client, &node) }))
}

/// Gives up the Node of a host: deletes it if Drover made it and no kubelet has joined it, else takes
/// Drover's marks off it and lifts a cordon of Drover's. A Node that is not the host's is left alone.
///
/// # Errors
/// That the server does not do it.
pub async fn unregister(client: &Client, member: &Member) -> Result<Unregistered, Error> {
    let mut tries = 0;
    loop {
        let Some(node) = read(client, member.node()).await? else {
            return Ok(Unregistered::Absent);
        };
        match member.ownership(&node) {
            Ownership::Foreign(_) | Ownership::Adoptable => return Ok(Unregistered::NotOurs),
            Ownership::Ours(Origin::Adopted) | Ownership::Usurped(..) => {
                return release(client, member).await;
            }
            Ownership::Ours(Origin::Made) if is_leaving(&node) => return Ok(Unregistered::Leaving),
            Ownership::Ours(Origin::Made) => {}
        }
        tries += 1;
        match delete(client, &node).await {
            Err(error) if error.is_not_found() => return Ok(Unregistered::Deleted),
            Err(error) if error.is_conflict() && tries < TRIES => {}
            result => return result,
        }
    }
}

/// A Node that Drover made or adopted for some host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub node: Box<str>,
    /// The uid of its Host.
    pub uid: Box<str>,
    /// What its kubelet says.
    pub readiness: Readiness,
    /// The machine that its kubelet says it runs on; nothing where none does.
    pub machine_id: Option<Box<str>>,
    /// Whether new pods are kept off it, whoever wants that.
    pub is_cordoned: bool,
    /// Whether it is being deleted.
    pub is_leaving: bool,
}

/// All Nodes that bear Drover's label; those of other Drovers too, for which the uids tell them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// They, by name.
    pub nodes: Vec<Listed>,
    /// Whether there are more than Drover reads.
    pub has_more: bool,
}

/// Lists the Nodes that bear Drover's label.
///
/// # Errors
/// That the server does not list them.
pub async fn list(client: &Client) -> Result<Listing, Error> {
    let mut listing = Listing::default();
    let mut page = ListParams::default().labels(UID_LABEL).limit(PAGE);
    for _ in 0..PAGES {
        let nodes = client.nodes();
        let found = client.read(|| "list the Nodes of hosts".into(), nodes.list(&page)).await?;
        for node in found.items {
            let label = node.metadata.labels.as_ref().and_then(|it| it.get(UID_LABEL));
            listing.nodes.push(Listed {
                node: client.kept(node.metadata.name.as_deref().unwrap_or_default()),
                uid: client.kept(label.map(String::as_str).unwrap_or_default()),
                readiness: readiness(client, &node),
                machine_id: machine_id(&node).map(|it| client.kept(it)),
                is_cordoned: is_cordoned(&node),
                is_leaving: is_leaving(&node),
            });
        }
        match found.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(listing),
        }
    }
    listing.has_more = true;
    Ok(listing)
}

/// Nothing where there is no Node to adopt.
async fn adopt(client: &Client, member: &Member) -> Result<Option<Registered>, Error> {
    let done = amend(client, member.node(), "adopt the Node", |node| {
        let ownership = member.ownership(node);
        if is_leaving(node) && !matches!(ownership, Ownership::Foreign(_)) {
            return Err(Error::Leaving { node: member.node().into() });
        }
        match ownership {
            Ownership::Ours(origin) => Ok(Verdict::Leave((origin, false))),
            Ownership::Adoptable => {
                let patch = json!({"metadata": marks(member, Origin::Adopted)});
                Ok(Verdict::Patch(patch, (Origin::Adopted, true)))
            }
            Ownership::Usurped(reason) | Ownership::Foreign(reason) => {
                Err(member.not_owned(reason))
            }
        }
    })
    .await?;
    Ok(done.map(|(node, (origin, is_new))| {
        let readiness = readiness(client, &node);
        Registered { origin, is_new, readiness }
    }))
}

async fn make(client: &Client, member: &Member) -> Result<Registered, Error> {
    let owned = |it: &Value| serde_json::from_value(it.clone()).ok();
    let marks = marks(member, Origin::Made);
    let node = Node {
        metadata: ObjectMeta {
            name: Some(member.node().to_owned()),
            labels: owned(&marks["labels"]),
            annotations: owned(&marks["annotations"]),
            ..ObjectMeta::default()
        },
        ..Node::default()
    };
    let parameters =
        PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
    let attempt = || format!("make the Node {}", member.node());
    let node = client.write(attempt, client.nodes().create(&parameters, &node)).await?;
    Ok(Registered { origin: Origin::Made, is_new: true, readiness: readiness(client, &node) })
}

fn marks(member: &Member, origin: Origin) -> Value {
    json!({
        "labels": member.labels(),
        "annotations": {ORIGIN_ANNOTATION: origin.as_str()},
    })
}

async fn release(client: &Client, member: &Member) -> Result<Unregistered, Error> {
    let done = amend(client, member.node(), "release the Node", |node| {
        match member.ownership(node) {
            Ownership::Ours(Origin::Adopted) | Ownership::Usurped(..) => {}
            // It changed hands since it was read.
            _ => return Ok(Verdict::Leave(Unregistered::NotOurs)),
        }
        let mut patch = json!({"metadata": {
            "labels": {UID_LABEL: null, NAMESPACE_LABEL: null, NAME_LABEL: null},
            "annotations": {ORIGIN_ANNOTATION: null, OWNER_ANNOTATION: null},
        }});
        if lifted_on_leaving(node) {
            patch["spec"] = json!({"unschedulable": null});
        }
        Ok(Verdict::Patch(patch, Unregistered::Released))
    })
    .await?;
    Ok(done.map_or(Unregistered::Absent, |(_, it)| it))
}

/// Deletes exactly the Node that was seen, if nobody wrote to it since.
async fn delete(client: &Client, seen: &Node) -> Result<Unregistered, Error> {
    let name = seen.metadata.name.as_deref().unwrap_or_default();
    let parameters = DeleteParams::default().preconditions(Preconditions {
        uid: seen.metadata.uid.clone(),
        resource_version: seen.metadata.resource_version.clone(),
    });
    let nodes = client.nodes();
    let attempt = || format!("delete the Node {name}");
    let answer = client.write(attempt, nodes.delete(name, &parameters)).await?;
    // The answer is the Node itself where it stays for a while.
    let stays =
        answer.left().is_some_and(|it| it.metadata.finalizers.is_some_and(|it| !it.is_empty()));
    Ok(if stays { Unregistered::Leaving } else { Unregistered::Deleted })
}

fn is_leaving(node: &Node) -> bool {
    node.metadata.deletion_timestamp.is_some()
}

fn readiness(client: &Client, node: &Node) -> Readiness {
    let conditions = node.status.iter().flat_map(|it| it.conditions.iter().flatten());
    let ready = conditions.into_iter().find(|it| it.type_ == "Ready");
    match ready {
        Some(ready) if ready.status == "True" => Readiness::Ready,
        Some(ready) if ready.status == "False" => {
            let reason = ready.reason.as_deref().unwrap_or("NotReady");
            Readiness::NotReady { reason: client.kept(reason) }
        }
        // The word of the API server's side for a Node that it waits for in vain.
        Some(ready) if ready.reason.as_deref() == Some("NodeStatusNeverUpdated") => {
            Readiness::Unreported
        }
        Some(_) => Readiness::Unknown,
        None => Readiness::Unreported,
    }
}

#[cfg(test)]
mod tests;
