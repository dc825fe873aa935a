//! flannel's network in a real etcd, over TLS with a client certificate, spoken to by the library itself. The
//! leases are written as flanneld writes them.

use std::time::Duration;

use drover::flannel::client::Client;
use drover::flannel::config::{Change, Config, Decision, Refusal};
use drover::flannel::connection::{ClientCertificate, Connection};
use drover::flannel::network::{Observed, Prefix, Written, observe, write};
use drover::gate::WriteGate;
use drover::transport::Category;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::common::certificates::{Authority, Certificate};
use crate::common::etcd::Etcd;

async fn etcd() -> &'static Etcd {
    static SHARED: OnceCell<Etcd> = OnceCell::const_new();
    SHARED.get_or_init(Etcd::start).await
}

fn certificate(it: &Certificate) -> ClientCertificate {
    let (certificate, key) = (it.pem().into_bytes(), it.key_pem().into_bytes().into());
    ClientCertificate { certificate, key }
}

fn connection(etcd: &Etcd) -> Connection {
    Connection {
        endpoints: vec![etcd.url().parse().unwrap()],
        ca: Some(Authority::shared().pem().into_bytes()),
        server_name: None,
        certificate: Some(certificate(etcd.client_certificate())),
        timeout: Duration::from_secs(10),
    }
}

fn client(connection: &Connection) -> Client {
    Client::new(connection, WriteGate::always_open()).unwrap()
}

fn config(network: &str) -> Config {
    Config {
        network: network.parse().unwrap(),
        subnet_len: None,
        subnet_min: None,
        subnet_max: None,
        backend: "vxlan".into(),
        backend_options: Map::new(),
    }
}

/// A network that no other test has.
struct Scene {
    etcd: &'static Etcd,
    client: Client,
    key: &'static str,
    prefix: Prefix,
}

impl Scene {
    async fn new(key: &'static str) -> Self {
        let etcd = etcd().await;
        let client = client(&connection(etcd));
        Self { etcd, client, key, prefix: Prefix::new(key).unwrap() }
    }

    async fn observe(&self) -> Observed {
        observe(&self.client, &self.prefix).await.unwrap()
    }

    async fn decide(&self, config: &Config) -> (Observed, Decision) {
        let observed = self.observe().await;
        let decision = config.decide(observed.config.as_ref(), &observed.leases);
        (observed, decision)
    }

    /// The write that `config` takes, and what it was decided on.
    async fn change(&self, config: &Config) -> (Observed, Change) {
        let (observed, decision) = self.decide(config).await;
        let Decision::Write(change) = decision else { panic!("{decision:?}") };
        (observed, change)
    }

    async fn write(&self, decided: &(Observed, Change)) -> Written {
        write(&self.client, &self.prefix, &decided.0, &decided.1).await.unwrap()
    }

    async fn put(&self, key: &str, value: &Value) {
        self.etcd.put(&format!("{}/{key}", self.key), &value.to_string()).await;
    }

    async fn lease(&self, subnet: &str, host: &str) {
        let value = json!({"PublicIP": host, "PublicIPv6": null, "BackendType": "vxlan",
                           "BackendData": {"VNI": 1, "VtepMAC": "8a:5b:2c:00:00:01"}});
        self.put(&format!("subnets/{}", subnet.replace('/', "-")), &value).await;
    }

    async fn config(&self) -> Option<Value> {
        let text = self.etcd.get(&format!("{}/config", self.key)).await?;
        Some(serde_json::from_str(&text).unwrap())
    }
}

#[tokio::test]
async fn a_configuration_is_made_once_and_then_left_as_it_is() {
    let scene = Scene::new("/once/network").await;
    let wanted = config("10.5.0.0/16");
    let decided = scene.change(&wanted).await;
    assert_eq!(scene.write(&decided).await, Written::Done);
    let expected = json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}});
    assert_eq!(scene.config().await, Some(expected));
    // The same write, decided on before it was there, as after a restart.
    assert_eq!(scene.write(&decided).await, Written::Overtaken);
    let (observed, decision) = scene.decide(&wanted).await;
    assert_eq!(decision, Decision::InPlace);
    scene.lease("10.5.34.0/24", "192.168.0.9").await;
    assert_eq!(scene.observe().await.config, observed.config, "leases do not touch it");
}

#[tokio::test]
async fn a_change_of_somebody_else_is_not_overwritten() {
    let scene = Scene::new("/race/network").await;
    let theirs = json!({"Network": "10.5.0.0/16", "Backend": {"Type": "host-gw"}, "Theirs": 1});
    scene.put("config", &theirs).await;
    let decided = scene.change(&config("10.5.0.0/16")).await;
    let newer = json!({"Network": "10.5.0.0/16", "Backend": {"Type": "host-gw"}, "Theirs": 2});
    scene.put("config", &newer).await;
    assert_eq!(scene.write(&decided).await, Written::Overtaken);
    assert_eq!(scene.config().await, Some(newer));

    let decided = scene.change(&config("10.5.0.0/16")).await;
    assert_eq!(scene.write(&decided).await, Written::Done);
    let merged = json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}, "Theirs": 2});
    assert_eq!(scene.config().await, Some(merged));
}

#[tokio::test]
async fn addresses_that_hosts_have_are_not_moved() {
    let scene = Scene::new("/moved/network").await;
    let there = json!({"Network": "10.5.0.0/16", "Backend": {"Type": "vxlan"}});
    scene.put("config", &there).await;
    scene.lease("10.5.34.0/24", "192.168.0.9").await;
    // Not a lease of this network.
    scene.etcd.put("/moved/network/subnets2/10.5.99.0-24", "{}").await;

    let moved = config("10.6.0.0/16");
    let (_, decision) = scene.decide(&moved).await;
    let Decision::Refused(Refusal::InUse { leases, count }) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!((leases[0].subnet.to_string(), count), ("10.5.34.0/24".to_owned(), 1));
    assert_eq!(leases[0].host.to_string(), "192.168.0.9");

    scene.etcd.delete("/moved/network/subnets/10.5.34.0-24").await;
    let decided = scene.change(&moved).await;
    // A host takes a lease between the look and the write: etcd itself stops the write.
    scene.lease("10.5.35.0/24", "192.168.0.10").await;
    assert_eq!(scene.write(&decided).await, Written::Overtaken);
    assert_eq!(scene.config().await, Some(there));

    scene.etcd.delete("/moved/network/subnets/10.5.35.0-24").await;
    assert_eq!(scene.write(&decided).await, Written::Done);
    assert_eq!(scene.config().await.unwrap()["Network"], "10.6.0.0/16");
}

#[tokio::test]
async fn each_host_is_shown_with_its_subnet() {
    let scene = Scene::new("/leases/network").await;
    let empty = scene.observe().await;
    assert_eq!((empty.config, empty.leases.count), (None, 0));
    for host in 1..=20 {
        scene.lease(&format!("10.5.{host}.0/24"), &format!("192.168.0.{host}")).await;
    }
    scene.put("subnets/broken", &json!({})).await;
    let leases = scene.observe().await.leases;
    assert_eq!((leases.known.len(), leases.count), (20, 21));
    let of: Vec<_> = leases.of([192, 168, 0, 7].into()).map(|it| it.to_string()).collect();
    assert_eq!(of, ["10.5.7.0/24"]);
}

#[tokio::test]
async fn etcd_and_drover_both_want_to_see_a_certificate_that_they_trust() {
    let good = connection(etcd().await);
    let other = Authority::new();
    let prefix = Prefix::new("/tls/network").unwrap();
    let cases = [
        Connection { ca: Some(other.pem().into_bytes()), ..good.clone() },
        Connection { ca: None, ..good.clone() },
        Connection { server_name: Some("elsewhere.example".into()), ..good.clone() },
        Connection { certificate: None, ..good.clone() },
        Connection { certificate: Some(certificate(&other.client("bed"))), ..good.clone() },
    ];
    for connection in cases {
        let error = observe(&client(&connection), &prefix).await.unwrap_err();
        assert_eq!(error.category(), Category::Tls, "{error:?}");
        assert!(error.category().is_terminal());
    }
    observe(&client(&good), &prefix).await.unwrap();
}

#[tokio::test]
async fn a_member_that_hangs_or_is_gone_is_passed_over() {
    let (frozen, good) = (Etcd::start().await, etcd().await);
    let prefix = Prefix::new("/failover/network").unwrap();
    let alone = Connection { timeout: Duration::from_secs(2), ..connection(&frozen) };
    let endpoints = ["https://127.0.0.1:1", frozen.url(), good.url()];
    let endpoints = endpoints.map(|it| it.parse().unwrap()).to_vec();
    let several = client(&Connection { endpoints, ..alone.clone() });
    frozen.freeze();
    let error = observe(&client(&alone), &prefix).await.unwrap_err();
    assert_eq!(error.category(), Category::Unreachable, "{error:?}");
    observe(&several, &prefix).await.unwrap();
    frozen.thaw();
    observe(&client(&alone), &prefix).await.unwrap();
}
