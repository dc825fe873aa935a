//! The mark that keeps an object until Drover has let go of what lies outside Kubernetes.

use kube::{
    Api,
    api::{ObjectMeta, Patch, PatchParams},
};
use serde_json::json;

use super::{Kind, KubernetesError, call, title};
use crate::{
    api::{FIELD_MANAGER, FINALIZER},
    context::Context,
    error::Error,
};

/// How often the removal is tried on a fresh copy, when others write to the object meanwhile.
const TRIES: u32 = 3;

/// Whether `object` carries our mark.
pub fn is_on<K: Kind>(object: &K) -> bool {
    object.meta().finalizers.iter().flatten().any(|it| it == FINALIZER)
}

/// Puts our mark on `object` and returns it as it is then; nothing when the object is gone.
///
/// # Errors
/// When this process may not write, the API server does not take it, or (a conflict) the object
/// was changed since this copy was taken.
pub async fn add<K: Kind>(ctx: &Context, object: &K) -> Result<Option<K>, Error> {
    let mut finalizers = object.meta().finalizers.clone().unwrap_or_default();
    finalizers.push(FINALIZER.to_owned());
    match put(ctx, object, object.meta(), &finalizers).await {
        Ok(meta) => {
            ctx.freshness.wrote(&meta);
            let mut object = object.clone();
            object.meta_mut().finalizers = meta.finalizers;
            object.meta_mut().resource_version = meta.resource_version;
            Ok(Some(object))
        }
        Err(Error::Kubernetes(error)) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes our mark off `object`, which lets Kubernetes delete it. Reads a fresh copy first, so that
/// the marks of others stay; an object that is gone, or made again, is left alone.
///
/// # Errors
/// When this process may not write, the API server does not take it, or others wrote to the object
/// at each try.
pub async fn remove<K: Kind>(ctx: &Context, object: &K) -> Result<(), Error> {
    let name = object.meta().name.as_deref().unwrap_or_default();
    let namespace = object.meta().namespace.as_deref().unwrap_or_default();
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    let mut conflict = None;
    for _ in 0..TRIES {
        let read = call(|| format!("read {}", title(object)), api.get_metadata(name)).await;
        let meta = match read {
            Ok(it) => it.metadata,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let before = meta.finalizers.clone().unwrap_or_default();
        let after: Vec<String> = before.iter().filter(|it| *it != FINALIZER).cloned().collect();
        let other = meta.uid != object.meta().uid || meta.deletion_timestamp.is_none();
        if other || after.len() == before.len() {
            return Ok(());
        }
        match put(ctx, object, &meta, &after).await {
            Ok(_) => return Ok(()),
            Err(Error::Kubernetes(error)) if error.is_not_found() => return Ok(()),
            Err(Error::Kubernetes(error)) if error.is_conflict() => conflict = Some(error),
            Err(error) => return Err(error),
        }
    }
    conflict.map_or(Ok(()), |it: KubernetesError| Err(it.into()))
}

/// Sets the whole list, on the condition that nobody wrote to the object since `seen`: the API
/// server compares uid and resourceVersion.
async fn put<K: Kind>(
    ctx: &Context,
    object: &K,
    seen: &ObjectMeta,
    finalizers: &[String],
) -> Result<ObjectMeta, Error> {
    ctx.gate.check()?;
    let name = object.meta().name.as_deref().unwrap_or_default();
    let namespace = object.meta().namespace.as_deref().unwrap_or_default();
    let api: Api<K> = Api::namespaced(ctx.client.clone(), namespace);
    let patch = json!({
        "metadata": {
            "uid": seen.uid,
            "resourceVersion": seen.resource_version,
            "finalizers": finalizers,
        }
    });
    let parameters =
        PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..Default::default() };
    let written = call(
        || format!("set the finalizers of {}", title(object)),
        api.patch_metadata(name, &parameters, &Patch::Merge(&patch)),
    )
    .await?;
    Ok(written.metadata)
}
