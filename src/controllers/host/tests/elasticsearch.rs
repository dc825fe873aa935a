//! Elasticsearch that Drover itself runs: it comes to the machine, is kept there, is changed by runs
//! alone, and goes with its Cluster.

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::json;

use super::scene::{MACHINE, Scene, fault};
use crate::{
    api::{
        cluster::Cluster,
        elasticsearch::ElasticsearchSpec,
        host_status::{DataDirectory, OperationKind, RunStatus},
    },
    authority::{Authority, trust::Peers},
    controllers::host::elasticsearch::{
        deployed,
        plan::Step,
        wish::{Basis, Wanted, Wish},
    },
    deploy::{
        Member,
        node::{NodePlan, Site, plan},
    },
    elasticsearch::version::Version,
    kubernetes::events::Notice,
    ssh::{
        deploy::{Data, Deployment, Removal, care::Aim, installation::Outcome, layout, report},
        path::RemotePath,
        service::Unit,
        treatment::{Deed, Treatment},
    },
};

mod held_back;
mod leaving;
mod run;

/// Made once: keys take their time.
static AUTHORITY: LazyLock<Arc<Authority>> =
    LazyLock::new(|| Arc::new(Authority::make("a test", Timestamp::now()).unwrap()));

/// What the machine of a scene is to run of this version, with this setting.
fn node(version: &str, setting: &str) -> NodePlan {
    let url = "https://mirror.example/es-{version}-{arch}.tar.gz";
    let digests = json!({ (format!("es-{version}-x86_64.tar.gz")): "ab".repeat(64) });
    let spec = json!({
        "version": version, "distribution": { "url": url, "sha512": digests },
        "nodeGroups": [{ "name": "all", "heap": "512m", "config": { "node.attr.x": setting } }],
    });
    let spec: ElasticsearchSpec = serde_json::from_value(spec).unwrap();
    let hash = SecretString::from("{PBKDF2}hash");
    let site = Site {
        name: "logs",
        version: Version::parse(version).unwrap(),
        distribution: spec.distribution.as_ref().unwrap(),
        groups: &spec.node_groups,
        authorities: AUTHORITY.certificate().as_bytes(),
        hash: &hash,
        bootstrap: None,
    };
    let member = Member {
        name: "es-1".into(),
        labels: std::collections::BTreeMap::new(),
        address: "192.0.2.1".into(),
        hostname: None,
        memory_bytes: None,
        architecture: Some("x86_64".into()),
        is_bare: true,
    };
    plan(&site, &[member]).unwrap().nodes.remove("es-1").unwrap()
}

fn wanted_of(plan: NodePlan) -> Wanted {
    let cluster: Cluster =
        serde_json::from_value(json!({ "metadata": { "name": "logs" }, "spec": {} })).unwrap();
    Wanted {
        deployment: plan.deployment(None).unwrap(),
        authority: AUTHORITY.clone(),
        peers: Peers::alike(),
        uuid: None,
        running: None,
        may_install: true,
        is_rolling: false,
        is_paused: false,
        digest: Some(Ok("ab".repeat(64).into())),
        basis: Basis::of(&cluster),
        plan,
    }
}

fn wanted() -> Wanted {
    wanted_of(node("8.19.0", "1"))
}

/// In a cluster that is formed, and runs the same version.
fn joining() -> Wanted {
    Wanted { uuid: Some("uuid".into()), running: Some("8.19.0".into()), ..wanted() }
}

/// The Cluster asks for that.
fn asks(scene: &mut Scene, wanted: Wanted) {
    scene.elasticsearch = Wish::Deploy(Box::new(wanted));
}

/// It asks for what it asked for, but for this.
fn amend(scene: &mut Scene, change: impl FnOnce(&mut Wanted)) {
    let Wish::Deploy(wanted) = &mut scene.elasticsearch else { panic!("nothing is asked for") };
    change(wanted);
}

/// A settled host, of whose machine a managed Cluster has not asked anything yet.
fn bare() -> Scene {
    let mut scene = Scene::new();
    scene.unit = Unit::new(layout::UNIT);
    scene.machine.service.processes.clear();
    scene.machine.facts.root_disk.as_mut().unwrap().free_bytes = 1 << 30;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene
}

/// One on which that runs, in a cluster that is formed.
fn member() -> Scene {
    let mut scene = bare();
    asks(&mut scene, joining());
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    scene
}

fn treatment(scene: &Scene) -> Option<Treatment> {
    scene.watched.as_ref().and_then(|it| it.treatment.clone())
}

fn is_installing(scene: &Scene) -> bool {
    scene.watched.as_ref().is_some_and(|it| it.installation.is_some())
}

fn told(notices: &[Notice], reason: &str) -> usize {
    notices.iter().filter(|it| it.reason() == reason).count()
}

fn deployment(scene: &Scene) -> Deployment {
    let Wish::Deploy(wanted) = &scene.elasticsearch else { panic!("nothing is asked for") };
    wanted.deployment.clone()
}

#[test]
fn a_machine_whose_cluster_declares_none_is_told_nothing_of() {
    let scene = bare();
    let kinds: Vec<_> = scene.status().conditions.iter().map(|it| it.type_.as_str()).collect();
    assert!(!kinds.contains(&"ElasticsearchInstalled"), "{kinds:?}");
    assert_eq!(treatment(&scene), None);
}

#[test]
fn it_is_on_record_before_elasticsearch_comes_to_the_machine_and_then_it_comes_once() {
    let mut scene = bare();
    asks(&mut scene, wanted());
    let mut notices = Vec::new();
    while scene.status().operation.is_none() {
        assert!(!is_installing(&scene), "before it is on record");
        let Some(Aim::Kept(care)) = treatment(&scene).and_then(|it| it.elasticsearch) else {
            notices.extend(scene.turn().notices);
            continue;
        };
        assert!(!care.is_begun);
        notices.extend(scene.turn().notices);
    }
    let operation = scene.status().operation.clone().unwrap();
    assert_eq!(operation.kind, OperationKind::InstallElasticsearch);
    let revision = deployment(&scene).revision;
    assert_eq!(operation.run_id, format!("install-{}", &revision[..12]));
    assert_eq!(operation.status, Some(RunStatus::InProcess));
    scene.check("ElasticsearchInstalled", "Unknown", "InProgress");
    notices.extend(scene.settle());
    assert_eq!(scene.machine.starts, 1);
    assert_eq!(scene.status().operation, None);
    let past = &scene.status().history[0];
    assert_eq!(
        (past.kind, past.status),
        (OperationKind::InstallElasticsearch, RunStatus::Finished)
    );
    let known = deployed(&scene.host).unwrap();
    assert_eq!(known.version.as_ref().unwrap().as_str(), "8.19.0");
    assert_eq!(known.revision.as_ref().unwrap().as_str(), &*revision);
    assert_eq!((known.staged.len(), known.data), (1, DataDirectory::Used));
    scene.check("ElasticsearchInstalled", "True", "AsExpected");
    scene.check("Ready", "True", "AsExpected");
    let counts = ["InstallationBegun", "ElasticsearchInstalled"].map(|it| told(&notices, it));
    assert_eq!(counts, [1, 1]);
    assert_eq!(told(&notices, "DriftCorrected"), 0, "nobody else has changed anything");
    // What it needs is kept from then on.
    let Some(Aim::Kept(care)) = treatment(&scene).unwrap().elasticsearch else { panic!() };
    assert!(!care.is_begun && care.prunes);
    assert!(format!("{:?}", treatment(&scene).unwrap().preparation).contains("max_map_count"));
    scene.restart();
    assert_eq!(scene.settle(), [], "a new process tells nothing twice");
    assert_eq!(scene.machine.starts, 1);
}

#[test]
fn a_new_process_goes_on_with_an_installation() {
    let mut scene = bare();
    asks(&mut scene, wanted());
    while !is_installing(&scene) {
        scene.turn();
    }
    scene.restart();
    scene.settle();
    assert_eq!(scene.machine.starts, 1);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_fails_is_told_in_the_machines_words_once_and_goes_on_by_itself() {
    let mut scene = bare();
    asks(&mut scene, wanted());
    scene.machine.installing = Some(Outcome::Failed("the disk is full".into()));
    let notices = scene.settle();
    scene.check("ElasticsearchInstalled", "False", "CommandFailed");
    scene.check("Stalled", "True", "CommandFailed");
    assert!(scene.condition("ElasticsearchInstalled").message.contains("the disk is full"));
    assert_eq!(told(&notices, "InstallationFailed"), 1);
    let operation = scene.status().operation.as_ref().unwrap();
    assert_eq!(operation.status, Some(RunStatus::Failed));
    assert_eq!(scene.status().history.len(), 1);
    scene.restart();
    assert_eq!(scene.settle(), [], "told once");
    scene.machine.installing = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.status().operation, None);
}

#[test]
fn other_settings_are_installed_instead_where_it_never_came_up() {
    let mut scene = bare();
    asks(&mut scene, wanted());
    scene.machine.installing = Some(Outcome::Failed("its settings are bad".into()));
    scene.settle();
    let first = scene.status().operation.clone().unwrap().run_id;
    scene.machine.installing = None;
    asks(&mut scene, wanted_of(node("8.19.0", "2")));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    let past = &scene.status().history[0];
    assert!(past.run_id != first && past.status == RunStatus::Finished, "{past:?}");
    assert_eq!(
        deployed(&scene.host).unwrap().revision.as_ref().unwrap().as_str(),
        &*deployment(&scene).revision
    );
}

#[test]
fn what_is_unpacked_already_is_started_without_asking_for_its_digest() {
    let mut scene = member();
    scene.machine.elasticsearch.stop("failed");
    amend(&mut scene, |it| it.digest = None);
    scene.settle();
    assert_eq!(scene.machine.starts, 2);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn the_cluster_is_noted_on_the_machine_and_told() {
    let mut scene = member();
    let uuid = |scene: &Scene| deployed(&scene.host)?.cluster_uuid.clone();
    assert_eq!(uuid(&scene).unwrap().as_str(), "uuid");
    // An object that is made again finds it there, and nothing is installed before it is taken up.
    scene.host.status = None;
    scene.restart();
    amend(&mut scene, |it| (it.uuid, it.may_install) = (None, false));
    scene.settle();
    assert_eq!(uuid(&scene).unwrap().as_str(), "uuid");
    scene.check("ElasticsearchInstalled", "True", "AsExpected");
    assert_eq!(scene.machine.starts, 1);
}

#[test]
fn one_that_ended_is_started_again_and_under_report_only_told() {
    let mut scene = member();
    scene.machine.elasticsearch.stop("failed");
    scene.settle();
    assert_eq!(scene.machine.starts, 2);
    scene.check("Ready", "True", "AsExpected");
    scene.spec(&json!({ "driftPolicy": "Report" }));
    scene.settle();
    scene.machine.elasticsearch.stop("inactive");
    scene.settle();
    assert_eq!(scene.machine.starts, 2);
    scene.check("ElasticsearchInstalled", "False", "DriftFound");
    // systemd's own tries are waited for.
    scene.spec(&json!({ "driftPolicy": "Enforce" }));
    scene.machine.elasticsearch.stop("activating");
    scene.settle();
    assert_eq!(scene.machine.starts, 2);
    scene.check("ElasticsearchInstalled", "Unknown", "Waiting");
}

#[test]
fn what_is_not_known_for_a_while_changes_nothing() {
    let mut scene = member();
    let before = deployed(&scene.host).cloned();
    let prepared = treatment(&scene).unwrap().preparation;
    scene.elasticsearch = Wish::Unknown { why: "Secret 'logs-admin' is not there yet".into() };
    scene.settle();
    scene.check("ElasticsearchInstalled", "Unknown", "Waiting");
    assert_eq!(deployed(&scene.host).cloned(), before);
    let now = treatment(&scene).unwrap();
    assert!(now.elasticsearch.is_none() && now.deed == Deed::Prepare);
    assert!(format!("{:?}", now.preparation).contains("max_map_count"), "{prepared:?}");
}

#[test]
fn a_service_that_could_not_be_looked_at_does_not_make_what_is_installed_forgotten() {
    let mut scene = member();
    scene.machine.service_fault = Some(fault("failed"));
    scene.annotate("drover.dev/reconcile-at", "now");
    scene.settle();
    let told = scene.status().elasticsearch.as_ref().unwrap();
    assert_eq!((told.state.as_str(), told.deployed.is_some()), ("unknown", true));
    let now = treatment(&scene).unwrap();
    assert!(format!("{:?}", now.preparation).contains("max_map_count"));
}

#[test]
fn while_paused_it_is_compared_and_nothing_is_written() {
    let mut scene = member();
    scene.spec(&json!({ "paused": true }));
    scene.settle();
    assert_eq!(treatment(&scene).unwrap().deed, Deed::Compare);
    scene.check("ElasticsearchInstalled", "True", "AsExpected");
}
