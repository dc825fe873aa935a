//! The one way in which a status is written.

use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde::Serialize;
use serde_json::json;

use super::{Kind, call, title};
use crate::{api::FIELD_MANAGER, context::Context, error::Error};

/// Writes `status` by server-side apply, unless `object` carries it already. Returns whether it was
/// written: an object that is gone, or was made again under its name, is left alone.
///
/// # Errors
/// When this process may not write, or the API server does not take it.
pub async fn write<K: Kind>(ctx: &Context, object: &K, status: &K::Status) -> Result<bool, Error> {
    if object.status().is_some_and(|it| same(it, status)) {
        return Ok(false);
    }
    ctx.gate.check()?;
    let meta = object.meta();
    let name = meta.name.as_deref().unwrap_or_default();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    // The uid makes the API server refuse when another object bears the name by now.
    let patch = json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": { "name": name, "namespace": namespace, "uid": meta.uid },
        "status": status,
    });
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    // Force: the conditions are ours, whoever else wrote one under this status.
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    let answer = call(
        || format!("write the status of {}", title(object)),
        api.patch_status(name, &parameters, &Patch::Apply(&patch)),
    )
    .await;
    match answer {
        Ok(written) => {
            ctx.freshness.wrote(written.meta());
            ctx.metrics.status_written(K::NAME, "success");
            Ok(true)
        }
        Err(error) if error.is_not_found() || error.is_conflict() => {
            ctx.metrics.status_written(K::NAME, "gone");
            tracing::debug!(error = &error as &dyn std::error::Error, "nobody to write it to");
            Ok(false)
        }
        Err(error) => {
            ctx.metrics.status_written(K::NAME, "error");
            Err(error.into())
        }
    }
}

/// Compared as they are sent: what is left out and what is empty may be one and the same.
fn same(stored: &impl Serialize, wanted: &impl Serialize) -> bool {
    match (serde_json::to_vec(stored), serde_json::to_vec(wanted)) {
        (Ok(stored), Ok(wanted)) => stored == wanted,
        _ => false,
    }
}
