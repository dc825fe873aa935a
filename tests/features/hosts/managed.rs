//! A machine of a managed Cluster, whose part the test plays: Elasticsearch comes to it, is kept, is
//! changed by permits alone, and goes with its Cluster.

use std::time::Duration;

use drover::{
    api::{
        cluster::Cluster,
        cluster_status::ElasticsearchStatus,
        host_status::{DataDirectory, DeployedElasticsearch, RunStatus},
    },
    authority::{
        Authority,
        secrets::{Kind, marks, password},
    },
    ssh::deploy::layout,
};
use jiff::Timestamp;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{SOON, Stage};
use crate::common::{
    archives::Archives,
    hosts::{Host, Os, Settings, room},
    proxy::{Answer, Damage, Fault},
    wait::eventually,
};

/// Room for fetching, and for the start of a node, beside a compiler.
const LONG: Duration = Duration::from_mins(5);

/// One machine, and the Cluster that the test plays.
struct Yard {
    stage: Stage,
    host: Host,
    archives: Archives,
    password: SecretString,
    uid: String,
}

impl Yard {
    async fn new(name: &str) -> Self {
        let stage = Stage::with(name, |it| it.switch("--leader-elect=false")).await;
        let host = Settings::new(Os::Debian).disk_megabytes(800).start().await;
        let conflict = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict",
            "message": "somebody else plays the Cluster", "code": 409,
        });
        stage.kubernetes.inject(
            |it| it.is_write() && it.path.ends_with("/clusters/es/status"),
            Fault::Answer(Answer::json(409, &conflict)),
        );
        let archives = Archives::start().await;
        let mut yard =
            Self { stage, host, archives, password: password().unwrap(), uid: String::new() };
        yard.secrets().await;
        yard.cluster("8.19.0", &json!({})).await;
        let spec = json!({ "clusterRef": { "name": "es" } });
        yard.stage.host("es", &yard.host, &spec).await;
        yard.stage.tells("es", "ElasticsearchInstalled", "Unknown", "Waiting").await;
        yard.uid = yard.stage.hosts().get("es").await.unwrap().metadata.uid.unwrap();
        yard
    }

    /// The Secrets of the Cluster, as its controller makes them.
    async fn secrets(&self) {
        let authority = Authority::make("es", Timestamp::now()).unwrap();
        let (certificate, key) = (authority.certificate(), authority.key().expose_secret());
        let password = self.password.expose_secret();
        for (kind, data) in [
            (Kind::Admin, json!({ "username": "drover", "password": password })),
            (Kind::Authorities, json!({ "ca.crt": certificate })),
            (Kind::AuthorityKey, json!({ "ca.crt": certificate, "ca.key": key })),
        ] {
            let (labels, annotations) = marks("es");
            let metadata =
                json!({ "name": kind.name("es"), "labels": labels, "annotations": annotations });
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data,
            });
            self.stage.apply(&secret).await;
        }
    }

    async fn cluster(&self, version: &str, config: &Value) {
        let url = format!(
            "{}/elasticsearch-{{version}}-linux-{{arch}}.tar.gz",
            self.archives.plain.url()
        );
        let digest = Archives::digest(version);
        let file = format!("elasticsearch-{version}-linux-x86_64.tar.gz");
        let cluster = json!({
            "apiVersion": "drover.dev/v1alpha1", "kind": "Cluster",
            "metadata": { "name": "es", "finalizers": ["drover.test/hold"] },
            "spec": {
                "elasticsearch": {
                    "version": version,
                    "distribution": { "url": url, "sha512": { (file): digest } },
                    "nodeGroups": [{ "name": "all", "heap": "320m", "config": config }],
                },
                "deletionPolicy": "Delete", "deleteData": true,
            },
        });
        self.stage.apply(&cluster).await;
    }

    async fn writes(&self, status: &Value) {
        let clusters: Api<Cluster> =
            Api::namespaced(self.stage.client.clone(), &self.stage.namespace);
        let mut status = status.clone();
        status["conditions"] = json!([]);
        let patch = Patch::Merge(json!({ "status": status }));
        clusters.patch_status("es", &PatchParams::default(), &patch).await.unwrap();
    }

    /// The Cluster has chosen this machine to form it.
    async fn forms(&self) {
        let then = Timestamp::from_second(Timestamp::now().as_second()).unwrap().to_string();
        let formation = json!({ "host": "es", "hostUid": self.uid, "startedAt": then });
        self.writes(&json!({ "formation": formation })).await;
    }

    /// The Cluster's run permits this.
    async fn permits(&self, step: &str, attempt: u32) {
        let then = Timestamp::from_second(Timestamp::now().as_second()).unwrap().to_string();
        let place = json!({
            "name": "es", "hostUid": self.uid, "step": step, "attempt": attempt,
            "startedAt": then,
        });
        let run = json!({
            "runId": "r-1", "kind": "ElasticsearchConfig", "target": "once", "hosts": [place],
            "startedAt": then,
        });
        self.writes(&json!({ "rollout": run })).await;
    }

    async fn answers(&self, step: &str, wanted: RunStatus) -> String {
        let hosts = self.stage.hosts();
        eventually(&format!("{step} is {wanted:?}"), LONG, async || {
            let host = hosts.get("es").await.map_err(|it| it.to_string())?;
            let operation = host.status.and_then(|it| it.operation).ok_or("it is at no run")?;
            let is_it = operation.step == step && operation.status == Some(wanted);
            let message = operation.message.as_ref().map(ToString::to_string);
            if is_it { Ok(message.unwrap_or_default()) } else { Err(format!("{operation:?}")) }
        })
        .await
    }

    /// Waits until this is told of what is installed.
    async fn deployed(
        &self,
        what: &str,
        is: impl Fn(&DeployedElasticsearch) -> bool,
    ) -> DeployedElasticsearch {
        let hosts = self.stage.hosts();
        eventually(what, LONG, async || {
            let host = hosts.get("es").await.map_err(|it| it.to_string())?;
            let status = host.status.unwrap_or_default();
            let told = status.elasticsearch.and_then(|it| it.deployed);
            match told {
                Some(told) if is(&told) => Ok(told),
                other => Err(format!("{other:?} {:#?}", status.conditions)),
            }
        })
        .await
    }

    fn ask(&self, path: &str) -> Result<Value, String> {
        let (address, user) = (self.host.address(), self.password.expose_secret());
        let told = self.host.inside(&format!(
            "curl -sS -m 10 --cacert {} -u drover:{user} 'https://{address}:9200{path}' 2>&1 || true",
            layout::AUTHORITIES
        ));
        serde_json::from_str(&told).map_err(|_| told)
    }

    async fn serves(&self) -> String {
        eventually("the node serves", LONG, async || match self.ask("/") {
            Ok(root) if root["cluster_uuid"].as_str().is_some_and(|it| it.len() > 10) => {
                Ok(root["cluster_uuid"].as_str().unwrap().to_owned())
            }
            other => Err(format!("{other:?}")),
        })
        .await
    }

    fn invocation(&self) -> String {
        self.host.inside(&format!("systemctl show -p InvocationID --value {}", layout::UNIT))
    }
}

#[tokio::test]
async fn a_bare_machine_gets_its_elasticsearch_keeps_it_and_loses_it_with_its_cluster() {
    let _room = room().await;
    let yard = Yard::new("managed").await;
    let told = yard.deployed("the bare machine is told of", |_| true).await;
    assert_eq!((told.data, told.staged.len()), (DataDirectory::Missing, 0));
    yard.host.inside("test ! -e /etc/drover-elasticsearch && test ! -e /opt/drover");

    // What is damaged is not unpacked, is told, and is fetched again once it is whole.
    yard.archives.damage("8.19.0", Some(Damage::WrongByte));
    yard.forms().await;
    let message = yard.stage.tells("es", "ElasticsearchInstalled", "False", "CommandFailed").await;
    assert!(message.contains("its SHA-512 is not the given one"), "{message}");
    yard.archives.mend();
    let told = yard.deployed("it runs", |it| it.version.is_some()).await;
    assert_eq!(told.version.as_ref().unwrap().as_str(), "8.19.0");
    assert!(told.certificate_expires.is_some());
    let uuid = yard.serves().await;
    yard.stage.until("es", "Ready", "True").await;
    let invocation = yard.invocation();
    let settings = || yard.host.inside(&format!("cat {}", layout::SETTINGS));
    assert!(settings().contains("initial_master_nodes"));

    // It is formed: that is noted, and what formed it goes without a restart.
    let known = ElasticsearchStatus { uuid: uuid.clone(), ..Default::default() };
    yard.writes(&json!({ "formation": null, "elasticsearch": known })).await;
    let is_noted =
        |it: &DeployedElasticsearch| it.cluster_uuid.as_ref().is_some_and(|it| it.as_str() == uuid);
    yard.deployed("the cluster is noted", is_noted).await;
    eventually("the setting is gone", SOON, async || {
        if settings().contains("initial_master_nodes") { Err(settings()) } else { Ok(()) }
    })
    .await;
    assert_eq!(yard.invocation(), invocation);

    // One that ended is started again.
    yard.host.inside(&format!("systemctl stop {}", layout::UNIT));
    eventually("it runs again", LONG, async || match yard.invocation() {
        now if now.trim().is_empty() || now == invocation => Err(now),
        _ => Ok(()),
    })
    .await;
    assert_eq!(yard.serves().await, uuid);
    let invocation = yard.invocation();

    // Other settings come by permits alone.
    yard.cluster("8.19.0", &json!({ "node.attr.x": "1" })).await;
    let message = yard.stage.tells("es", "ElasticsearchInstalled", "True", "InProgress").await;
    assert!(message.contains("a run over the hosts"), "{message}");
    yard.permits("Stage", 1).await;
    yard.answers("Stage", RunStatus::Finished).await;
    assert_eq!(yard.invocation(), invocation);
    yard.permits("Stop", 1).await;
    yard.answers("Stop", RunStatus::Finished).await;
    assert_ne!(yard.invocation(), invocation);
    yard.serves().await;
    let nodes = yard.ask("/_nodes/_local?filter_path=nodes.*.attributes").unwrap();
    assert!(nodes.to_string().contains(r#""x":"1""#), "{nodes}");
    yard.writes(&json!({ "rollout": null })).await;
    yard.stage.tells("es", "ElasticsearchInstalled", "True", "AsExpected").await;

    // With its Cluster it goes, data and all.
    let clusters: Api<Cluster> = Api::namespaced(yard.stage.client.clone(), &yard.stage.namespace);
    clusters.delete("es", &DeleteParams::default()).await.unwrap();
    let then = Timestamp::from_second(Timestamp::now().as_second()).unwrap().to_string();
    yard.writes(&json!({ "removal": { "startedAt": then } })).await;
    yard.stage
        .when("es", "nothing is deployed", |it| {
            let told = it.status.as_ref().and_then(|it| it.elasticsearch.as_ref());
            let deployed = told.and_then(|it| it.deployed.as_ref());
            if deployed.is_none() { Ok(()) } else { Err(format!("{deployed:?}")) }
        })
        .await;
    yard.host.inside("test ! -e /opt/drover && test ! -e /etc/drover-elasticsearch");
    yard.host.inside("test -z \"$(ls -A /var/lib/drover-elasticsearch)\"");
    assert_eq!(yard.host.inside("pgrep -u elasticsearch java || echo none"), "none");
    let patch = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    clusters.patch("es", &PatchParams::default(), &patch).await.unwrap();
}
