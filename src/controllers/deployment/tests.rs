use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{Client, runtime::reflector, runtime::watcher};
use secrecy::{ExposeSecret as _, SecretSlice};
use serde_json::{Value, json};

use super::{secrets::Found, *};
use crate::{
    api::condition::Reason,
    authority::{
        Authority,
        secrets::{CLUSTER_UUID, Existing, Kind, marks},
    },
    context::Context,
    deploy::node::NodePlan,
    kubernetes::scripted::api_server,
    ssh::deploy::layout,
};

/// A managed Cluster with this status.
pub fn cluster(status: &Value) -> Cluster {
    let url = "https://mirror.example/es-{version}-{arch}.tar.gz";
    let elasticsearch = json!({ "version": "8.19.0", "distribution": { "url": url } });
    serde_json::from_value(json!({
        "metadata": { "name": "logs", "namespace": "ns", "uid": "uid-logs" },
        "spec": { "elasticsearch": elasticsearch }, "status": status,
    }))
    .unwrap()
}

/// A member that has told what it is, where `facts` says so.
pub fn host(name: &str, spec: &Value, facts: bool) -> Arc<Host> {
    let mut object = json!({
        "metadata": { "name": name, "namespace": "ns", "uid": format!("uid-{name}") },
        "spec": {
            "address": format!("{name}.example"), "credentials": { "secretName": "key" },
            "clusterRef": { "name": "logs" },
        },
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    if facts {
        object["status"] = json!({ "facts": {
            "os": { "id": "debian" }, "kernel": "6", "architecture": "x86_64", "hostname": "h",
            "machineId": "m", "bootId": "b", "cpus": 2, "memoryBytes": 4_294_967_296_u64,
            "disks": { "root": { "total": 1, "free": 1 } },
        }});
    }
    Arc::new(serde_json::from_value(object).unwrap())
}

fn secret(values: &[(&str, &[u8])]) -> Existing {
    let (labels, annotations) = marks("logs");
    let data = values.iter().map(|(key, it)| ((*key).to_owned(), SecretSlice::from(it.to_vec())));
    Existing { uid: "uid-secret".into(), labels, annotations, data: data.collect() }
}

/// The Secrets as Drover makes them.
pub fn found() -> Found {
    let authority = Authority::make("logs", Timestamp::now()).unwrap();
    let certificate = authority.certificate().as_bytes();
    [
        secret(&[("username", b"drover"), ("password", b"secret\n")]),
        secret(&[("ca.crt", certificate)]),
        secret(&[("ca.crt", certificate), ("ca.key", authority.key().expose_secret().as_bytes())]),
    ]
    .map(Some)
}

fn plan(cluster: &Cluster, hosts: &[Arc<Host>]) -> BTreeMap<Box<str>, NodePlan> {
    let secrets = secrets::open(cluster, &found()).unwrap();
    plans(cluster, &secrets, hosts).unwrap().nodes
}

fn forms(plan: &NodePlan) -> bool {
    let settings = plan.at_start.iter().find(|it| it.path == layout::SETTINGS).unwrap();
    String::from_utf8_lossy(settings.content.expose_secret()).contains("initial_master_nodes")
}

fn formation(uid: &str) -> Value {
    json!({ "formation": { "host": "a", "hostUid": uid, "startedAt": "2026-01-02T03:04:05Z" } })
}

#[tokio::test]
async fn the_hosts_of_a_cluster_are_those_that_name_it_and_need_no_approval_any_more() {
    let (client, _script): (Client, _) = api_server();
    let mut ctx = Context::for_tests(client);
    let (reader, mut writer) = reflector::store();
    ctx.stores.hosts = reader;
    let waits = json!({ "approval": "Required" });
    let other = json!({ "clusterRef": { "name": "other" } });
    let all = [
        host("b", &json!({ "nodeAddress": "10.0.0.2" }), true),
        host("a", &json!({}), false),
        host("waits", &waits, true),
        host("other", &other, true),
    ];
    for host in all {
        writer.apply_watcher_event(&watcher::Event::Apply(Host::clone(&host)));
    }
    let members = members_of(&ctx.stores, &cluster(&json!(null)));
    let told: Vec<_> = members.iter().map(|it| (&*it.name, &*it.address)).collect();
    assert_eq!(told, [("a", "a.example"), ("b", "10.0.0.2")]);
    assert_eq!((members[0].architecture.as_deref(), members[0].memory_bytes), (None, None));
    assert_eq!(members[1].architecture.as_deref(), Some("x86_64"));
}

#[test]
fn only_the_very_host_that_was_chosen_forms_a_cluster_and_only_as_long_as_none_is_known() {
    let hosts = [host("a", &json!({}), true), host("b", &json!({}), true)];
    let formed = |status: &Value| {
        let plans = plan(&cluster(status), &hosts);
        plans.iter().filter(|(_, it)| forms(it)).map(|(name, _)| name.to_string()).collect()
    };
    let by: Vec<String> = formed(&formation("uid-a"));
    assert_eq!(by, ["a"]);
    let nobody: Vec<String> = formed(&json!(null));
    assert!(nobody.is_empty());
    assert!(formed(&formation("uid-of-before")).is_empty(), "it was made again");
    let mut status = formation("uid-a");
    status["elasticsearch"] =
        serde_json::to_value(crate::api::cluster_status::ElasticsearchStatus {
            uuid: "formed".into(),
            ..Default::default()
        })
        .unwrap();
    assert!(formed(&status).is_empty(), "it is formed");
}

#[test]
fn nothing_is_installed_before_it_is_on_record_who_forms_the_cluster_or_which_is_joined() {
    let a = host("a", &json!({}), true);
    assert!(!may_install(&cluster(&json!(null)), &a, &[]));
    assert!(may_install(&cluster(&formation("uid-a")), &a, &[]));
    let b = host("b", &json!({}), true);
    assert!(!may_install(&cluster(&formation("uid-a")), &b, &[]), "there is nothing to join yet");
    let mut joined = cluster(&json!(null));
    joined.spec.connection = serde_json::from_value(
        json!({ "endpoints": ["https://es.example:9200"], "expectedUuid": "known" }),
    )
    .unwrap();
    let may = |joined: &Cluster, deployed: &Value| {
        let mut object = serde_json::to_value(&*host("a", &json!({}), true)).unwrap();
        object["status"]["elasticsearch"] =
            json!({ "unit": "u", "state": "active", "deployed": deployed });
        let host: Arc<Host> = Arc::new(serde_json::from_value(object).unwrap());
        may_install(joined, &host, std::slice::from_ref(&host))
    };
    assert!(!may_install(&joined, &a, &[]), "there is nobody to join");
    for (deployed, is_kept) in [
        (json!(null), false),
        (json!({ "data": "Empty", "clusterUuid": "known" }), false),
        (json!({ "data": "Used" }), false),
        (json!({ "data": "Used", "staged": ["8.19.0"], "clusterUuid": "another" }), false),
        (json!({ "data": "Used", "clusterUuid": "known" }), true),
        (json!({ "data": "Used", "staged": ["8.19.0"] }), true),
        (json!({ "data": "Used", "version": "8.19.0", "revision": "r" }), true),
    ] {
        assert_eq!(may(&joined, &deployed), is_kept, "{deployed}");
    }
    joined.spec.elasticsearch = None;
    let runs = json!({ "data": "Used", "version": "8.19.0", "revision": "r" });
    assert!(!may(&joined, &runs), "Drover installs nothing there");
}

#[test]
fn a_host_that_has_not_told_what_it_is_holds_back_no_other_and_is_known_to_them() {
    let hosts = [host("a", &json!({}), true), host("new", &json!({}), false)];
    let plans = plan(&cluster(&json!(null)), &hosts);
    assert_eq!(plans.keys().map(|it| &**it).collect::<Vec<_>>(), ["a"]);
    let seeds = plans["a"].live.iter().find(|it| it.path == layout::SEEDS).unwrap();
    let seeds = String::from_utf8_lossy(seeds.content.expose_secret()).into_owned();
    assert!(seeds.contains("new.example:9300"), "{seeds}");
}

#[test]
fn secrets_are_used_only_as_drover_has_made_them() {
    let cluster = cluster(&json!(null));
    let opened = secrets::open(&cluster, &found()).unwrap();
    assert_eq!(opened.password.expose_secret(), "secret", "files end in a line break");
    assert!(opened.hash.expose_secret().starts_with("{PBKDF2}"));
    assert!(!format!("{opened:?}").contains("PRIVATE") && !format!("{opened:?}").contains("PBKDF"));
    let why = |change: &dyn Fn(&mut Found)| {
        let mut found = found();
        change(&mut found);
        let problem = secrets::open(&cluster, &found).unwrap_err();
        (problem.reason, problem.message)
    };
    let (reason, message) = why(&|it| it[2] = None);
    assert_eq!(reason, Reason::SecretNotFound);
    assert!(message.contains("'logs-ca-key'"), "{message}");
    let (reason, message) = why(&|it| it[0].as_mut().unwrap().annotations.clear());
    assert_eq!(reason, Reason::NotOwned);
    assert!(message.contains("'logs-admin' is somebody else's"), "{message}");
    let put = |at: usize, key: &'static str, value: &'static [u8]| {
        move |it: &mut Found| {
            let data = &mut it[at].as_mut().unwrap().data;
            data.insert(key.into(), SecretSlice::from(value.to_vec()));
        }
    };
    let cases: [(usize, &str, &[u8], &str); 4] = [
        (0, "username", b"elastic", "'logs-admin': the user"),
        (0, "password", b"\xff", "'logs-admin': `password`"),
        (1, "ca.crt", b"none", "'logs-ca': `ca.crt`"),
        (2, "ca.key", b"none", "'logs-ca-key': the key"),
    ];
    for (at, key, value, words) in cases {
        let (reason, message) = why(&put(at, key, value));
        assert_eq!(reason, Reason::InvalidContent);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn only_as_many_authorities_are_trusted_as_a_host_can_tell_of() {
    let cluster = cluster(&json!(null));
    let opened = |count: usize| {
        let mut found = found();
        let data = &mut found[1].as_mut().unwrap().data;
        let trusted = data["ca.crt"].expose_secret().repeat(count);
        data.insert("ca.crt".into(), trusted.into());
        secrets::open(&cluster, &found).map(drop).map_err(|it| (it.reason, it.message))
    };
    assert_eq!(opened(12), Ok(()));
    let (reason, message) = opened(13).unwrap_err();
    assert_eq!(reason, Reason::InvalidContent);
    assert!(message.contains("'logs-ca': `ca.crt` has more than 12 certificates"), "{message}");
}

#[test]
fn secrets_that_remember_another_cluster_are_not_used_for_this_one() {
    let known = |uuid: &str| {
        let elasticsearch = crate::api::cluster_status::ElasticsearchStatus {
            uuid: uuid.into(),
            ..Default::default()
        };
        cluster(&json!({ "elasticsearch": elasticsearch }))
    };
    let opened = |cluster: &Cluster, uuids: &[&str]| {
        let mut found = found();
        for (existing, uuid) in found.iter_mut().flatten().zip(uuids) {
            existing.annotations.insert(CLUSTER_UUID.into(), (*uuid).into());
        }
        secrets::open(cluster, &found).map(drop).map_err(|it| (it.reason, it.message))
    };
    let refused = |cluster: &Cluster, uuids: &[&str], words: &str| {
        let (reason, message) = opened(cluster, uuids).unwrap_err();
        assert_eq!(reason, Reason::Conflict);
        assert!(message.contains(words), "{message}");
    };
    refused(&known("own"), &["own", "theirs"], "belong to the cluster theirs, and not to own");
    refused(&known("own"), &["theirs"], "belong to the cluster theirs, and not to own");
    let unformed = cluster(&json!(null));
    refused(&unformed, &["one", "two"], "and not to one alone");
    for (cluster, uuids) in
        [(&known("own"), &["own", "own"][..]), (&known("own"), &[]), (&unformed, &["one", "one"])]
    {
        assert_eq!(opened(cluster, uuids), Ok(()), "{uuids:?}");
    }
}

#[test]
fn the_hash_of_a_password_is_the_same_in_each_life_of_the_object() {
    let before = cluster(&json!(null));
    let mut after = before.clone();
    after.metadata.uid = Some("another".into());
    let hash = |it: &Cluster| secrets::open(it, &found()).unwrap().hash.expose_secret().to_owned();
    assert_eq!(hash(&before), hash(&after));
}

#[test]
fn secrets_remember_clusters() {
    let mut found = found();
    assert!(secrets::uuids(&found).is_empty());
    for existing in found.iter_mut().take(2).flatten() {
        existing.annotations.insert(CLUSTER_UUID.into(), "formed".into());
    }
    assert_eq!(secrets::uuids(&found).into_iter().collect::<Vec<_>>(), ["formed"]);
    let names: Vec<String> = secrets::names(&cluster(&json!(null))).collect();
    assert_eq!(names, Kind::ALL.map(|it| it.name("logs")));
}

#[tokio::test]
async fn a_machine_that_is_noted_to_be_another_clusters_is_not_this_ones() {
    let (client, _script): (Client, _) = api_server();
    let mut ctx = Context::for_tests(client);
    let (reader, mut writer) = reflector::store();
    ctx.stores.clusters = reader;
    let known = |uuid: &str| {
        let elasticsearch = crate::api::cluster_status::ElasticsearchStatus {
            uuid: uuid.into(),
            ..Default::default()
        };
        cluster(&json!({ "elasticsearch": elasticsearch }))
    };
    let mut other = known("theirs");
    other.metadata.name = Some("main".into());
    other.metadata.uid = Some("uid-main".into());
    // One that only watches the same cluster has no hosts in it.
    let mut watching = known("watched");
    watching.metadata.name = Some("watching".into());
    watching.metadata.uid = Some("uid-watching".into());
    watching.spec.elasticsearch = None;
    for it in [known("own"), other, watching] {
        writer.apply_watcher_event(&watcher::Event::Apply(it));
    }
    let others = others(&ctx.stores, &known("own"));
    assert_eq!(others, [("theirs".to_owned(), "ns/main".to_owned())].into());
    let why = |cluster: &Cluster, noted: Option<&str>| {
        let mut object = serde_json::to_value(&*host("a", &json!({}), true)).unwrap();
        let deployed = json!({ "data": "Used", "clusterUuid": noted });
        object["status"]["elasticsearch"] =
            json!({ "unit": "u", "state": "active", "deployed": deployed });
        let host: Host = serde_json::from_value(object).unwrap();
        not_owned(cluster, &host, &others).unwrap_or_default()
    };
    let unformed = cluster(&json!(null));
    assert!(
        why(&known("own"), Some("theirs"))
            .contains("a member of the cluster theirs, and this is own")
    );
    assert!(why(&unformed, Some("theirs")).contains("which is Cluster ns/main"));
    for (cluster, noted) in [
        (&known("own"), Some("own")),
        (&known("own"), None),
        (&unformed, None),
        // It is taken up: its object was made again.
        (&unformed, Some("watched")),
    ] {
        assert_eq!(why(cluster, noted), "", "{noted:?}");
    }
}
