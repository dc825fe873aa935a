//! Hosts as Nodes of another, real API server, spoken to by the library itself under exactly the permissions
//! that it asks for. What a kubelet, a disruption controller and a garbage collector would do is done by hand.

pub mod evictions;

use std::sync::atomic::{AtomicUsize, Ordering};

use drover::gate::WriteGate;
use drover::nodes::client::Client;
use drover::nodes::connection::{Auth, Connection};
use drover::nodes::cordon::{Cordoned, Uncordoned, cordon, uncordon};
use drover::nodes::drain::{Unmanaged, drain};
use drover::nodes::error::{Category, Error};
use drover::nodes::kubeconfig;
use drover::nodes::member::{Host, Member, Origin};
use drover::nodes::probe::{NEEDED, Probe, probe};
use drover::nodes::register::{Readiness, Unregistered, list, register, registered, unregister};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::common::certificates::{Authority, Certificate};
use crate::common::control_plane::ControlPlane;

/// The other Kubernetes, and the token of a service account that may do what Drover needs.
pub struct Bed {
    pub control: ControlPlane,
    pub authority: Authority,
    pub token: String,
}

impl Bed {
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Bed> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    /// One of its own, for a test whose Nodes a controller judges.
    pub async fn start() -> Self {
        let authority = Authority::new();
        let control = ControlPlane::start_under(&authority).await;
        let token = control.service_account("default", "drover", &rules(|_| true));
        Self { control, authority, token }
    }

    fn connection(&self, auth: Auth) -> Connection {
        Connection {
            server: self.control.kubeconfig().server.parse().unwrap(),
            ca: Some(self.authority.pem().into_bytes()),
            server_name: None,
            auth,
        }
    }

    fn client_of(&self, token: &str) -> Client {
        client(&self.connection(Auth::Token(token.into())))
    }

    fn client(&self) -> Client {
        self.client_of(&self.token)
    }

    pub fn node(&self, name: &str) -> Option<Value> {
        self.control.get("default", "node", name)
    }

    /// A Node that somebody else made; with a machine-id, as a kubelet would.
    pub fn foreign_node(&self, name: &str, machine_id: &str, labels: &Value) {
        let node = json!({"apiVersion": "v1", "kind": "Node",
                          "metadata": {"name": name, "labels": labels}});
        self.control.kubectl(&["create", "-f", "-"], &node.to_string());
        if !machine_id.is_empty() {
            self.kubelet_joins(name, machine_id);
        }
    }

    /// What a kubelet tells of itself on a Node that is there.
    pub fn kubelet_joins(&self, name: &str, machine_id: &str) {
        let fields = [
            "architecture",
            "bootID",
            "kernelVersion",
            "containerRuntimeVersion",
            "osImage",
            "kubeProxyVersion",
            "kubeletVersion",
            "operatingSystem",
            "systemUUID",
        ];
        let mut info: Value = fields.into_iter().map(|it| (it.to_owned(), json!("x"))).collect();
        info["machineID"] = json!(machine_id);
        self.patch_status("default", "node", name, &json!({"nodeInfo": info}));
    }

    pub fn patch_status(&self, namespace: &str, kind: &str, name: &str, status: &Value) {
        let patch = json!({"status": status}).to_string();
        let place = ["-n", namespace, "patch", kind, name];
        let how = ["--subresource=status", "--type=merge", "-p", &patch];
        self.control.kubectl(&[&place[..], &how].concat(), "");
    }
}

fn client(connection: &Connection) -> Client {
    Client::new(connection, WriteGate::always_open()).unwrap()
}

/// The rules of a role with those permissions that are wanted.
pub fn rules(wanted: impl Fn(&str) -> bool) -> Value {
    let needed = NEEDED.iter().filter(|it| wanted(&it.to_string()));
    needed
        .map(|it| json!({"apiGroups": [it.group], "resources": [it.resource], "verbs": [it.verb]}))
        .collect()
}

/// A host that no other test has.
fn member(machine_id: &str) -> Member {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("host-{number}");
    let uid = format!("0b7f1f5e-0000-4000-8000-{number:012}");
    let host = Host {
        uid,
        namespace: "shop".into(),
        name: name.clone(),
        machine_id: Some(machine_id.into()),
    };
    Member::new(&name, host).unwrap()
}

fn category<T: std::fmt::Debug>(result: Result<T, Error>) -> Category {
    result.unwrap_err().category()
}

#[tokio::test]
async fn a_host_is_registered_once_and_its_node_goes_with_it() {
    let bed = Bed::shared().await;
    let (client, member) = (bed.client(), member("m-1"));
    let made = register(&client, &member).await.unwrap();
    assert_eq!(
        (made.origin, made.is_new, made.readiness),
        (Origin::Made, true, Readiness::Unreported)
    );
    let node = bed.node(member.node()).unwrap();
    assert_eq!(node["metadata"]["labels"]["drover.dev/host-namespace"], "shop");

    let again = register(&client, &member).await.unwrap();
    assert_eq!((again.origin, again.is_new), (Origin::Made, false));
    assert_eq!(bed.node(member.node()).unwrap(), node, "nothing was written");

    let ready = json!([{"type": "Ready", "status": "True", "reason": "KubeletReady"}]);
    bed.patch_status("default", "node", member.node(), &json!({"conditions": ready}));
    let found = registered(&client, &member).await.unwrap().unwrap();
    assert_eq!(found.readiness, Readiness::Ready);
    let listing = list(&client).await.unwrap();
    let listed = listing.nodes.iter().find(|it| &*it.node == member.node()).unwrap();
    assert_eq!(listed.readiness, Readiness::Ready);

    assert_eq!(unregister(&client, &member).await.unwrap(), Unregistered::Deleted);
    assert_eq!(bed.node(member.node()), None);
    assert_eq!(unregister(&client, &member).await.unwrap(), Unregistered::Absent);
    assert_eq!(registered(&client, &member).await.unwrap(), None);
}

#[tokio::test]
async fn a_node_that_others_hold_on_to_is_waited_for() {
    let bed = Bed::shared().await;
    let (client, member) = (bed.client(), member("m-1"));
    register(&client, &member).await.unwrap();
    let finalizers = |it: Value| json!({"metadata": {"finalizers": it}}).to_string();
    let patch = |it: &str| bed.control.kubectl(&["patch", "node", member.node(), "-p", it], "");
    patch(&finalizers(json!(["example.com/hold"])));
    for _ in 0..2 {
        assert_eq!(unregister(&client, &member).await.unwrap(), Unregistered::Leaving);
    }
    assert_eq!(category(register(&client, &member).await), Category::Conflict);
    bed.control.kubectl(
        &["patch", "node", member.node(), "--type=merge", "-p", &finalizers(json!([]))],
        "",
    );
    assert_eq!(unregister(&client, &member).await.unwrap(), Unregistered::Absent);
}

#[tokio::test]
async fn the_node_of_a_kubelet_on_the_same_machine_is_adopted_and_stays() {
    let bed = Bed::shared().await;
    let (client, member) = (bed.client(), member("m-2"));
    bed.foreign_node(member.node(), "m-2", &json!({"zone": "a"}));
    let before = bed.node(member.node()).unwrap();
    let adopted = register(&client, &member).await.unwrap();
    assert_eq!((adopted.origin, adopted.is_new), (Origin::Adopted, true));
    // Another process knows it by what stands on the Node.
    let other = bed.client();
    assert_eq!(register(&other, &member).await.unwrap().origin, Origin::Adopted);

    assert_eq!(cordon(&client, &member, "run").await.unwrap(), Cordoned::Ours { is_new: true });
    assert_eq!(unregister(&client, &member).await.unwrap(), Unregistered::Released);
    let after = bed.node(member.node()).unwrap();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);
    assert_eq!(after["metadata"].get("annotations"), None);
    assert_eq!(after["spec"]["unschedulable"], Value::Null, "Drover's cordon went with it");
    assert_eq!(unregister(&client, &member).await.unwrap(), Unregistered::NotOurs);
}

#[tokio::test]
async fn a_node_that_a_kubelet_has_joined_stays() {
    let bed = Bed::shared().await;
    let (client, member) = (bed.client(), member("m-8"));
    assert_eq!(register(&client, &member).await.unwrap().origin, Origin::Made);
    bed.kubelet_joins(member.node(), "m-8");
    let joined = register(&client, &member).await.unwrap();
    assert_eq!((joined.origin, joined.is_new), (Origin::Adopted, false));
    assert_eq!(unregister(&client, &member).await.unwrap(), Unregistered::Released);
    let labels = &bed.node(member.node()).unwrap()["metadata"]["labels"];
    assert_eq!(labels.get("drover.dev/host-uid"), None);
}

#[tokio::test]
async fn a_node_of_somebody_else_is_never_changed() {
    let bed = Bed::shared().await;
    let client = bed.client();
    let of = |uid: &str| json!({"drover.dev/host-uid": uid});
    let cases = [
        ("", None, "names no machine-id"),
        ("other", None, "its machine-id is other, the host's is m-3"),
        ("m-3", Some("another"), "belongs to the Host with uid another"),
        ("other", Some("ours"), "its machine-id is other, the host's is m-3"),
    ];
    for (machine_id, label, expected) in cases {
        let member = member("m-3");
        let labels = match label {
            Some("ours") => of(&uid(&member)),
            Some(other) => of(other),
            None => json!({}),
        };
        bed.foreign_node(member.node(), machine_id, &labels);
        bed.control.kubectl(&["cordon", member.node()], "");
        let before = bed.node(member.node()).unwrap();
        let refused = register(&client, &member).await.unwrap_err();
        assert!(refused.category().is_terminal());
        assert_eq!(refused.category(), Category::NotOwned);
        assert!(refused.to_string().contains(expected), "{refused}");
        assert_eq!(category(registered(&client, &member).await), Category::NotOwned);
        assert_eq!(category(cordon(&client, &member, "run").await), Category::NotOwned);
        assert_eq!(uncordon(&client, &member, "run").await.unwrap(), Uncordoned::Nothing);
        let drained = drain(&client, &member, Unmanaged::Evict).await;
        assert_eq!(category(drained), Category::NotOwned);
        if label != Some("ours") {
            assert_eq!(unregister(&client, &member).await.unwrap(), Unregistered::NotOurs);
        }
        assert_eq!(bed.node(member.node()).unwrap(), before);
    }
}

fn uid(member: &Member) -> String {
    let number = member.node().trim_start_matches("host-");
    format!("0b7f1f5e-0000-4000-8000-{number:0>12}")
}

#[tokio::test]
async fn only_drover_s_own_cordon_is_lifted() {
    let bed = Bed::shared().await;
    let client = bed.client();
    let kubectl = |verb: &str, node: &str| bed.control.kubectl(&[verb, node], "");
    let is_cordoned = |it: &Member| bed.node(it.node()).unwrap()["spec"]["unschedulable"] == true;

    let ours = member("m-4");
    register(&client, &ours).await.unwrap();
    assert_eq!(cordon(&client, &ours, "run-1").await.unwrap(), Cordoned::Ours { is_new: true });
    assert!(is_cordoned(&ours));
    assert_eq!(cordon(&client, &ours, "run-1").await.unwrap(), Cordoned::Ours { is_new: false });
    let held = Cordoned::Held { by: "run-1".into() };
    assert_eq!(cordon(&client, &ours, "run-2").await.unwrap(), held);
    assert_eq!(uncordon(&client, &ours, "run-2").await.unwrap(), Uncordoned::Nothing);
    assert!(is_cordoned(&ours));
    // A cordon of somebody else's that changes nothing does not make it theirs.
    kubectl("cordon", ours.node());
    assert_eq!(uncordon(&client, &ours, "run-1").await.unwrap(), Uncordoned::Lifted);
    assert!(!is_cordoned(&ours));

    cordon(&client, &ours, "run-3").await.unwrap();
    kubectl("uncordon", ours.node());
    kubectl("cordon", ours.node());
    assert_eq!(cordon(&client, &ours, "run-3").await.unwrap(), Cordoned::Foreign);
    assert_eq!(uncordon(&client, &ours, "run-3").await.unwrap(), Uncordoned::Foreign);
    assert!(is_cordoned(&ours), "it was cordoned by somebody else since");
    let annotations = &bed.node(ours.node()).unwrap()["metadata"]["annotations"];
    assert_eq!(annotations.get("drover.dev/cordoned-by"), None);

    assert_eq!(cordon(&client, &ours, "run-4").await.unwrap(), Cordoned::Foreign);
    assert_eq!(uncordon(&client, &ours, "run-4").await.unwrap(), Uncordoned::Nothing);
    assert!(is_cordoned(&ours), "it was cordoned by somebody else before");
}

fn missing(probe: &Probe) -> Vec<String> {
    assert_eq!(probe.fault, None);
    probe.missing.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn each_missing_permission_is_named_beforehand() {
    let bed = Bed::shared().await;
    let namespace = bed.control.namespace("probe");
    let whole = probe(&bed.client()).await;
    assert_eq!(missing(&whole), [""; 0]);
    assert_eq!(whole.user.as_deref(), Some("system:serviceaccount:default:drover"));
    assert!(whole.version.unwrap().starts_with("v1."));

    for needed in NEEDED.map(|it| it.to_string()) {
        let name = needed.replace([' ', '/'], "-");
        let token = bed.control.service_account(&namespace, &name, &rules(|it| it != needed));
        assert_eq!(missing(&probe(&bed.client_of(&token)).await), [needed]);
    }
}

#[tokio::test]
async fn every_kind_of_credentials_is_taken_and_bad_ones_are_told_from_missing_permissions() {
    let bed = Bed::shared().await;
    let known = bed.authority.client("drover-by-certificate");
    let unknown = Authority::new().client("drover-by-certificate");
    let certificate = |it: &Certificate| Auth::ClientCertificate {
        certificate: it.pem().into_bytes(),
        key: it.key_pem().into_bytes().into(),
    };
    let by_certificate = probe(&client(&bed.connection(certificate(&known)))).await;
    assert_eq!(by_certificate.user.as_deref(), Some("drover-by-certificate"));
    assert_eq!(missing(&by_certificate), NEEDED.map(|it| it.to_string()));

    let text = std::fs::read_to_string(bed.control.kubeconfig().with_token(&bed.token).write());
    let mut text: Value = serde_json::from_str(&text.unwrap()).unwrap();
    text["clusters"][0]["cluster"].as_object_mut().unwrap().remove("certificate-authority");
    let ca = Some(bed.authority.pem().into_bytes());
    let connection = kubeconfig::connection(&text.to_string().into(), None, ca).unwrap();
    assert_eq!(missing(&probe(&client(&connection)).await), [""; 0]);

    let no_token = bed.connection(Auth::Token("no-such-token".into()));
    for connection in [no_token, bed.connection(certificate(&unknown))] {
        let fault = probe(&client(&connection)).await.fault.unwrap();
        assert!(matches!(fault.category(), Category::Unauthorized | Category::Tls), "{fault:?}");
        assert!(fault.category().is_terminal());
    }
}

#[tokio::test]
async fn an_api_server_of_another_authority_is_told_nothing() {
    let bed = Bed::shared().await;
    let connection = bed.connection(Auth::Token(bed.token.as_str().into()));
    for ca in [Some(Authority::new().pem().into_bytes()), None] {
        let connection = Connection { ca, ..connection.clone() };
        let probe = probe(&client(&connection)).await;
        assert_eq!(probe.fault.unwrap().category(), Category::Tls);
        assert_eq!(probe.version, None);
    }
}
