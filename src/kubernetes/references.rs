//! Secrets and ConfigMaps that objects refer to: watched as metadata alone, read by name.

use std::{collections::BTreeMap, fmt, fmt::Debug, hash::Hash, sync::Arc};

use futures::{Stream, StreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Resource,
    core::{NamespaceResourceScope, PartialObjectMeta},
    runtime::watcher::Event,
};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde::de::DeserializeOwned;

use super::{
    KubernetesError, call,
    known::{Known, ObjectName},
    watch,
};
use crate::context::Context;

/// The most that Kubernetes stores in a Secret or a ConfigMap, in bytes.
const LIMIT: usize = 1024 * 1024;

/// The keys and values of a Secret or a ConfigMap. Shows no value in logs, and wipes them from
/// memory when dropped.
pub struct Content {
    kind: Box<str>,
    values: BTreeMap<String, SecretSlice<u8>>,
}

impl Content {
    /// What a Secret says that it is for, such as `kubernetes.io/tls`; nothing of a ConfigMap.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.values.get(key).map(SecretSlice::expose_secret)
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }
}

impl FromIterator<(String, Vec<u8>)> for Content {
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(values: I) -> Self {
        let values = values.into_iter().map(|(key, value)| (key, value.into())).collect();
        Self { kind: Box::default(), values }
    }
}

impl Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys()).finish()
    }
}

/// Reads the Secret; nothing when it does not exist.
///
/// # Errors
/// When the API server does not hand it out, or the name is none.
pub async fn read_secret(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Content>, KubernetesError> {
    let Some(secret) = read::<Secret>(client, namespace, name).await? else { return Ok(None) };
    let values = secret.data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0));
    let content = limited("Secret", namespace, name, values)?;
    Ok(Some(Content { kind: secret.type_.unwrap_or_default().into(), ..content }))
}

/// Reads the ConfigMap, both its texts and its bytes; nothing when it does not exist.
///
/// # Errors
/// When the API server does not hand it out, or the name is none.
pub async fn read_config_map(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<Content>, KubernetesError> {
    let values = read::<ConfigMap>(client, namespace, name).await?.map(|it| {
        let bytes = it.binary_data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.0));
        let texts = it.data.unwrap_or_default().into_iter().map(|(k, v)| (k, v.into_bytes()));
        bytes.chain(texts)
    });
    values.map(|it| limited("ConfigMap", namespace, name, it)).transpose()
}

/// The object of this name as it is now, whatever a watch has shown; nothing when there is none.
///
/// # Errors
/// When the API server does not hand it out, it can't be decoded, or the name is none.
pub async fn look_up<K>(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<K>, KubernetesError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    read(client, namespace, name).await
}

async fn read<K>(client: &Client, namespace: &str, name: &str) -> Result<Option<K>, KubernetesError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let attempt = || format!("read {} {namespace}/{name}", K::kind(&()));
    // Admission holds names to this; an object stored past admission must not reach another path.
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || ".-".contains(it);
    if name.is_empty() || !name.chars().all(plain) || name.starts_with('.') {
        return Err(KubernetesError::Name { attempt: attempt() });
    }
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    call(attempt, api.get_opt(name)).await
}

fn limited(
    kind: &str,
    namespace: &str,
    name: &str,
    values: impl Iterator<Item = (String, Vec<u8>)>,
) -> Result<Content, KubernetesError> {
    let content: Content = values.collect();
    let size: usize = content.values.values().map(|it| it.expose_secret().len()).sum();
    if LIMIT < size {
        let attempt = format!("read {kind} {namespace}/{name}");
        return Err(KubernetesError::TooLarge { attempt, limit: LIMIT });
    }
    Ok(content)
}

/// Names each Secret of the watched namespaces that comes, changes or goes, those that are there
/// at the start too. Never ends; errors are counted, logged and tried again.
pub fn watch_secrets(ctx: Arc<Context>) -> impl Stream<Item = ObjectName> + Send + 'static {
    watch_changes::<Secret>("secret", ctx)
}

/// Names each ConfigMap of the watched namespaces that comes, changes or goes, as
/// [`watch_secrets`] does.
pub fn watch_config_maps(ctx: Arc<Context>) -> impl Stream<Item = ObjectName> + Send + 'static {
    watch_changes::<ConfigMap>("configmap", ctx)
}

fn watch_changes<K>(
    kind: &'static str,
    ctx: Arc<Context>,
) -> impl Stream<Item = ObjectName> + Send + 'static
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let apis = ctx.settings.namespaces.apis::<PartialObjectMeta<K>>(&ctx.client);
    let watches = apis.into_iter().map(move |api| {
        let mut known = Known::default();
        watch::events(kind, api, Arc::clone(&ctx.metrics))
            .flat_map(move |event| {
                let names = event.map(|it| changed(&mut known, it));
                stream::iter(names.unwrap_or_default())
            })
            .boxed()
    });
    stream::select_all(watches)
}

fn changed<K>(known: &mut Known<u64>, event: Event<PartialObjectMeta<K>>) -> Vec<ObjectName> {
    match event {
        Event::Init => {
            known.begin();
            Vec::new()
        }
        Event::InitApply(object) | Event::Apply(object) => {
            let name = ObjectName::from(&object.metadata);
            let version = hash(&(&object.metadata.uid, &object.metadata.resource_version));
            let before = known.show(&name, version);
            if before == Some(version) { Vec::new() } else { vec![name] }
        }
        Event::Delete(object) => {
            let name = ObjectName::from(&object.metadata);
            known.remove(&name);
            vec![name]
        }
        Event::InitDone => known.end(),
    }
}

/// A short stand-in for a value that is only compared.
pub(crate) fn hash(value: &impl Hash) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use kube::api::ObjectMeta;
    use serde_json::json;

    use super::*;
    use crate::{error::Category, kubernetes::scripted::api_server};

    #[tokio::test]
    async fn a_secret_is_read_by_name_and_shows_its_keys_alone() {
        let (client, mut script) = api_server();
        let (content, ()) = tokio::join!(read_secret(&client, "ns", "elastic"), async {
            let asked = script.next().await;
            assert_eq!(asked.target, "/api/v1/namespaces/ns/secrets/elastic");
            asked.answer(&json!({ "data": { "username": "YQ==", "password": "Zm9v" } }));
        });
        let content = content.unwrap().unwrap();
        assert_eq!(content.get("password"), Some(b"foo".as_slice()));
        assert_eq!(content.get("other"), None);
        assert_eq!(format!("{content:?}"), r#"{"password", "username"}"#);
    }

    #[tokio::test]
    async fn a_config_map_holds_texts_and_bytes() {
        let (client, mut script) = api_server();
        let (content, ()) = tokio::join!(read_config_map(&client, "ns", "ca"), async {
            let content = json!({ "data": { "a": "text" }, "binaryData": { "b": "Zm9v" } });
            script.next().await.answer(&content);
        });
        let content = content.unwrap().unwrap();
        assert_eq!(content.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(content.get("a"), Some(b"text".as_slice()));
    }

    #[tokio::test]
    async fn what_does_not_exist_is_no_error_and_what_is_forbidden_is_one() {
        let (client, mut script) = api_server();
        let (missing, ()) = tokio::join!(read_secret(&client, "ns", "a"), async {
            script.next().await.refuse(404, "NotFound");
        });
        assert!(missing.unwrap().is_none());
        let (refused, ()) = tokio::join!(read_secret(&client, "ns", "a"), async {
            script.next().await.refuse(403, "Forbidden");
        });
        assert_eq!(refused.unwrap_err().category(), Category::Forbidden);
    }

    #[tokio::test]
    async fn a_name_that_would_lead_elsewhere_is_not_asked_for() {
        let (client, script) = api_server();
        drop(script);
        for name in ["", "..", "../../other/secrets/a", "a?watch=1", "A", "a/b", "a%2fb"] {
            let error = read_secret(&client, "ns", name).await.unwrap_err();
            assert!(matches!(error, KubernetesError::Name { .. }), "{name}: {error}");
        }
    }

    #[tokio::test]
    async fn more_than_kubernetes_would_store_is_refused() {
        let (client, mut script) = api_server();
        let (content, ()) = tokio::join!(read_config_map(&client, "ns", "ca"), async {
            script.next().await.answer(&json!({ "data": { "a": "x".repeat(LIMIT + 1) } }));
        });
        assert!(matches!(content.unwrap_err(), KubernetesError::TooLarge { .. }));
    }

    #[test]
    fn a_list_after_a_gap_names_only_what_changed_and_what_went() {
        let object = |name: &str, version: &str| PartialObjectMeta::<Secret> {
            metadata: ObjectMeta {
                name: Some(name.into()),
                namespace: Some("ns".into()),
                resource_version: Some(version.into()),
                ..ObjectMeta::default()
            },
            ..PartialObjectMeta::default()
        };
        let mut known = Known::default();
        let mut feed = |event| -> Vec<String> {
            changed(&mut known, event).into_iter().map(|it| it.name).collect()
        };
        feed(Event::Init);
        for name in ["same", "changed", "went"] {
            assert_eq!(feed(Event::InitApply(object(name, "1"))), [name]);
        }
        assert!(feed(Event::InitDone).is_empty());
        feed(Event::Init);
        assert!(feed(Event::InitApply(object("same", "1"))).is_empty());
        assert_eq!(feed(Event::InitApply(object("changed", "2"))), ["changed"]);
        assert_eq!(feed(Event::InitDone), ["went"]);
        assert_eq!(feed(Event::Delete(object("same", "3"))), ["same"]);
    }
}
