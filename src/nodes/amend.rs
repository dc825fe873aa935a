//! Reads a Node, judges it, and changes it only if nobody else has done so meanwhile.

use k8s_openapi::api::core::v1::Node;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{
    client::{Client, FIELD_MANAGER},
    error::Error,
};

/// How often a Node is looked at anew, when others write to it meanwhile: its kubelet does so every
/// few seconds while something happens.
const TRIES: u32 = 4;

/// What is to become of a Node.
pub(super) enum Verdict<T> {
    /// Nothing.
    Leave(T),
    /// This merge patch is applied to it.
    Patch(Value, T),
}

/// The Node `name`; nothing when there is none.
pub(super) async fn read(client: &Client, name: &str) -> Result<Option<Node>, Error> {
    client.read(|| format!("read the Node {name}"), client.nodes().get_opt(name)).await
}

/// Lets `judge` say what is to become of the Node `name`, and does it: `attempt` says what, such as
/// `cordon the Node`. Returns the Node as it is then; nothing when there is none.
///
/// # Errors
/// That of `judge`; that the server does not take the change; a conflict, when others wrote to the
/// Node at each try.
pub(super) async fn amend<T>(
    client: &Client,
    name: &str,
    attempt: &str,
    judge: impl Fn(&Node) -> Result<Verdict<T>, Error>,
) -> Result<Option<(Node, T)>, Error> {
    let mut tries = 0;
    loop {
        let Some(node) = read(client, name).await? else { return Ok(None) };
        let (patch, result) = match judge(&node)? {
            Verdict::Leave(result) => return Ok(Some((node, result))),
            Verdict::Patch(patch, result) => (patch, result),
        };
        tries += 1;
        match put(client, &node, attempt, patch).await {
            Ok(node) => return Ok(Some((node, result))),
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) if error.is_conflict() && tries < TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

/// Applies `patch` on the condition that nobody wrote to the Node since `seen`: the server compares
/// uid and resourceVersion.
async fn put(client: &Client, seen: &Node, attempt: &str, mut patch: Value) -> Result<Node, Error> {
    let name = seen.metadata.name.as_deref().unwrap_or_default();
    patch["metadata"]["uid"] = json!(seen.metadata.uid);
    patch["metadata"]["resourceVersion"] = json!(seen.metadata.resource_version);
    let parameters =
        PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() };
    let attempt = || format!("{attempt} {name}");
    let nodes = client.nodes();
    client.write(attempt, nodes.patch(name, &parameters, &Patch::Merge(&patch))).await
}
