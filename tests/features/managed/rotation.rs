//! Every credential of a cluster is replaced, one after the other, with people at work in it.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use drover::api::{host_status::DeployedElasticsearch, line::Line};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use super::{LONG, Stage, ask};
use crate::common::{
    certificates::{Authority, fingerprint},
    hosts::room,
    paths,
    traffic::{Target, Traffic},
    wait::eventually,
};

const VERSION: &str = "8.19.0";
/// Where the node's key and certificate are on a machine.
const KEY: &str = "/etc/drover-elasticsearch/node.key";
const CERTIFICATE: &str = "/etc/drover-elasticsearch/node.crt";

/// A Secret as a person makes it for Drover: with both marks.
fn secret(name: &str, data: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": { "app.kubernetes.io/managed-by": "drover" },
            "annotations": { "drover.dev/cluster": "es" },
        },
        "stringData": data,
    })
}

/// What signs, as a person puts it into its Secret.
fn signing(authority: &Authority) -> Value {
    let key = std::fs::read_to_string(authority.file().with_extension("key")).expect("made before");
    secret("es-ca-key", &json!({ "ca.crt": authority.pem(), "ca.key": key }))
}

/// As the status of a Host has it.
fn sum(authority: &Authority) -> String {
    fingerprint(&authority.file()).replace(':', "").to_lowercase()
}

impl Stage {
    /// Waits until all Hosts tell this of the Elasticsearch on their machines.
    async fn told_by_all(&self, what: &str, is_so: impl Fn(&DeployedElasticsearch) -> bool) {
        eventually(&format!("all hosts: {what}"), LONG, async || {
            for at in 1..=self.machines.len() {
                let host = self.hosts().get(&format!("es-{at}")).await;
                let status = host.map_err(|it| it.to_string())?.status.unwrap_or_default();
                let told = status.elasticsearch.and_then(|it| it.deployed).unwrap_or_default();
                if !is_so(&told) {
                    return Err(format!("es-{at}: {told:?}"));
                }
            }
            Ok(())
        })
        .await;
    }

    /// All have a certificate of this authority, and trust these and no other.
    async fn certified(&self, signer: &Authority, trusted: &[&Authority]) {
        let signer = sum(signer);
        let mut trusted: Vec<String> = trusted.iter().map(|it| sum(it)).collect();
        trusted.sort_unstable();
        self.told_by_all(&format!("signed by {signer}, and trust {trusted:?}"), |told| {
            let trusts: Vec<&str> = told.trusts.iter().map(Line::as_str).collect();
            told.signed_by.as_ref().is_some_and(|it| it.as_str() == signer) && trusts == trusted
        })
        .await;
    }

    /// The serial number of the certificate that a node serves to clients, once this authority vouches for
    /// it.
    async fn serves(&self, machine: usize, authority: &Authority) -> String {
        let node = format!("{}:9200", self.machines[machine].address());
        let file = authority.file();
        let file = file.to_str().expect("it is text");
        eventually("the node serves a certificate of the authority", LONG, async || {
            let arguments =
                ["s_client", "-connect", &node, "-CAfile", file, "-verify_return_error"];
            let served = Command::new("timeout")
                .args(["10", "openssl"])
                .args(arguments)
                .stdin(Stdio::null())
                .output()
                .expect("openssl runs");
            let text = String::from_utf8_lossy(&served.stdout).into_owned();
            if served.status.success() { Ok(x509(&text, &["-serial"])) } else { Err(text) }
        })
        .await
    }

    /// The certificate of the node on a machine, as PEM.
    fn certificate(&self, machine: usize) -> String {
        self.machines[machine].inside(&format!("cat {CERTIFICATE}"))
    }
}

/// What openssl says of the first certificate in a text.
fn x509(text: &str, arguments: &[&str]) -> String {
    let file = paths::scratch("shown").join("shown.crt");
    std::fs::write(&file, text).expect("it can be written");
    let output = Command::new("openssl")
        .args(["x509", "-noout", "-in"])
        .arg(&file)
        .args(arguments)
        .output()
        .expect("openssl runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn every_credential_of_a_cluster_is_replaced_and_no_node_is_restarted() {
    let _room = room().await;
    let stage = Stage::new("credentials", 3).await;
    let (old, new) = (Authority::new(), Authority::new());
    // A person's own authority, from the start.
    stage.apply(&signing(&old)).await;
    stage.apply_all(&stage.cluster(VERSION, &json!({}), &json!({}))).await;
    stage.formed().await;
    assert_eq!(stage.secret_text("es-ca", "ca.crt").await, old.pem());
    stage.certified(&old, &[&old]).await;
    for machine in 0..3 {
        stage.serves(machine, &old).await;
    }
    let runs = stage.runs();

    // People have an account of their own, and trust both authorities from now on.
    let role = json!({ "indices": [{ "names": ["orders"], "privileges": ["all"] }], "cluster": ["monitor"] });
    stage.tells("PUT", "/_security/role/people", &role).await;
    let person = json!({ "password": "canary-password", "roles": ["people"] });
    stage.tells("PUT", "/_security/user/person", &person).await;
    let target = Target {
        user: "person".to_owned(),
        password: "canary-password".to_owned(),
        authority: format!("{}{}", old.pem(), new.pem()),
        ..stage.target().await
    };
    let traffic = Traffic::start(&target, "orders").await;
    stage.until("Healthy", "True").await;

    another_password(&stage).await;
    another_authority(&stage, &old, &new).await;
    a_certificate_near_its_end(&stage, &new).await;

    traffic.goes_on(20).await;
    let counted = traffic.finish().await;
    counted.assert_unharmed();
    assert_eq!((counted.most_down, counted.unacknowledged), (0, 0), "{counted:#?}");
    assert_eq!(stage.runs(), runs, "a node was restarted");
    let status = stage.until("Ready", "True").await;
    assert!(status.rollout.is_none() && status.history.is_empty(), "{:#?}", status.history);
    let log = stage.operator.log();
    assert!(!log.contains("PRIVATE KEY"), "a secret was logged");
}

/// The password is another one once its Secret was deleted, and the one before is none.
async fn another_password(stage: &Stage) {
    let before = stage.target().await;
    stage.unmake_secret("es-admin").await;
    let now = eventually("another password is made, and all nodes take it", LONG, async || {
        let secrets: Api<Secret> = Api::namespaced(stage.client.clone(), &stage.namespace);
        let found = secrets.get_opt("es-admin").await.map_err(|it| it.to_string())?;
        found.ok_or("there is none")?;
        let now = stage.target().await;
        for host in &stage.machines {
            let told = ask(host, &now, ("GET", "/_security/_authenticate"), &Value::Null)?;
            if told["username"] != now.user.as_str() {
                return Err(told.to_string());
            }
            let refused = ask(host, &before, ("GET", "/_security/_authenticate"), &Value::Null)?;
            if refused["status"] != 401 {
                return Err(refused.to_string());
            }
        }
        Ok(now)
    })
    .await;
    assert_ne!(now.password, before.password);
    assert_eq!(now.user, before.user);
    stage.until("Authenticated", "True").await;
    stage.until("Ready", "True").await;
    let log = stage.operator.log();
    assert!(!log.contains(&now.password) && !log.contains(&before.password), "it was logged");
    // The new Secret remembers the cluster as the one before did.
    let uuid = stage.annotation("es-ca", "drover.dev/cluster-uuid").await;
    eventually("the new Secret remembers the cluster", LONG, async || {
        let noted = stage.annotation("es-admin", "drover.dev/cluster-uuid").await;
        if noted == uuid { Ok(()) } else { Err(format!("{noted:?}")) }
    })
    .await;
}

/// Another authority signs: first it is trusted too, then it signs, then the one before goes.
async fn another_authority(stage: &Stage, old: &Authority, new: &Authority) {
    let trusted = format!("{}{}", old.pem(), new.pem());
    stage.apply(&secret("es-ca", &json!({ "ca.crt": trusted }))).await;
    stage.certified(old, &[old, new]).await;
    stage.until("Healthy", "True").await;
    stage.apply(&signing(new)).await;
    stage.certified(new, &[old, new]).await;
    for machine in 0..3 {
        stage.serves(machine, new).await;
    }
    stage.until("Healthy", "True").await;
    stage.apply(&secret("es-ca", &json!({ "ca.crt": new.pem() }))).await;
    stage.certified(new, &[new]).await;
    // Long enough for every node to have read it.
    tokio::time::sleep(Duration::from_secs(15)).await;
    let nodes = stage.asks(0, "/_cluster/health").await.expect("it answers");
    assert_eq!((&nodes["number_of_nodes"], &nodes["status"]), (&json!(3), &json!("green")));
    let status = stage.until("Ready", "True").await;
    let rules: Vec<_> = status.diagnostics.iter().map(|it| it.rule.as_str()).collect();
    assert!(!rules.contains(&"certificates"), "{:?}", status.diagnostics);
}

/// A certificate of which less than a third of its time is left is replaced by one that is good for a
/// year, and the node serves that.
async fn a_certificate_near_its_end(stage: &Stage, authority: &Authority) {
    let host = &stage.machines[0];
    let names = x509(&stage.certificate(0), &["-ext", "subjectAltName"]);
    let names = names.lines().last().unwrap_or_default();
    let names = names.trim().replace("IP Address:", "IP:").replace(", ", ",");
    let date = |days: i64| {
        let time = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        time.strftime("%Y%m%d%H%M%SZ").to_string()
    };
    // Of thirty days nine are left.
    let short = authority.issue("es-1", &names, Some((&date(-21), &date(9))));
    let first = stage.serves(0, authority).await;
    let header = "# Drover made this file, keeps it as it is, and removes it.";
    // In one go, as Drover writes it: the certificate says which key it is of.
    host.inside(&format!(
        "cd /etc/drover-elasticsearch\n\
         {{ echo '{header}'; cat <<'PEM'\n{key}PEM\n}} >key.new\n\
         {{ echo '{header}'; printf '# The SHA-256 of node.key: '; sha256sum <key.new | cut -d ' ' -f 1\n\
         cat <<'PEM'\n{certificate}{authority}PEM\n}} >certificate.new\n\
         chown --reference={KEY} key.new certificate.new && chmod --reference={KEY} key.new certificate.new\n\
         mv key.new {KEY} && mv certificate.new {CERTIFICATE}",
        key = short.key_pem(),
        certificate = short.pem(),
        authority = authority.pem(),
    ));
    let far = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 300);
    eventually("the machine has another certificate", LONG, async || {
        // Three hundred days, in seconds.
        let told = x509(&stage.certificate(0), &["-checkend", "25920000"]);
        if told.contains("will not expire") { Ok(()) } else { Err(told) }
    })
    .await;
    stage
        .told_by_all("their certificates are good for long", |told| {
            told.certificate_expires.as_ref().is_some_and(|it| far < it.0)
        })
        .await;
    eventually("the node serves it", LONG, async || {
        let served = stage.serves(0, authority).await;
        let there = x509(&stage.certificate(0), &["-serial"]);
        if served == there && served != first { Ok(()) } else { Err(format!("{served} {there}")) }
    })
    .await;
    stage.until("Healthy", "True").await;
}
