//! Which figures are written, and when.

use super::{
    super::status,
    scene::{Scene, UUID},
};
use crate::{
    api::cluster_status::ClusterStatus,
    elasticsearch::{
        cluster_reads::{HealthStatus, Node, NodeStats},
        fixtures::{refused, snapshot, view},
        health_report::Diagnosis,
        snapshot::ClusterView,
    },
};

/// Whether a change of what Elasticsearch says is written.
#[track_caller]
fn check(change: impl Fn(&mut ClusterView), written: bool) {
    let mut scene = Scene::settled();
    scene.change(&change);
    let turn = scene.turn();
    assert_eq!(turn.wrote, written);
    assert_eq!(turn.notices, []);
}

fn node(view: &mut ClusterView) -> &mut NodeStats {
    view.node_stats.get_mut("id-a").unwrap()
}

#[test]
fn figures_that_decide_nothing_are_written_when_they_moved_by_more_than_five_percent() {
    check(|it| it.stats.documents = 1050, false);
    check(|it| it.stats.documents = 1051, true);
    check(|it| it.stats.documents = 949, true);
    check(|it| it.stats.documents = 0, true);
    check(|it| it.stats.store_bytes = 950_000, false);
    check(|it| it.stats.store_bytes = 949_999, true);
    check(|it| node(it).heap_percent = Some(45), false);
    check(|it| node(it).heap_percent = Some(46), true);
    check(|it| node(it).disk_used_percent = Some(55), false);
    check(|it| node(it).disk_used_percent = Some(56), true);
}

#[test]
fn every_text_that_came_from_the_server_can_be_blotted_out() {
    const SECRET: &str = "s3cret-pa55word";
    let mut scene = Scene::settled();
    scene.change(|it| {
        it.root.cluster_name = SECRET.into();
        it.root.node = SECRET.into();
        for id in std::mem::take(&mut it.nodes).into_keys() {
            let (name, host, version) = (SECRET.into(), SECRET.into(), SECRET.into());
            let node = Node { name, host, version, roles: vec![SECRET.into()] };
            it.nodes.insert(format!("{id}-{SECRET}"), node);
        }
        it.state.master = it.nodes.keys().next().cloned();
        it.report = vec![Diagnosis {
            indicator: SECRET.into(),
            status: HealthStatus::Yellow,
            symptom: SECRET.into(),
            cause: Some(SECRET.into()),
            action: Some(SECRET.into()),
            affected: vec![SECRET.into()],
        }];
        it.endpoints[0].endpoint = SECRET.into();
        it.endpoints[0].cluster_uuid = None;
    });
    scene.poll.fault = Some(std::sync::Arc::new(refused("health", 400, SECRET, SECRET)));
    scene.settle();
    let mut status = scene.status().clone();
    let text = |it: &ClusterStatus| serde_json::to_string(it).unwrap();
    assert!(text(&status).matches(SECRET).count() > 10, "{status:#?}");
    status::reword(&mut status, |it| *it = it.replace(SECRET, ""));
    assert!(!text(&status).contains(SECRET), "{status:#?}");
}

#[test]
fn figures_do_not_creep_unseen() {
    let mut scene = Scene::settled();
    let mut writes = 0;
    for documents in (1000..=2000).step_by(10) {
        scene.change(|it| it.stats.documents = documents);
        writes += usize::from(scene.turn().wrote);
        let shown = scene.status().elasticsearch.as_ref().unwrap().documents;
        assert!(shown * 21 / 20 >= documents, "{shown} is shown for {documents}");
    }
    assert!((5..=15).contains(&writes), "{writes} writes for twice the documents");
}

#[test]
fn what_decides_something_is_written_at_once() {
    check(|it| it.health.unassigned = 1, true);
    check(|it| it.health.relocating = 1, true);
    check(|it| it.health.nodes = 2, true);
    check(|it| it.state.master = Some("id-a".into()), true);
    check(|it| it.nodes.get_mut("id-a").unwrap().version = "8.19.1".into(), true);
    check(|it| _ = it.nodes.remove("id-a"), true);
}

#[test]
fn a_state_that_moved_is_no_news_by_itself() {
    check(|it| (it.state.state_uuid, it.state.version) = ("another".into(), 99), false);
    check(|it| it.nodes.get_mut("id-a").unwrap().roles.reverse(), false);
    check(|it| it.root.node = "another".into(), false);
}

#[test]
fn the_version_shown_is_the_lowest_that_a_node_runs() {
    let mut scene = Scene::settled();
    scene.change(|it| {
        it.nodes.get_mut("id-a").unwrap().version = "8.9.2".into();
        it.nodes.get_mut("id-b").unwrap().version = "9.0.0-SNAPSHOT".into();
    });
    scene.settle();
    assert_eq!(scene.status().elasticsearch.as_ref().unwrap().version, "8.9.2");
    scene.change(|it| it.nodes.clear());
    scene.settle();
    assert_eq!(scene.status().elasticsearch.as_ref().unwrap().version, "8.19.0");
}

#[test]
fn nodes_are_listed_by_name_and_cut_at_sixty_four() {
    for (count, omitted) in [(64, None), (65, Some(1)), (100, Some(36))] {
        let mut view = view(UUID);
        view.nodes = (0..count)
            .map(|it| {
                let node = Node { name: format!("node-{:03}", count - it), ..Node::default() };
                (format!("id-{it:03}"), node)
            })
            .collect();
        let mut scene = Scene::new(snapshot(view));
        scene.settle();
        let status = scene.status();
        assert_eq!((status.nodes.len(), status.nodes_omitted), (64, omitted));
        assert!(status.nodes.is_sorted_by_key(|it| it.name.clone()));
        assert_eq!(status.nodes[0].name, "node-001");
    }
}

#[test]
fn a_node_that_comes_back_under_its_name_keeps_no_figures_of_the_old_one() {
    let mut scene = Scene::settled();
    scene.change(|it| {
        let node = it.nodes.remove("id-a").unwrap();
        it.nodes.insert("id-z".into(), node);
        it.node_stats
            .insert("id-z".into(), NodeStats { heap_percent: Some(41), ..NodeStats::default() });
    });
    scene.settle();
    let node = scene.status().nodes.iter().find(|it| it.id == "id-z").unwrap();
    assert_eq!((node.heap_percent, node.disk_used_percent), (Some(41), None));
}

#[test]
fn percentages_are_whole_and_within_bounds() {
    let cases = [(99.99, 99), (100.0, 100), (0.4, 0), (-1.0, 0), (250.0, 100), (f64::NAN, 0)];
    for (percent, shown) in cases {
        let mut view = view(UUID);
        view.health.active_percent = percent;
        let mut scene = Scene::new(snapshot(view));
        scene.settle();
        assert_eq!(scene.status().elasticsearch.as_ref().unwrap().active_shards_percent, shown);
    }
}

#[test]
fn after_a_restart_percentages_are_written_from_the_second_full_check_on() {
    let mut scene = Scene::settled();
    scene.restart();
    scene.change(|it| {
        it.first_figures = true;
        node(it).heap_percent = Some(90);
    });
    for _ in 0..3 {
        assert!(!scene.turn().wrote);
    }
    scene.change(|it| it.first_figures = false);
    scene.settle();
    let shown = scene.status().nodes.iter().find(|it| it.id == "id-a").unwrap();
    assert_eq!(shown.heap_percent, Some(90));
}
