//! flannel's configuration in a real etcd with TLS.

use serde_json::{Value, json};

use crate::{
    common::{
        certificates::{Authority, Certificate},
        etcd::Etcd,
        proxy::lines,
        wait::{eventually, second_after},
    },
    hosts::{SOON, Stage},
};

/// The example that the documentation shows; its TLS needs the Secret `etcd-client` and the ConfigMap
/// `etcd-ca`.
const EXAMPLE: &str = include_str!("../../../examples/network-flannel.yaml");
const CONFIG: &str = "/coreos.com/network/config";

/// The network of the example in `etcd`, with this range of addresses.
pub(super) fn spec(etcd: &Etcd, range: &str) -> Value {
    let mut example: Value = serde_yaml_ng::from_str(EXAMPLE).unwrap();
    let options = &mut example["spec"]["options"];
    options["endpoints"] = json!([etcd.url()]);
    options["config"]["network"] = json!(range);
    options["config"]["backend"]["vni"] = json!(7);
    example["spec"].take()
}

impl Stage {
    pub(super) async fn etcd_ca(&self, authority: &Authority) {
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "etcd-ca" },
            "data": { "ca.crt": authority.pem() },
        }))
        .await;
    }

    pub(super) async fn etcd_client(&self, certificate: &Certificate) {
        self.apply(&json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": { "name": "etcd-client" },
            "stringData": { "tls.crt": certificate.pem(), "tls.key": certificate.key_pem() },
        }))
        .await;
    }
}

async fn config(etcd: &Etcd) -> Option<Value> {
    Some(serde_json::from_str(&etcd.get(CONFIG).await?).unwrap())
}

/// How often the configuration was written since it was made.
async fn version(etcd: &Etcd) -> String {
    let key = k8s_openapi::ByteString(CONFIG.as_bytes().to_vec());
    let found = etcd.call("/v3/kv/range", &json!({ "key": key })).await.unwrap();
    found["kvs"][0]["version"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_configuration_is_kept_as_declared_and_its_range_is_not_moved_under_a_lease() {
    let mut stage = Stage::new("flannel").await;
    let etcd = Etcd::start().await;
    stage.network("net", &spec(&etcd, "10.5.0.0/16")).await;
    stage.network_lacks("net", "ResolvedRefs", "ConfigMapNotFound").await;
    stage.etcd_ca(Authority::shared()).await;
    stage.network_lacks("net", "ResolvedRefs", "SecretNotFound").await;
    assert_eq!(config(&etcd).await, None);
    stage.etcd_client(etcd.client_certificate()).await;
    stage.network_until("net", "Ready", "True").await;
    let backend = json!({ "Type": "vxlan", "VNI": 7 });
    assert_eq!(config(&etcd).await, Some(json!({ "Network": "10.5.0.0/16", "Backend": backend })));
    stage.event("net", "ConfigurationWritten").await;

    // At rest, and after a restart, nothing is written anywhere.
    stage.kubernetes.ledger().clear();
    stage.look_again("net", "once").await;
    stage.operator.stop().await;
    stage.operator.restart().await;
    stage.operator.leads().await;
    stage.look_again("net", "twice").await;
    let writes = stage.network_writes();
    assert!(writes.is_empty(), "{}", lines(&writes));
    assert_eq!(version(&etcd).await, "1");

    // Somebody else's change is put back, and what is not declared stays theirs.
    let theirs = json!({ "Network": "10.5.0.0/16", "Backend": { "Type": "host-gw" }, "Theirs": 1 });
    etcd.put(CONFIG, &theirs.to_string()).await;
    let merged = json!({ "Network": "10.5.0.0/16", "Backend": backend, "Theirs": 1 });
    eventually("it is put back", SOON, async || {
        let now = config(&etcd).await;
        if now.as_ref() == Some(&merged) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    assert_eq!(version(&etcd).await, "3");

    // A host that Drover does not even reach has its part.
    stage.cluster_with("es", "net").await;
    let host = json!({
        "address": "es-1.example",
        "nodeAddress": "192.168.0.9",
        "credentials": { "secretName": "missing" },
        "clusterRef": { "name": "es" },
    });
    stage.object("Host", "es-1", &host).await;
    let lease = json!({ "PublicIP": "192.168.0.9", "BackendType": "vxlan" });
    etcd.put("/coreos.com/network/subnets/10.5.34.0-24", &lease.to_string()).await;
    let network = stage
        .network_when("net", "the lease is shown", |it| {
            let leases = it.status.clone().unwrap_or_default().leases;
            let seen: Vec<_> =
                leases.iter().map(|it| (it.subnet.as_str(), it.host.as_deref())).collect();
            let expected = [("10.5.34.0/24", Some("es-1"))];
            if seen == expected { Ok(()) } else { Err(format!("{leases:?}")) }
        })
        .await;
    assert_eq!(network.status.unwrap().hosts, Some(1));
    stage.network("net", &spec(&etcd, "10.6.0.0/16")).await;
    let message = stage.network_lacks("net", "Configured", "ImmutableChange").await;
    assert!(message.contains("10.5.34.0/24 of 192.168.0.9"), "{message}");
    stage.network_until("net", "Stalled", "True").await;
    assert_eq!(version(&etcd).await, "3");
    etcd.delete("/coreos.com/network/subnets/10.5.34.0-24").await;
    let network = stage.network_until("net", "Ready", "True").await;
    assert!(network.status.unwrap().leases.is_empty());
    assert_eq!(config(&etcd).await.unwrap()["Network"], "10.6.0.0/16");
    assert_eq!(version(&etcd).await, "4");

    // Another name of the same etcd is the same place.
    second_after(&stage.networks().get("net").await.unwrap().metadata).await;
    let mut again = spec(&etcd, "10.7.0.0/16");
    again["options"]["endpoints"] = json!([etcd.url().replace("127.0.0.1", "localhost")]);
    stage.network("again", &again).await;
    let message = stage.network_lacks("again", "Accepted", "Conflict").await;
    assert!(message.contains(&format!("{}/net", stage.namespace)), "{message}");
    assert_eq!(version(&etcd).await, "4");
    stage.delete_network("again").await;

    // Whoever runs flannel goes on with it.
    stage.delete_network("net").await;
    stage.event("net", "ConfigurationRetained").await;
    assert_eq!(version(&etcd).await, "4");
}

#[tokio::test]
async fn an_etcd_that_is_not_trusted_or_does_not_answer_is_told_and_comes_back_by_itself() {
    let stage = Stage::new("etcd").await;
    let (etcd, other) = (Etcd::start().await, Authority::new());
    stage.etcd_ca(&other).await;
    stage.etcd_client(etcd.client_certificate()).await;
    stage.network("net", &spec(&etcd, "10.5.0.0/16")).await;
    stage.network_lacks("net", "Reachable", "CertificateRefused").await;
    stage.network_until("net", "Stalled", "True").await;
    assert_eq!(config(&etcd).await, None, "written to a stranger");
    stage.etcd_ca(Authority::shared()).await;
    stage.network_until("net", "Ready", "True").await;

    // Another certificate is shown as soon as the Secret holds it.
    stage.etcd_client(&other.client("stranger")).await;
    stage.network_lacks("net", "Reachable", "CertificateRefused").await;
    stage.etcd_client(etcd.client_certificate()).await;
    stage.network_until("net", "Ready", "True").await;

    etcd.freeze();
    stage.network_lacks("net", "Reachable", "Unreachable").await;
    stage.network_until("net", "Reconciling", "True").await;
    stage.event("net", "ConnectionLost").await;
    etcd.thaw();
    stage.network_until("net", "Ready", "True").await;
    assert_eq!(version(&etcd).await, "1");
}
