//! What Drover makes of the API server's own troubles: lists that come late or in parts, and stored
//! objects that it can't read.

use k8s_openapi::api::events::v1::Event;
use kube::{Api, api::ListParams};
use serde_json::json;

use crate::{
    common::{
        certificates::Authority,
        control_plane::ControlPlane,
        operator::{self},
        proxy::{Entry, Fault, Proxy, lines},
        wait::{eventually, holds},
    },
    world::{SOON, Stage, elasticsearch, get},
};

#[tokio::test]
async fn nothing_is_decided_while_only_a_part_of_the_objects_is_known() {
    let server = elasticsearch("8.19.0").await;
    let mut stage = Stage::new("halffilled", server).await;
    stage.connect().await;
    stage.ready_index("halffilled", &json!({ "settings": { "number_of_replicas": 0 } })).await;
    stage.rest().await;
    let lists = |plural: &'static str| {
        move |it: &Entry| it.path.ends_with(plural) && !it.is_write() && !it.is_watch()
    };
    for late in ["/clusters", "/indices"] {
        stage.operator.stop().await;
        stage.kubernetes.ledger().clear();
        stage.elasticsearch.ledger().clear();
        let held = stage.kubernetes.inject(lists(late), Fault::Hold);
        stage.operator.relaunch();
        eventually("the list is asked for", SOON, async || {
            if stage.kubernetes.hits(held) > 0 { Ok(()) } else { Err("not yet") }
        })
        .await;
        holds("nothing is decided", std::time::Duration::from_secs(3), async || {
            let kubernetes = stage.kubernetes.ledger().find(|it| it.is_write() && !it.is_lease());
            let elasticsearch = stage.elasticsearch.ledger().all();
            if !kubernetes.is_empty() || !elasticsearch.is_empty() {
                return Err(format!("{}\n{}", lines(&kubernetes), lines(&elasticsearch)));
            }
            // It lives, and is not yet of use.
            let ready = stage.operator.get("/readyz").await?.0;
            let healthy = stage.operator.get("/healthz").await?.0;
            if (ready, healthy) == (503, 200) { Ok(()) } else { Err(format!("{ready} {healthy}")) }
        })
        .await;
        stage.kubernetes.remove(held);
        // What is held stays held: only a new connection asks anew.
        stage.kubernetes.cut_connections();
        stage.operator.ready().await;
        stage.polls(3).await;
        // The Cluster's status tells of other tests' indices too.
        let of_ours = |it: &Entry| it.is_write() && it.path.contains("/indices/");
        let writes = stage.kubernetes.ledger().find(of_ours);
        assert!(writes.is_empty(), "{late}: {}", lines(&writes));
        let writes = stage.elasticsearch.ledger().writes();
        assert!(writes.is_empty(), "{late}: {}", lines(&writes));
    }
}

#[tokio::test]
async fn a_stored_object_that_can_not_be_read_is_told_and_stops_no_other() {
    let server = elasticsearch("8.19.0").await;
    // Its definitions are bent for a while, so it is not the shared one.
    let control_plane = ControlPlane::start().await;
    let mut definitions = serde_json::to_value(drover::api::all_crds()).unwrap();
    let good = definitions.clone();
    for definition in definitions.as_array_mut().unwrap() {
        for version in definition["spec"]["versions"].as_array_mut().unwrap() {
            version["schema"] = json!({ "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }});
        }
    }
    let list = |items: &serde_json::Value| {
        json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
    };
    control_plane.install_crds(&list(&definitions));
    let namespace = control_plane.namespace("broken");
    let object = |kind: &str, name: &str, spec: serde_json::Value| {
        let manifest = json!({
            "apiVersion": "drover.dev/v1alpha1", "kind": kind,
            "metadata": { "name": name }, "spec": spec,
        });
        manifest.to_string()
    };
    control_plane.apply(&namespace, &object("Index", "broken", json!({ "clusterRef": 7 })));
    control_plane.apply(&namespace, &object("Cluster", "broken", json!({ "connection": [] })));
    control_plane.install_crds(&list(&good));

    let proxy = Proxy::before_elasticsearch(server);
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "credentials" },
        "stringData": { "username": crate::world::USER, "password": crate::world::PASSWORD },
    });
    let ca = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "ca" },
        "data": { "ca.crt": Authority::shared().pem() },
    });
    control_plane.apply(&namespace, &secret.to_string());
    control_plane.apply(&namespace, &ca.to_string());
    let connection = json!({
        "endpoints": [proxy.url()],
        "auth": { "basic": { "secretName": "credentials" } },
        "tls": { "ca": { "configMapName": "ca" } },
    });
    control_plane.apply(&namespace, &object("Cluster", "es", json!({ "connection": connection })));
    let spec = json!({
        "clusterRef": { "name": "es" }, "name": "beside-a-broken-one",
        "settings": { "number_of_replicas": 0 }, "deletionPolicy": "Delete",
    });
    control_plane.apply(&namespace, &object("Index", "good", spec));
    let operator = operator::Settings::new(control_plane.kubeconfig(), &namespace).start().await;

    let client = control_plane.client().await;
    let indices: Api<drover::api::index::Index> = Api::namespaced(client.clone(), &namespace);
    eventually("the good Index is Ready", SOON, async || {
        let index = indices.get("good").await.map_err(|it| it.to_string())?;
        let conditions = index.status.unwrap_or_default().conditions;
        let ready = drover::api::condition::is_true(&conditions, "Ready");
        if ready { Ok(()) } else { Err(format!("{conditions:?}")) }
    })
    .await;
    let events: Api<Event> = Api::namespaced(client, &namespace);
    for kind in ["Index", "Cluster"] {
        eventually(&format!("an event about the broken {kind}"), SOON, async || {
            let events = events.list(&ListParams::default()).await.map_err(|it| it.to_string())?;
            let about = |it: &&Event| {
                let object = it.regarding.clone().unwrap_or_default();
                object.kind.as_deref() == Some(kind) && object.name.as_deref() == Some("broken")
            };
            let found: Vec<_> = events.iter().filter(about).collect();
            match found.as_slice() {
                [it] if it.reason.as_deref() == Some("InvalidSpec") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    for kind in ["index", "cluster"] {
        let label = format!(r#"kind="{kind}""#);
        let broken = operator.metric("drover_undecodable_objects", &[&label]).await;
        assert!((broken - 1.0).abs() < f64::EPSILON, "{kind}: {broken}");
    }

    // Put right, it is worked on like any other.
    let spec = json!({
        "clusterRef": { "name": "es" }, "name": "no-longer-broken",
        "settings": { "number_of_replicas": 0 }, "deletionPolicy": "Delete",
    });
    control_plane.kubectl(
        &["replace", "--force", "--grace-period=0", "-n", &namespace, "-f", "-"],
        &object("Index", "broken", spec),
    );
    eventually("the mended Index is Ready", SOON, async || {
        let index = indices.get("broken").await.map_err(|it| it.to_string())?;
        let conditions = index.status.unwrap_or_default().conditions;
        let ready = drover::api::condition::is_true(&conditions, "Ready");
        if ready { Ok(()) } else { Err(format!("{conditions:?}")) }
    })
    .await;
    let accepted = indices.get("broken").await.unwrap().status.unwrap().conditions;
    assert_eq!(get(&accepted, "Accepted").status, "True");
}
