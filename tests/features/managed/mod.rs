//! Clusters that Drover itself makes on bare machines: real hosts, real Elasticsearch, one apply.

mod crash;
mod deletion;
mod drain;
mod life;
mod port;
mod refusals;
mod removal;
mod roles;
mod rotation;
mod votes;

use std::{collections::BTreeMap, ops::Deref, time::Duration};

use drover::{
    api::{
        cluster::Cluster,
        cluster_status::{ClusterStatus, ElasticsearchStatus, Health},
        host_status::RunStatus,
        rollout_status::{ElasticsearchDeployStatus, RolloutStatus},
    },
    ssh::deploy::layout,
};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};

use crate::{
    common::{
        archives::Archives,
        certificates::Authority,
        hosts::{Host, Os, Settings},
        operator,
        paths::runs_here,
        proxy::{Entry, lines},
        soak,
        traffic::Target,
        wait::eventually,
    },
    hosts,
    world::{control_plane, expect},
};

/// The rights that the documentation tells people to give Drover where it runs Elasticsearch itself.
const RIGHTS: [&str; 2] = [
    include_str!("../../../examples/kubernetes/rbac.yaml"),
    include_str!("../../../examples/kubernetes/managed.yaml"),
];

/// For fetching, unpacking and starting three nodes on a machine that does other things too.
pub const LONG: Duration = Duration::from_mins(6);
/// For a run over three hosts there: each takes one to two minutes.
const ROLL: Duration = Duration::from_mins(15);

/// What machines can run here, from the oldest to the newest: every step that people take, and in the long
/// campaigns a patch as well.
fn versions() -> Vec<&'static str> {
    let patch = soak().then_some("8.19.1");
    let all = ["7.17.29", "8.17.0", "8.19.0"].into_iter().chain(patch).chain(["9.2.0"]);
    all.filter(|it| runs_here(it)).collect()
}

/// A namespace with an operator of its own, bare machines, and where they fetch Elasticsearch.
pub struct Stage {
    around: hosts::Stage,
    /// The Host of each has the name `es-1`, `es-2`, ...
    pub machines: Vec<Host>,
    pub archives: Archives,
}

impl Deref for Stage {
    type Target = hosts::Stage;

    fn deref(&self) -> &hosts::Stage {
        &self.around
    }
}

impl Stage {
    /// So many bare machines, of which nothing is declared yet.
    pub async fn new(name: &str, machines: usize) -> Self {
        let systems = [Os::Debian, Os::Fedora, Os::Rhel].into_iter().cycle().take(machines);
        let settings = systems.map(|it| Settings::new(it).disk_megabytes(900));
        let (mut around, machines, archives) =
            tokio::join!(hosts::Stage::new(name), Host::start_all(settings), Archives::start());
        // Under the documented rights, not as the administrator.
        around.operator.stop().await;
        let control_plane = control_plane().await;
        for rights in RIGHTS {
            control_plane.kubectl(&["apply", "--server-side", "-f", "-"], rights);
        }
        let token = control_plane.token("drover", "drover");
        let mut kubeconfig = control_plane.kubeconfig().with_token(&token);
        kubeconfig = kubeconfig.at(&around.kubernetes.url());
        kubeconfig.authority = Authority::shared().file();
        around.kubernetes.ledger().clear();
        around.operator = operator::Settings::new(&kubeconfig, &around.namespace)
            .flag("--probe-interval", "1s")
            .flag("--stats-interval", "5s")
            .switch("--leader-elect=false")
            // Whom it trusts where digests are published.
            .environment("SSL_CERT_FILE", &Authority::shared().file().display().to_string())
            .start()
            .await;
        Self { around, machines, archives }
    }

    /// The documented rights were enough, and those for managed clusters were needed.
    pub fn assert_rights_suffice(&self) {
        let requests = self.kubernetes.ledger().all();
        let refused: Vec<Entry> =
            requests.iter().filter(|it| it.status() == Some(403)).cloned().collect();
        assert!(refused.is_empty(), "{}", lines(&refused));
        for method in ["POST", "PATCH"] {
            let is_used = |it: &Entry| it.method == method && it.path.contains("/secrets");
            assert!(requests.iter().any(is_used), "{method} of Secrets is not needed");
        }
    }

    /// The Cluster `es` of this version; `config` is that of all its nodes, `more` is merged over the
    /// spec.
    pub fn cluster(&self, version: &str, config: &Value, more: &Value) -> Value {
        let url = self.archives.plain.url();
        let digests: BTreeMap<String, String> = versions()
            .into_iter()
            .map(|it| (format!("elasticsearch-{it}-linux-x86_64.tar.gz"), Archives::digest(it)))
            .collect();
        let mut spec = json!({ "elasticsearch": {
            "version": version,
            "distribution": {
                "url": format!("{url}/elasticsearch-{{version}}-linux-{{arch}}.tar.gz"),
                "sha512": digests,
            },
            "nodeGroups": [{ "name": "all", "heap": "320m", "config": config }],
        } });
        let fields = more.as_object().expect("a spec is an object").clone();
        spec.as_object_mut().expect("made above").extend(fields);
        json!({
            "apiVersion": "drover.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": { "name": "es" },
            "spec": spec,
        })
    }

    /// The Hosts of the machines, as members of the Cluster.
    pub fn members(&self) -> Vec<Value> {
        let spec = json!({ "clusterRef": { "name": "es" } });
        let member = |(at, host): (usize, &Host)| {
            hosts::manifest(&format!("es-{}", at + 1), &hosts::spec_of(host, &spec))
        };
        self.machines.iter().enumerate().map(member).collect()
    }

    /// One more bare machine, which is declared a member.
    pub async fn join(&mut self, os: Os) {
        self.machines.push(Settings::new(os).disk_megabytes(900).start().await);
        let host = self.members().pop().expect("it was just added");
        self.apply(&host).await;
    }

    /// What Elasticsearch on a machine answers to Drover's own user.
    pub async fn asks(&self, machine: usize, path: &str) -> Result<Value, String> {
        self.sends(machine, "GET", path, &Value::Null).await
    }

    /// The same to a request with a body.
    pub async fn sends(
        &self,
        machine: usize,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value, String> {
        ask(&self.machines[machine], &self.target().await, (method, path), body)
    }

    /// Changes something in Elasticsearch as Drover's own user.
    pub async fn tells(&self, method: &str, path: &str, body: &Value) {
        let (host, target) = (&self.machines[0], self.target().await);
        let told = host.inside(&format!(
            "curl -sS -m 30 --cacert {} -u {}:{} -X {method} -H 'content-type: application/json' \
             -d '{body}' 'https://{}:9200{path}' 2>&1 || true",
            layout::AUTHORITIES,
            target.user,
            target.password,
            host.address()
        ));
        let answer: Value = serde_json::from_str(&told).unwrap_or_else(|_| panic!("{told}"));
        assert!(answer["error"].is_null(), "{method} {path}: {answer}");
    }

    /// Applies the Cluster and all Hosts at once.
    pub async fn apply_all(&self, cluster: &Value) {
        let mut items = vec![cluster.clone()];
        items.extend(self.members());
        self.apply(&json!({ "apiVersion": "v1", "kind": "List", "items": items })).await;
    }

    /// Waits until a condition of the Cluster has a status, for its current generation.
    pub async fn until(&self, kind: &str, status: &str) -> ClusterStatus {
        self.when(&format!("{kind}={status}"), |cluster| {
            let seen = cluster.status.clone().unwrap_or_default();
            expect::told(&seen.conditions, kind, status, cluster.metadata.generation)
        })
        .await
    }

    /// Waits until the Cluster is as `check` wants it; `check` says what is amiss.
    pub async fn when(
        &self,
        what: &str,
        check: impl Fn(&Cluster) -> Result<(), String>,
    ) -> ClusterStatus {
        self.when_within(LONG, what, check).await
    }

    async fn when_within(
        &self,
        limit: Duration,
        what: &str,
        check: impl Fn(&Cluster) -> Result<(), String>,
    ) -> ClusterStatus {
        let api: Api<Cluster> = Api::namespaced(self.client.clone(), &self.namespace);
        eventually(&format!("Cluster es: {what}"), limit, async || {
            let cluster = api.get("es").await.map_err(|it| it.to_string())?;
            let status = cluster.status.clone().unwrap_or_default();
            match check(&cluster) {
                Ok(()) => Ok(status),
                Err(why) => Err(format!("{why}\n{}", self.told().await)),
            }
        })
        .await
    }

    /// What the Hosts tell, for who looks why a test fails.
    async fn told(&self) -> String {
        let hosts = self.hosts().list(&kube::api::ListParams::default()).await;
        let told = hosts.into_iter().flatten().map(|host| {
            let status = host.status.unwrap_or_default();
            let conditions: Vec<String> = status
                .conditions
                .iter()
                .filter(|it| it.status != "True")
                .map(|it| format!("{}: {}", it.type_, it.message))
                .collect();
            let (name, told) = (host.metadata.name, status.elasticsearch);
            format!("{name:?} {conditions:?} {:?} {told:?}", status.operation)
        });
        told.collect::<Vec<_>>().join("\n")
    }

    /// What a Secret of the Cluster holds under a key.
    pub async fn secret_text(&self, name: &str, key: &str) -> String {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let data = api.get(name).await.expect("it is there").data.unwrap_or_default();
        String::from_utf8(data[key].0.clone()).expect("it is text")
    }

    /// An annotation of a Secret.
    pub async fn annotation(&self, name: &str, annotation: &str) -> Option<String> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let meta = api.get(name).await.expect("it is there").metadata;
        meta.annotations.and_then(|it| it.get(annotation).cloned())
    }

    /// Waits until the cluster is formed of all machines, and everybody remembers which it is.
    pub async fn formed(&self) -> ElasticsearchStatus {
        let status = self
            .when("formed", |cluster| {
                let status = cluster.status.clone().unwrap_or_default();
                let seen = status.elasticsearch.clone().unwrap_or_default();
                expect::told(&status.conditions, "Ready", "True", cluster.metadata.generation)?;
                if seen.health == Health::Green && status.formation.is_none() {
                    Ok(())
                } else {
                    Err(format!("{seen:?} {:?}", status.formation))
                }
            })
            .await;
        let formed = status.elasticsearch.expect("checked");
        assert_eq!(
            usize::try_from(formed.nodes),
            Ok(self.machines.len()),
            "Ready before all are in"
        );
        assert!(status.history.is_empty(), "what was not in service takes no run");
        for kind in ["admin", "ca", "ca-key"] {
            let noted = self.annotation(&format!("es-{kind}"), "drover.dev/cluster-uuid").await;
            assert_eq!(noted.as_deref(), Some(formed.uuid.as_str()), "{kind}");
        }
        formed
    }

    /// Waits until this version is deployed on all hosts, by this many runs in all.
    pub async fn deployed(&self, version: &str, runs: usize) -> ClusterStatus {
        self.when_within(ROLL, &format!("{version} is deployed"), |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let is_it = |it: &ElasticsearchDeployStatus| {
                it.status == RunStatus::Finished && it.version.as_str() == version
            };
            let is_over = status.rollout.is_none() && status.history.len() == runs;
            if is_over && status.elasticsearch_deploy.as_ref().is_some_and(is_it) {
                Ok(())
            } else {
                let deploy = status.elasticsearch_deploy;
                Err(format!("{:#?}", (status.rollout, deploy, status.history)))
            }
        })
        .await
    }

    /// Waits until a run waits for a person.
    pub async fn paused(&self) -> RolloutStatus {
        let status = self
            .when_within(ROLL, "a run waits for a person", |cluster| {
                let status = cluster.status.clone().unwrap_or_default();
                match status.rollout {
                    Some(run) if run.pause.is_some() => Ok(()),
                    run => Err(format!("{run:#?}")),
                }
            })
            .await;
        status.rollout.expect("checked")
    }

    /// Waits until a run is kept back by this gate, and gives its words.
    pub async fn blocked(&self, gate: &str) -> String {
        let block = |it: &ClusterStatus| {
            let run = it.rollout.as_ref()?;
            run.blocked_by.iter().find(|it| it.gate == gate).map(|it| it.message.to_string())
        };
        let status = self
            .when(&format!("{gate} is shut"), |cluster| {
                let status = cluster.status.clone().unwrap_or_default();
                block(&status).map(drop).ok_or_else(|| format!("{:#?}", status.rollout))
            })
            .await;
        block(&status).expect("checked")
    }

    /// All nodes, as Drover's own user: what a person would take from the Secrets.
    pub async fn target(&self) -> Target {
        let node = |it: &Host| format!("https://{}:9200", it.address());
        Target {
            nodes: self.machines.iter().map(node).collect(),
            authority: self.secret_text("es-ca", "ca.crt").await,
            user: self.secret_text("es-admin", "username").await,
            password: self.secret_text("es-admin", "password").await,
        }
    }

    /// systemd's ids of the runs of Elasticsearch, machine by machine.
    pub fn runs(&self) -> Vec<String> {
        let id = |it: &Host| {
            it.inside("systemctl show --value -p InvocationID drover-elasticsearch")
                .trim()
                .to_owned()
        };
        self.machines.iter().map(id).collect()
    }

    /// How often Elasticsearch was started, machine by machine.
    pub fn starts(&self) -> Vec<usize> {
        let journal = "journalctl --no-pager -o cat _PID=1 UNIT=drover-elasticsearch.service";
        let started = |it: &Host| it.inside(journal).matches("Started ").count();
        self.machines.iter().map(started).collect()
    }
}

/// What Elasticsearch on `host` answers to the user of `target`.
pub fn ask(
    host: &Host,
    target: &Target,
    (method, path): (&str, &str),
    body: &Value,
) -> Result<Value, String> {
    let body = match body {
        Value::Null => String::new(),
        body => format!("-H 'content-type: application/json' -d '{body}'"),
    };
    let told = host.inside(&format!(
        "curl -sS -m 10 --cacert {} -u {}:{} -X {method} {body} 'https://{}:9200{path}' 2>&1 || true",
        layout::AUTHORITIES,
        target.user,
        target.password,
        host.address()
    ));
    serde_json::from_str(&told).map_err(|_| told)
}
