//! What keeps Elasticsearch from a machine, for a while or until a person has seen to it.

use super::*;
use crate::{
    api::host_status::DeployedElasticsearch,
    controllers::host::elasticsearch::status::{may_hold_shards, told},
};

#[test]
fn before_it_is_on_record_who_forms_the_cluster_the_machine_only_tells_what_is_there() {
    let mut scene = bare();
    asks(&mut scene, Wanted { may_install: false, ..wanted() });
    scene.settle();
    scene.check("ElasticsearchInstalled", "Unknown", "Waiting");
    scene.check("Prepared", "True", "AsExpected");
    let told = deployed(&scene.host).unwrap();
    assert_eq!((told.data, &told.cluster_uuid), (DataDirectory::Missing, &None));
    assert_eq!((&told.version, told.staged.len(), &told.settled), (&None, 0, &None));
    assert!(!is_installing(&scene) && scene.status().operation.is_none());
    let Some(Aim::Kept(care)) = treatment(&scene).unwrap().elasticsearch else { panic!() };
    assert!(!care.is_begun, "no file is written");
}

#[test]
fn what_was_begun_waits_while_it_is_on_record_no_more_who_forms_the_cluster() {
    let mut scene = bare();
    asks(&mut scene, wanted());
    scene.machine.installing = Some(Outcome::Fetching);
    while !is_installing(&scene) {
        scene.turn();
    }
    // Its Cluster is made again: what it declares now forms none, under the same revision.
    amend(&mut scene, |it| it.may_install = false);
    scene.turn();
    scene.machine.installing = None;
    scene.settle();
    assert_eq!((scene.machine.starts, is_installing(&scene)), (0, false));
    assert!(scene.status().operation.is_some(), "the next life of the Cluster chooses this host");
    scene.check("ElasticsearchInstalled", "Unknown", "Waiting");
    let message = &scene.condition("ElasticsearchInstalled").message;
    assert!(message.contains("until the cluster is formed"), "{message}");
    amend(&mut scene, |it| it.may_install = true);
    scene.settle();
    assert_eq!(scene.machine.starts, 1);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn mode_plan_of_its_cluster_brings_nothing_to_the_machine_until_that_is_apply() {
    let mut scene = bare();
    scene.held_by = Some("logs".into());
    asks(&mut scene, joining());
    scene.settle();
    scene.check("ElasticsearchInstalled", "False", "PlanOnly");
    scene.check("Ready", "False", "PlanOnly");
    scene.check("Stalled", "True", "PlanOnly");
    let message = &scene.condition("ElasticsearchInstalled").message;
    assert!(message.contains("mode Plan of Cluster 'logs'"), "{message}");
    assert_eq!(treatment(&scene).unwrap().deed, crate::ssh::treatment::Deed::Compare);
    assert!(!is_installing(&scene) && scene.status().operation.is_none());
    assert_eq!(scene.machine.starts, 0);
    scene.held_by = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_the_cluster_no_longer_says_is_not_begun() {
    let mut scene = bare();
    scene.is_stale = true;
    asks(&mut scene, wanted());
    for _ in 0..6 {
        let turn = scene.turn();
        assert!(matches!(turn.plan.elasticsearch, None | Some(Step::Begin(..))));
        assert!(scene.status().operation.is_none() && !is_installing(&scene));
    }
    scene.is_stale = false;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_stands_in_the_way_is_told_and_nothing_is_installed() {
    type Change = fn(&mut Scene);
    let cases: [(Change, &str, &str, &str); 7] = [
        (
            |it| it.machine.elasticsearch.data = report::DataDirectory::Used,
            "False",
            "NotOwned",
            "did not put there",
        ),
        (
            |it| it.machine.elasticsearch.cluster_uuid = Some("another".into()),
            "False",
            "NotOwned",
            "was a member of the cluster another",
        ),
        (
            |it| it.machine.service.other_processes = [99].into(),
            "False",
            "NotOwned",
            "somebody else's",
        ),
        (|it| it.spec(&json!({ "paused": true })), "False", "Paused", "spec.paused"),
        (|it| it.spec(&json!({ "maintenance": true })), "False", "Paused", "spec.maintenance"),
        (|it| amend(it, |it| it.is_paused = true), "False", "Paused", "of the Cluster"),
        (
            |it| amend(it, |it| it.digest = Some(Err("nobody tells it".into()))),
            "False",
            "Unreachable",
            "nobody tells it",
        ),
    ];
    for (change, status, reason, words) in cases {
        let mut scene = bare();
        asks(&mut scene, joining());
        change(&mut scene);
        scene.settle();
        scene.check("ElasticsearchInstalled", status, reason);
        let message = &scene.condition("ElasticsearchInstalled").message;
        assert!(message.contains(words), "{words}: {message}");
        assert!(!is_installing(&scene));
        assert_eq!(scene.machine.starts, 0);
    }
}

#[test]
fn a_machine_that_can_not_be_prepared_gets_no_elasticsearch() {
    let mut scene = bare();
    scene.machine.refuses = Some(fault("failed"));
    asks(&mut scene, wanted());
    scene.settle();
    scene.check("Prepared", "False", "CommandFailed");
    assert_eq!(scene.machine.starts, 0);
    scene.machine.refuses = None;
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn what_somebody_else_has_started_meanwhile_ends_the_installation_and_is_left_to_a_run() {
    let mut scene = bare();
    asks(&mut scene, joining());
    scene.machine.installing = Some(Outcome::Refused("Elasticsearch is in service".into()));
    while !is_installing(&scene) {
        scene.turn();
    }
    let older = node("8.19.0", "0").deployment(None).unwrap();
    scene.machine.elasticsearch.stage(&older);
    scene.machine.elasticsearch.swap(&older, "by hand");
    scene.settle();
    assert_eq!(scene.status().operation, None, "a run may have the host");
    scene.check("ElasticsearchInstalled", "True", "InProgress");
}

#[test]
fn what_is_in_service_waits_for_a_run() {
    let mut scene = member();
    amend(&mut scene, |it| {
        it.plan = node("8.19.1", "1");
        it.deployment = it.plan.deployment(None).unwrap();
    });
    scene.settle();
    assert_eq!((scene.machine.starts, is_installing(&scene)), (1, false));
    scene.check("ElasticsearchInstalled", "True", "InProgress");
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(deployed(&scene.host).unwrap().version.as_ref().unwrap().as_str(), "8.19.0");
}

#[test]
fn another_version_comes_to_one_that_is_down_with_a_run_or_once_all_others_have_it() {
    let mut scene = member();
    scene.machine.elasticsearch.stop("failed");
    amend(&mut scene, |it| {
        it.plan = node("8.19.1", "1");
        it.deployment = it.plan.deployment(None).unwrap();
        it.running = Some("8.19.0".into());
    });
    scene.settle();
    assert_eq!((scene.machine.starts, is_installing(&scene)), (1, false));
    scene.check("ElasticsearchInstalled", "False", "Waiting");
    amend(&mut scene, |it| it.running = Some("8.19.1".into()));
    scene.settle();
    assert_eq!(scene.machine.starts, 2);
    scene.check("Ready", "True", "AsExpected");
}

#[test]
fn a_bare_machine_joins_once_all_nodes_run_the_declared_version() {
    let cases: [(Option<&str>, &str, &str); 2] =
        [(Some("8.17.0"), "False", "the cluster runs 8.17.0"), (None, "Unknown", "which version")];
    for (running, status, words) in cases {
        let mut scene = bare();
        asks(&mut scene, Wanted { running: running.map(Into::into), ..joining() });
        scene.settle();
        scene.check("ElasticsearchInstalled", status, "Waiting");
        let message = &scene.condition("ElasticsearchInstalled").message;
        assert!(message.contains(words), "{message}");
        assert_eq!((scene.machine.starts, scene.status().operation.is_some()), (0, false));
        amend(&mut scene, |it| it.running = Some("8.19.0".into()));
        scene.settle();
        scene.check("Ready", "True", "AsExpected");
        assert_eq!(scene.machine.starts, 1);
    }
}

#[test]
fn an_installation_that_is_under_way_ends_where_another_version_is_declared_that_none_runs() {
    let mut scene = bare();
    asks(&mut scene, joining());
    while !is_installing(&scene) {
        scene.turn();
    }
    amend(&mut scene, |it| {
        it.plan = node("8.19.1", "1");
        it.deployment = it.plan.deployment(None).unwrap();
    });
    scene.settle();
    assert_eq!((scene.machine.starts, scene.status().operation.is_some()), (0, false));
    scene.check("ElasticsearchInstalled", "False", "Waiting");
}

#[test]
fn a_machine_that_may_have_shards_gets_no_roles_without_data_while_it_is_down() {
    let formed = |plan: NodePlan| Wanted {
        uuid: Some("uuid".into()),
        running: Some("8.19.0".into()),
        ..wanted_of(plan)
    };
    let mut scene = member();
    assert_eq!(deployed(&scene.host).unwrap().may_hold_shards, Some(true));
    scene.machine.elasticsearch.stop("failed");
    let bare_of_data = NodePlan { holds_data: false, ..node("8.19.0", "2") };
    asks(&mut scene, formed(bare_of_data));
    scene.settle();
    scene.check("ElasticsearchInstalled", "False", "Waiting");
    let message = scene.condition("ElasticsearchInstalled").message.to_string();
    assert!(message.contains("may have shards on its disk"), "{message}");
    assert_eq!(scene.machine.starts, 1);
    asks(&mut scene, formed(node("8.19.0", "2")));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.machine.starts, 2);
}

#[test]
fn a_machine_that_was_seen_to_run_without_a_data_role_holds_no_shards() {
    let of_master = |setting: &str| {
        let plan = NodePlan { holds_data: false, ..node("8.19.0", setting) };
        let (uuid, running) = (Some("uuid".into()), Some("8.19.0".into()));
        Wanted { uuid, running, ..wanted_of(plan) }
    };
    let mut scene = bare();
    asks(&mut scene, of_master("1"));
    scene.settle();
    assert_eq!(deployed(&scene.host).unwrap().may_hold_shards, Some(false));
    scene.machine.elasticsearch.stop("failed");
    asks(&mut scene, of_master("2"));
    scene.settle();
    scene.check("Ready", "True", "AsExpected");
    assert_eq!(scene.machine.starts, 2);
}

/// One look at a machine; whether it may hold shards.
fn look(
    known: &mut DeployedElasticsearch,
    machine: &report::Report,
    wanted: &Wanted,
) -> Option<bool> {
    let wish = Wish::Deploy(Box::new(wanted.clone()));
    let (may_hold_shards, revision) = may_hold_shards(Some(known), machine, &wish).unzip();
    *known = DeployedElasticsearch {
        may_hold_shards,
        may_hold_shards_revision: revision.flatten(),
        ..told(machine)
    };
    may_hold_shards
}

#[test]
fn a_machine_that_is_known_to_hold_no_shards_is_so_yet_after_starts_that_failed() {
    let of = |setting: &str, holds_data: bool| {
        wanted_of(NodePlan { holds_data, ..node("8.19.0", setting) })
    };
    let (fails, mended, with_data) = (of("2", false), of("3", false), of("1", true));
    let mut known = DeployedElasticsearch::default();
    let mut runs = report::Report::bare();
    runs.swap(&fails.deployment, "a");
    let mut down = runs.clone();
    down.stop("activating");
    for machine in [&runs, &down] {
        assert_eq!(look(&mut known, machine, &fails), Some(false));
    }
    for machine in [&runs, &down] {
        assert_eq!(look(&mut known, machine, &mended), Some(false), "other settings are wanted");
    }
    let mut machine = runs.clone();
    machine.swap(&mended.deployment, "b");
    machine.stop("failed");
    assert_eq!(look(&mut known, &machine, &mended), Some(false), "nobody has seen it run");
    machine.swap(&mended.deployment, "c");
    assert_eq!(look(&mut known, &machine, &of("4", false)), Some(false));
    // A recall brings a data role back, which is not what is wanted.
    machine.swap(&with_data.deployment, "d");
    assert_eq!(look(&mut known.clone(), &machine, &mended), None);
    machine.stop("failed");
    assert_eq!(look(&mut known, &machine, &mended), None, "it may have been one of data");
    assert_eq!(look(&mut known, &machine, &with_data), Some(true));
}

#[test]
fn an_empty_folder_tells_nothing_of_what_runs_there_later() {
    let mut known = DeployedElasticsearch::default();
    let mut machine = report::Report::bare();
    let other = wanted_of(NodePlan { holds_data: false, ..node("8.19.0", "2") });
    machine.swap(&joining().deployment, "a");
    machine.data = report::DataDirectory::Empty;
    assert_eq!(look(&mut known, &machine, &other), Some(false));
    machine.data = report::DataDirectory::Used;
    assert_eq!(look(&mut known, &machine, &other), None);
}
