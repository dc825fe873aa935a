//! Which namespaces an operator looks after, and that its flags do the same as environment
//! variables. The API server is its own: one that looks after all namespaces would meddle with the
//! other tests.

use drover::api::{cluster::Cluster, condition, index::Index};
use kube::Api;
use serde_json::{Value, json};

use crate::{
    common::{
        certificates::Authority,
        control_plane::ControlPlane,
        operator::Settings,
        proxy::{Proxy, lines},
        wait::eventually,
    },
    world::{PASSWORD, SOON, USER, elasticsearch},
};

/// A Cluster `es` with all that it refers to.
fn cluster(proxy: &Proxy) -> Value {
    let spec = json!({ "connection": {
        "endpoints": [proxy.url()],
        "auth": { "basic": { "secretName": "credentials" } },
        "tls": { "ca": { "configMapName": "ca" } },
    } });
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "credentials" },
          "stringData": { "username": USER, "password": PASSWORD } },
        { "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca" },
          "data": { "ca.crt": Authority::shared().pem() } },
        { "apiVersion": "drover.dev/v1alpha1", "kind": "Cluster", "metadata": { "name": "es" },
          "spec": spec },
    ] })
}

/// An Index whose public name no other namespace uses.
fn index(name: &str, namespace: &str) -> Value {
    json!({
        "apiVersion": "drover.dev/v1alpha1", "kind": "Index", "metadata": { "name": name },
        "spec": {
            "clusterRef": { "name": "es" }, "name": format!("{namespace}-{name}"),
            "settings": { "number_of_replicas": 0 },
        },
    })
}

async fn ready(client: &kube::Client, namespace: &str, name: &str) {
    let api: Api<Index> = Api::namespaced(client.clone(), namespace);
    eventually(&format!("Index {namespace}/{name} is Ready"), SOON, async || {
        let index = api.get(name).await.map_err(|it| it.to_string())?;
        let conditions = index.status.unwrap_or_default().conditions;
        let ready = condition::is_true(&conditions, "Ready");
        if ready { Ok(()) } else { Err(format!("{conditions:?}")) }
    })
    .await;
}

#[tokio::test]
async fn all_namespaces_are_looked_after_unless_some_are_named_by_flag_or_environment() {
    let server = elasticsearch("8.19.0").await;
    let control_plane = ControlPlane::start().await;
    let definitions =
        json!({ "apiVersion": "v1", "kind": "List", "items": drover::api::all_crds() });
    control_plane.install_crds(&definitions.to_string());
    let client = control_plane.client().await;
    let proxy = Proxy::before_elasticsearch(server);
    let [a, b, c] = ["scope-a", "scope-b", "scope-c"].map(|it| control_plane.namespace(it));
    for namespace in [&a, &b] {
        control_plane.apply(namespace, &cluster(&proxy).to_string());
        control_plane.apply(namespace, &index("first", namespace).to_string());
    }
    // KUBECONFIG leads nowhere, so the flag is what counts.
    let kubeconfig = control_plane.kubeconfig().write();
    let kubeconfig = kubeconfig.to_str().expect("a plain path");
    let nowhere = |it: Settings| it.environment("KUBECONFIG", "/nowhere");
    let all = nowhere(Settings::new(control_plane.kubeconfig(), &a));
    let all = all.flag("--watch-namespaces", "").flag("--kubeconfig", kubeconfig).start().await;
    for namespace in [&a, &b] {
        ready(&client, namespace, "first").await;
    }
    assert_eq!(all.stop().await.0, 0);

    control_plane.apply(&c, &cluster(&proxy).to_string());
    for namespace in [&a, &b, &c] {
        control_plane.apply(namespace, &index("second", namespace).to_string());
    }
    proxy.ledger().clear();
    let some = nowhere(Settings::new(control_plane.kubeconfig(), &a));
    let some = some
        .flag("--watch-namespaces", &format!("{a},{b}"))
        .flag("--kubeconfig", kubeconfig)
        .flag("--log-format", "json")
        .flag("--max-concurrent-reconciles", "3")
        .by_environment()
        .start()
        .await;
    for namespace in [&a, &b] {
        ready(&client, namespace, "second").await;
    }
    // That the rest of the environment is heeded too shows in what the operator says and tells.
    for line in some.log().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "no JSON: {line}");
    }
    let limit = some.metric("drover_max_concurrent_reconciles", &[r#"controller="index""#]).await;
    assert!((limit - 3.0).abs() < f64::EPSILON, "{limit}");
    let lease = control_plane.get(&a, "lease", "drover").expect("the Lease is in the first");
    assert_ne!(lease["spec"]["holderIdentity"], "");

    let index = Api::<Index>::namespaced(client.clone(), &c).get("second").await.unwrap();
    let cluster = Api::<Cluster>::namespaced(client, &c).get("es").await.unwrap();
    assert!(index.status.is_none() && index.metadata.finalizers.is_none(), "{index:?}");
    assert!(cluster.status.is_none() && cluster.metadata.finalizers.is_none(), "{cluster:?}");
    let asked = proxy.ledger().find(|it| it.line().contains(&c));
    assert!(asked.is_empty(), "{}", lines(&asked));
    let named = |it: &crate::common::proxy::Entry| {
        it.opaque_id.as_deref().is_some_and(|it| it.contains(&c))
    };
    assert_eq!(proxy.ledger().count(named), 0);
}
