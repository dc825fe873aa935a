//! Elasticsearch on bare machines by the steps that a member of a managed Cluster gets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use drover::{
    api::elasticsearch::ElasticsearchSpec,
    authority::{Authority, secrets::password},
    deploy::{
        Member,
        archive::Sha512,
        node::{NodePlan, Site, plan},
        realm,
    },
    elasticsearch::version::Version,
    rollout::ages::is_built_before,
    ssh::{
        deploy::{
            self, Data, Deployment, Removal, Source,
            job::{Job, Progress},
            layout,
        },
        path::RemotePath,
        pool::Pool,
        preparation::Preparation,
        session::Session,
    },
};
use futures::future::join_all;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::elasticsearch::session;
use crate::common::{
    archives::Archives,
    hosts::{Host, Os, Settings, room},
    proxy::Damage,
    wait::eventually,
};

/// Room for fetching, and for starts of three nodes, beside a compiler.
const LONG: Duration = Duration::from_mins(4);

/// What the hosts of the test shall run.
struct Site3 {
    spec: ElasticsearchSpec,
    members: Vec<Member>,
    authority: Authority,
    password: SecretString,
}

impl Site3 {
    fn new(hosts: &[Host], archives: &Archives) -> Self {
        let url =
            format!("{}/elasticsearch-{{version}}-linux-{{arch}}.tar.gz", archives.plain.url());
        let digests: BTreeMap<String, String> = ["7.17.29", "8.17.0", "8.19.0"]
            .map(|it| (format!("elasticsearch-{it}-linux-x86_64.tar.gz"), Archives::digest(it)))
            .into();
        let spec = json!({
            "version": "8.19.0",
            "distribution": { "url": url, "sha512": digests },
            "nodeGroups": [{ "name": "all", "heap": "320m" }],
        });
        let member = |(at, host): (usize, &Host)| Member {
            name: format!("es-{}", at + 1).into(),
            labels: BTreeMap::new(),
            address: host.address().into(),
            hostname: None,
            memory_bytes: None,
            architecture: Some("x86_64".into()),
            is_bare: true,
        };
        Self {
            spec: serde_json::from_value(spec).unwrap(),
            members: hosts.iter().enumerate().map(member).collect(),
            authority: Authority::make("a test", Timestamp::now()).unwrap(),
            password: password().unwrap(),
        }
    }

    fn plans(&self, version: &str, bootstrap: Option<&str>) -> Vec<NodePlan> {
        let site = Site {
            name: "managed",
            version: Version::parse(version).unwrap(),
            distribution: self.spec.distribution.as_ref().unwrap(),
            groups: &self.spec.node_groups,
            authorities: self.authority.certificate().as_bytes(),
            hash: &realm::hash("uid", "drover", &self.password),
            bootstrap,
        };
        plan(&site, &self.members).unwrap().nodes.into_values().collect()
    }

    /// Asks the node of a host over TLS, with a check of its certificate.
    fn ask(&self, host: &Host, path: &str) -> Result<Value, String> {
        self.request(host, "GET", path, "")
    }

    /// Sends a body, and fails unless it is taken.
    fn tell(&self, host: &Host, method: &str, path: &str, body: &Value) -> Result<(), String> {
        let answer = self.request(host, method, path, &body.to_string())?;
        if answer["error"].is_null() { Ok(()) } else { Err(answer.to_string()) }
    }

    fn request(&self, host: &Host, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let url = format!("https://{}:9200{path}", host.address());
        let user = format!("drover:{}", self.password.expose_secret());
        let mut command = format!("curl -sS -m 10 --cacert {} -u {user}", layout::AUTHORITIES);
        if !body.is_empty() {
            let _ = write!(command, " -H 'content-type: application/json' -d '{body}'");
        }
        let command = format!("{command} -X {method} '{url}'");
        let told = host.inside(&format!("{command} 2>&1 || true"));
        serde_json::from_str(&told).map_err(|_| told)
    }

    async fn green(&self, host: &Host, nodes: usize) {
        let path =
            format!("/_cluster/health?wait_for_status=green&wait_for_nodes={nodes}&timeout=1s");
        eventually("the cluster is green", LONG, async || match self.ask(host, &path) {
            Ok(health) if health["status"] == "green" && health["timed_out"] == false => Ok(()),
            other => Err(format!("{other:?}\n{}", host.inside(LAST_WORDS))),
        })
        .await;
    }
}

const LAST_WORDS: &str = "journalctl --no-pager -o cat -u drover-elasticsearch --lines=20; true";

fn source(plan: &NodePlan) -> Source {
    let Sha512::Given(sha512) = plan.archive.sha512.clone() else { panic!("{plan:?}") };
    Source { url: plan.archive.url.clone(), sha512, java_home: None, family: None }
}

async fn ended(session: &Session, job: &Job) -> Progress {
    let mut last = Progress::Unknown;
    eventually("the job ends", LONG, async || {
        last = deploy::progress(session, true, job).await.unwrap();
        if last == Progress::Working { Err("it is under way".to_owned()) } else { Ok(()) }
    })
    .await;
    last
}

async fn run(session: &Session, deployment: &Deployment, plan: &NodePlan, name: &str) {
    let job = deployment.begin_stage(session, true, name, Some(&source(plan))).await.unwrap();
    // A second operator finds it under way.
    deployment.begin_stage(session, true, name, Some(&source(plan))).await.unwrap();
    let fetched = ended(session, &job).await;
    let report = deployment.inspect(session, true).await.unwrap();
    assert!(deployment.is_staged(&report), "{fetched:?} {report:?}");
    let job = deployment.begin_swap(session, true, name, 1).await.unwrap();
    deployment.begin_swap(session, true, name, 1).await.unwrap();
    assert_eq!(ended(session, &job).await, Progress::Done);
    let report = deployment.inspect(session, true).await.unwrap();
    assert!(deployment.is_running(&report), "{report:?}");
    deploy::forget(session, true, &job).await.unwrap();
}

/// From a bare machine to a node that runs.
async fn install(site: &Site3, session: &Session, plan: &NodePlan) {
    let data = RemotePath::new(&plan.data).unwrap();
    let preparation = Preparation::new([], Some(data), None).unwrap();
    let prepared = preparation.apply(session, true).await.unwrap();
    assert!(prepared.failures.is_empty() && prepared.left.is_empty(), "{prepared:?}");
    let issued = site.authority.issue("node", &plan.names, Timestamp::now()).unwrap();
    let deployment = plan.deployment(Some(&issued)).unwrap();
    let settled = deployment.settle(session, true).await.unwrap();
    assert!(settled.failures.is_empty() && settled.left.is_empty(), "{settled:?}");
    run(session, &deployment, plan, "first").await;
}

#[tokio::test]
async fn a_node_goes_from_7_17_to_8_19_with_its_data_and_the_old_version_goes_when_it_is_told_to() {
    let _room = room().await;
    let hosts = [Settings::new(Os::Debian).disk_megabytes(800).start().await];
    let archives = Archives::start().await;
    let site = Site3::new(&hosts, &archives);
    let (_pool, session) = session(&hosts[0]).await;
    install(&site, &session, &site.plans("7.17.29", Some("es-1"))[0]).await;
    site.green(&hosts[0], 1).await;
    let replicas = json!({ "settings": { "number_of_replicas": 0 } });
    site.tell(&hosts[0], "PUT", "/kept", &replicas).unwrap();
    let document = json!({ "word": "kept" });
    site.tell(&hosts[0], "PUT", "/kept/_doc/1?refresh=true", &document).unwrap();

    let plan = &site.plans("8.19.0", None)[0];
    let deployment = plan.deployment(None).unwrap();
    run(&session, &deployment, plan, "second").await;
    site.green(&hosts[0], 1).await;
    let root = site.ask(&hosts[0], "/").unwrap();
    assert_eq!(root["version"]["number"], "8.19.0");
    let found = site.ask(&hosts[0], "/kept/_doc/1").unwrap();
    assert_eq!(found["_source"], document, "{found}");

    let report = deployment.inspect(&session, true).await.unwrap();
    let built = |version: &str| report.trees[version].built().unwrap().to_owned();
    assert!(is_built_before(&built("7.17.29"), &built("8.19.0")));
    assert!(report.lost_plugins("8.19.0").is_empty());
    deployment.prune(&session, true, &["7.17.29".into()]).await.unwrap();
    assert_eq!(deployment.inspect(&session, true).await.unwrap().trees.len(), 2);
    deployment.prune(&session, true, &[]).await.unwrap();
    let trees = deployment.inspect(&session, true).await.unwrap().trees;
    assert_eq!(trees.keys().map(|it| &**it).collect::<Vec<_>>(), ["8.19.0"]);
}

#[tokio::test]
async fn bare_machines_become_a_secured_cluster_which_is_changed_with_one_restart_or_none() {
    let _room = room().await;
    let systems = [Os::Debian, Os::Fedora, Os::Rhel];
    let machines = systems.map(|it| Settings::new(it).disk_megabytes(800));
    let hosts = Host::start_all(machines).await;
    let archives = Archives::start().await;
    let mut site = Site3::new(&hosts, &archives);
    let sessions: Vec<(Pool, Arc<Session>)> = join_all(hosts.iter().map(session)).await;
    let data = RemotePath::new("/var/lib/drover-elasticsearch").unwrap();

    // From bare to green.
    let plans = site.plans("8.19.0", Some("es-1"));
    let pairs = sessions.iter().zip(&plans);
    join_all(pairs.map(|(it, plan)| install(&site, &it.1, plan))).await;
    site.green(&hosts[0], 3).await;
    assert_eq!(archives.fetched("8.19.0"), 3);
    let who = site.ask(&hosts[1], "/_security/_authenticate").unwrap();
    assert_eq!((&who["username"], &who["roles"]), (&json!("drover"), &json!(["superuser"])));
    let anybody = hosts[1].inside(&format!(
        "curl -s -o /dev/null -w '%{{http_code}}' --cacert {} https://{}:9200/",
        layout::AUTHORITIES,
        hosts[1].address()
    ));
    assert_eq!(anybody, "401");

    // Once it is formed, what formed it goes, and nothing is restarted for that.
    let root = site.ask(&hosts[2], "/").unwrap();
    let uuid = root["cluster_uuid"].as_str().unwrap();
    let plans = site.plans("8.19.0", None);
    let mut invocations = Vec::new();
    for (at, ((_, session), plan)) in sessions.iter().zip(&plans).enumerate() {
        let deployment = plan.deployment(None).unwrap();
        let before = deployment.inspect(session, true).await.unwrap();
        let settled = deployment.settle(session, true).await.unwrap();
        let paths: Vec<&str> = settled.before.iter().map(|it| &*it.path).collect();
        assert_eq!(paths, if at == 0 { vec![layout::SETTINGS] } else { vec![] });
        assert_eq!(deployment.settle(session, true).await.unwrap().before, [], "a second time");
        deploy::note_cluster(session, true, uuid).await.unwrap();
        assert!(deploy::note_cluster(session, true, "another").await.is_err());
        let after = deployment.inspect(session, true).await.unwrap();
        assert_eq!(after.cluster_uuid.as_deref(), Some(uuid));
        assert_eq!(after.invocation(), before.invocation());
        let names = &plan.names;
        let shown = after.certificate.as_bytes();
        assert_eq!(site.authority.check(shown, names, Timestamp::now()), Ok(()));
        invocations.push(before.invocation().to_owned());
    }

    // Another certificate is read without a restart.
    let (session, host, plan) = (&sessions[1].1, &hosts[1], &plans[1]);
    let served = || {
        let at = format!("{}:9200", host.address());
        let script =
            "openssl s_client -connect \"$0\" </dev/null 2>/dev/null | openssl x509 -noout -serial";
        let output = std::process::Command::new("sh").args(["-c", script, &at]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    let before = served();
    let issued = site.authority.issue("node", &plan.names, Timestamp::now()).unwrap();
    let deployment = plan.deployment(Some(&issued)).unwrap();
    assert_eq!(deployment.settle(session, true).await.unwrap().left, []);
    eventually("the new certificate is served", LONG, async || {
        if served() == before { Err("the old one") } else { Ok(()) }
    })
    .await;
    let report = deployment.inspect(session, true).await.unwrap();
    assert_eq!(report.invocation(), invocations[1]);

    // What is fetched damaged touches nothing that runs.
    archives.damage("8.17.0", Some(Damage::WrongByte));
    let other = &site.plans("8.17.0", None)[1];
    let deployment = other.deployment(None).unwrap();
    let job = deployment.begin_stage(session, true, "bad", Some(&source(other))).await.unwrap();
    let Progress::Failed(reason) = ended(session, &job).await else { panic!("it was taken") };
    assert!(reason.contains("its SHA-512 is not the given one"), "{reason}");
    let report = deployment.inspect(session, true).await.unwrap();
    assert!(!deployment.is_staged(&report) && report.is_active());
    assert_eq!(report.invocation(), invocations[1]);

    // Other settings take one restart, of that node alone.
    site.spec.node_groups[0].config =
        serde_json::from_value(json!({ "node.attr.x": "1" })).unwrap();
    let plan = &site.plans("8.19.0", None)[1];
    let deployment = plan.deployment(None).unwrap();
    let report = deployment.inspect(session, true).await.unwrap();
    assert!(!deployment.is_running(&report) && deployment.drift(&report).is_empty());
    run(session, &deployment, plan, "second").await;
    site.green(&hosts[0], 3).await;
    let report = deployment.inspect(session, true).await.unwrap();
    assert_ne!(report.invocation(), invocations[1]);
    let nodes = site.ask(&hosts[0], "/_nodes/es-2?filter_path=nodes.*.attributes").unwrap();
    assert!(nodes.to_string().contains(r#""x":"1""#), "{nodes}");

    // It comes back over a boot, and goes when it shall.
    hosts[2].reboot().await;
    site.green(&hosts[0], 3).await;
    let (_pool, again) = super::elasticsearch::session(&hosts[2]).await;
    let removal = |uuid: &str| Removal {
        name: "managed".into(),
        uuid: Some(uuid.into()),
        path: data.clone(),
        data: Data::Kept,
    };
    assert!(deploy::remove(&again, true, &removal("another")).await.is_err());
    deploy::remove(&again, true, &removal(uuid)).await.unwrap();
    deploy::remove(&again, true, &removal(uuid)).await.unwrap();
    hosts[2].inside("test -n \"$(ls -A /var/lib/drover-elasticsearch)\"");
    hosts[2].inside("test ! -e /opt/drover && test ! -e /etc/drover-elasticsearch");
    assert_eq!(hosts[2].inside("pgrep -u elasticsearch java || echo none"), "none");
}
