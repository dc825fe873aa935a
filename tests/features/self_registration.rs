//! Machines that make their own Hosts, and who may let them in.

use std::process::Command;

use drover::api::{
    cluster::Cluster,
    cluster_status::{ClusterStatus, HostCounts},
    condition::is_true,
    host::{Host as HostObject, HostSpec},
    network::{Network, NetworkSpec},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
    config::KubeConfigOptions,
};
use serde_json::{Value, json};

use crate::{
    common::{
        hosts::{HostNetwork, Os, Settings, SshKey},
        kubeconfig::Kubeconfig,
        paths,
        proxy::Proxy,
        wait::eventually,
    },
    hosts::{SOON, Stage, attempts},
    world::control_plane,
};

const APPROVAL: &str = include_str!("../../examples/kubernetes/approval.yaml");
const FLANNEL: &str = include_str!("../../examples/network-flannel.yaml");
const REGISTRATION: &str = include_str!("../../examples/kubernetes/registration.yaml");

/// Applies the examples, the second one to a namespace of the test.
async fn install(namespace: &str) {
    let server_side = ["apply", "--server-side", "-f", "-"];
    let control_plane = control_plane().await;
    control_plane.kubectl(&server_side, APPROVAL);
    let own = REGISTRATION.replace("search", namespace);
    control_plane.kubectl(&server_side, &own);
}

async fn client(token: &str) -> kube::Client {
    let kubeconfig = control_plane().await.kubeconfig().with_token(token);
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig.write()).expect("written");
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    kube::Client::try_from(config.expect("a good one")).expect("a good one")
}

/// The Hosts of a namespace, for somebody with these verbs on them.
async fn somebody(namespace: &str, name: &str, verbs: &[&str]) -> Api<HostObject> {
    let client = somebody_who(namespace, name, verbs).await;
    Api::namespaced(client, namespace)
}

async fn somebody_who(namespace: &str, name: &str, verbs: &[&str]) -> kube::Client {
    let resources = ["hosts", "networks"];
    let rules = json!([{ "apiGroups": ["drover.dev"], "resources": resources, "verbs": verbs }]);
    let token = control_plane().await.service_account(namespace, name, &rules);
    client(&token).await
}

fn host(name: &str, spec: &Value) -> HostObject {
    let mut whole = json!({ "address": "192.0.2.1", "credentials": { "secretName": "key" } });
    whole.as_object_mut().expect("above").extend(spec.as_object().expect("given").clone());
    let spec: HostSpec = serde_json::from_value(whole).expect("a spec");
    HostObject::new(name, spec)
}

fn labelled(name: &str, spec: &Value) -> HostObject {
    let mut host = host(name, spec);
    let label = ("drover.dev/approved".to_owned(), "true".to_owned());
    host.metadata.labels = Some([label].into());
    host
}

async fn create(api: &Api<HostObject>, host: &HostObject) -> Result<(), String> {
    api.create(&PostParams::default(), host).await.map(drop).map_err(|it| it.to_string())
}

async fn change(api: &Api<HostObject>, name: &str, patch: &Value) -> Result<(), String> {
    let merge = Patch::Merge(patch);
    let answer = api.patch(name, &PatchParams::default(), &merge).await;
    answer.map(drop).map_err(|it| it.to_string())
}

#[track_caller]
fn refused(answer: Result<(), String>, field: &str) {
    let error = answer.expect_err(field);
    assert!(error.contains(field) && error.contains("'approve'"), "{error}");
}

#[tokio::test]
async fn only_who_may_approve_lets_a_host_in_or_leads_it_elsewhere() {
    let namespace = control_plane().await.namespace("approval");
    install(&namespace).await;
    let token = control_plane().await.token(&namespace, "drover-registration");
    let machine: Api<HostObject> = Api::namespaced(client(&token).await, &namespace);
    let editor = somebody(&namespace, "editor", &["create", "get", "patch", "update"]).await;
    let approver = somebody(&namespace, "approver", &["get", "patch", "approve", "create"]).await;
    let required = json!({ "approval": "Required" });
    // A policy is in force some moments after it was applied.
    eventually("the policy is in force", SOON, async || {
        let host = host("early", &json!({}));
        match editor.create(&PostParams { dry_run: true, ..Default::default() }, &host).await {
            Ok(_) => Err("not yet".to_owned()),
            Err(_) => Ok(()),
        }
    })
    .await;
    for (who, name) in [(&machine, "m"), (&editor, "e")] {
        refused(create(who, &host(name, &json!({}))).await, "spec.approval");
        refused(create(who, &labelled(name, &required)).await, "metadata.labels");
        create(who, &host(name, &required)).await.expect("it waits for approval");
    }
    let label =
        |value: Value| json!({ "metadata": { "labels": { "drover.dev/approved": value } } });
    let error = change(&machine, "m", &label(json!("true"))).await.unwrap_err();
    assert!(error.contains("forbidden"), "{error}");
    refused(change(&editor, "m", &label(json!("true"))).await, "metadata.labels");
    let waive = json!({ "spec": { "approval": "NotRequired" } });
    refused(change(&editor, "m", &waive).await, "spec.approval");
    change(&approver, "m", &label(json!("true"))).await.expect("an approver");
    let ways = [
        json!({ "address": "192.0.2.9" }),
        json!({ "port": 2222 }),
        json!({ "user": "other" }),
        json!({ "credentials": { "secretName": "other" } }),
        json!({ "hostKey": { "policy": "TrustOnFirstUse" } }),
        json!({ "jumpHosts": [{ "address": "j", "credentials": { "secretName": "k" } }] }),
        json!({ "sudo": "Passwordless" }),
        json!({ "sysctls": { "vm.swappiness": "7" } }),
    ];
    create(&approver, &host("free", &json!({}))).await.expect("an approver");
    for spec in ways {
        for name in ["m", "free"] {
            refused(change(&editor, name, &json!({ "spec": spec })).await, "spec");
        }
    }
    refused(change(&editor, "m", &label(Value::Null)).await, "metadata.labels");
    let rest = json!({ "spec": { "maintenance": true }, "metadata": { "labels": { "a": "b" } } });
    change(&editor, "m", &rest).await.expect("what approval is not about");
    change(&editor, "free", &rest).await.expect("what approval is not about");
    change(&approver, "m", &json!({ "spec": { "port": 2222 } })).await.expect("an approver");
    // To have it approved anew is no way around: Drover works with it no more until it is.
    let anew = json!({ "spec": { "approval": "Required", "port": 2222 } });
    change(&editor, "free", &anew).await.expect("it waits for approval");
    // What is not approved yet may still be put right.
    change(&editor, "e", &json!({ "spec": { "port": 2222 } })).await.expect("it still waits");
    create(&approver, &labelled("b", &required)).await.expect("an approver");
}

#[tokio::test]
async fn only_who_may_approve_says_where_flanneld_on_hosts_has_its_network_from() {
    let namespace = control_plane().await.namespace("approval-networks");
    install(&namespace).await;
    let who = async |name: &str, verbs: &[&str]| -> Api<Network> {
        Api::namespaced(somebody_who(&namespace, name, verbs).await, &namespace)
    };
    let editor = who("editor", &["create", "get", "patch", "update"]).await;
    let approver = who("approver", &["create", "get", "patch", "approve"]).await;
    let example: Network = serde_yaml_ng::from_str(FLANNEL).expect("an example");
    let of = |name: &str, spec: NetworkSpec| Network::new(name, spec);
    let flannel = || of("flannel", example.spec.clone());
    let create = async |who: &Api<Network>, network: Network, is_tried: bool| {
        let parameters = PostParams { dry_run: is_tried, ..Default::default() };
        who.create(&parameters, &network).await.map(drop).map_err(|it| it.to_string())
    };
    eventually("the policy is in force", SOON, async || {
        match create(&editor, flannel(), true).await {
            Ok(()) => Err("not yet"),
            Err(_) => Ok(()),
        }
    })
    .await;
    refused(create(&editor, flannel(), false).await, "spec.options");
    let plain = serde_json::from_value(json!({ "type": "HostNetwork" })).expect("a spec");
    create(&editor, of("plain", plain), false).await.expect("nothing runs on a host for it");
    create(&approver, flannel(), false).await.expect("an approver");
    let change = async |who: &Api<Network>, patch: Value| {
        let answer = who.patch("flannel", &PatchParams::default(), &Patch::Merge(&patch)).await;
        answer.map(drop).map_err(|it| it.to_string())
    };
    let elsewhere = json!({ "spec": { "options": { "endpoints": ["https://etcd.example:1"] } } });
    refused(change(&editor, elsewhere.clone()).await, "spec.options");
    let label = json!({ "metadata": { "labels": { "a": "b" } } });
    change(&editor, label).await.expect("what approval is not about");
    change(&approver, elsewhere).await.expect("an approver");
}

/// Runs `drover host cloud-init`, and returns what it printed.
fn cloud_init(kubeconfig: &Kubeconfig, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_drover"))
        .args(["host", "cloud-init"])
        .arg("--kubeconfig")
        .arg(kubeconfig.write())
        .args(arguments)
        .output()
        .map_err(|it| it.to_string())?;
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[tokio::test]
async fn a_machine_makes_its_own_host_and_waits_until_it_is_approved() {
    let stage = Stage::new("machines").await;
    install(&stage.namespace).await;
    let machine = Settings::new(Os::Debian).start().await;
    let network = HostNetwork::shared().await;
    let api_server = Proxy::before_kubernetes_at(control_plane().await, &network.gateway());
    let public = paths::scratch("authorized").join("key.pub");
    std::fs::write(&public, SshKey::shared().public()).expect("own folder");
    let kubeconfig = control_plane().await.kubeconfig().clone();
    let arguments = [
        ["--namespace", &stage.namespace],
        ["--server", &api_server.url()],
        ["--credentials", "key"],
        ["--authorized-key", public.to_str().expect("a plain path")],
        ["--cluster", "es"],
    ];
    let user_data = cloud_init(&kubeconfig, arguments.as_flattened()).expect("user-data");
    assert!(user_data.starts_with("#cloud-config\n"), "{user_data}");
    let data: Value = serde_yaml_ng::from_str(&user_data).expect("YAML");
    assert_eq!(data["users"][1]["ssh_authorized_keys"], json!([SshKey::shared().public().trim()]));

    // What cloud-init does with it.
    let files = data["write_files"].as_array().expect("files");
    for file in files {
        let part = |key: &str| file[key].as_str().expect("text").to_owned();
        let path = part("path");
        let folder = path.rsplit_once('/').expect("a path").0;
        machine.inside(&format!("mkdir -p {folder}"));
        machine.write(&path, &part("content"));
        machine.inside(&format!("chmod {} {path}", part("permissions")));
    }
    let command = data["runcmd"][0][0].as_str().expect("a command").to_owned();
    let before = attempts(&machine);
    let said = machine.inside(&format!("DROVER_TRIES=6 DROVER_PAUSE=1 {command}"));
    assert!(said.contains("waits for approval"), "{said}");
    let name = said.split_whitespace().nth(2).expect("its name").to_owned();
    let left = machine.inside("ls /run/drover-registration");
    assert!(!left.contains("curl.conf") && !left.contains("host.json"), "{left}");

    let message = stage.tells(&name, "Accepted", "False", "Unapproved").await;
    assert!(message.contains("drover.dev/approved=true"), "{message}");
    let object = stage.hosts().get(&name).await.expect("it made it");
    assert_eq!(object.spec.address.0, machine.address());
    let prints: Vec<String> =
        object.spec.host_key.fingerprints.iter().map(|it| it.0.clone()).collect();
    assert!(machine.fingerprints().iter().all(|it| prints.contains(it)), "{prints:?}");
    assert_eq!(attempts(&machine), before, "logged in before it was approved");
    // Nor does a machine that anybody with the token could have made count in the Cluster.
    let manifest = json!({
        "apiVersion": "drover.dev/v1alpha1", "kind": "Cluster", "metadata": { "name": "es" }, "spec": {},
    });
    stage.apply(&manifest).await;
    let clusters: Api<Cluster> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let counts = async |is_awaited: &(dyn Fn(&ClusterStatus) -> bool + Sync)| {
        eventually("the Cluster tells of its hosts", SOON, async || {
            let status = clusters.get("es").await.expect("it exists").status.unwrap_or_default();
            if is_awaited(&status) { Ok(status.hosts) } else { Err(format!("{status:?}")) }
        })
        .await
    };
    let ready = |it: &ClusterStatus| is_true(&it.conditions, "Ready");
    assert_eq!(counts(&ready).await, None);

    stage.mark(&name, &json!({ "labels": { "drover.dev/approved": "true" } })).await;
    stage.until(&name, "Ready", "True").await;
    let all = HostCounts { total: 1, available: 1, unavailable: 0 };
    counts(&|it| it.hosts == Some(all)).await;
}

#[tokio::test]
async fn what_would_give_a_machine_the_wrong_thing_is_refused() {
    let namespace = control_plane().await.namespace("user-data");
    let kubeconfig = control_plane().await.kubeconfig().clone();
    let folder = paths::scratch("keys");
    let refused = |content: &str, more: &[&str], reason: &str| {
        let key = folder.join("key.pub");
        std::fs::write(&key, content).expect("own folder");
        let key = key.to_str().expect("a plain path");
        let mut arguments = vec!["-n", &namespace, "--credentials", "k", "--authorized-key", key];
        arguments.extend(more);
        let error = cloud_init(&kubeconfig, &arguments).unwrap_err();
        assert!(error.contains(reason), "{error}");
    };
    let public = SshKey::shared().public();
    refused(&SshKey::shared().private(), &[], "holds a private key");
    refused("no key", &[], "holds no public key");
    refused(&format!("{public}\n{public}\n"), &[], "more than one line");
    refused(&"x".repeat(20_000), &[], "too long");
    refused(&public, &["--server", "http://a"], "is not https");
    // There is no such service account here.
    refused(&public, &[], "drover-registration");
}
