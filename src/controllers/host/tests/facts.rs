//! What a status tells of a machine, and when a figure is worth a write.

use super::scene::{STATS, Scene, fault};

#[test]
fn the_facts_are_shown_as_the_machine_told_them() {
    let scene = Scene::settled();
    let facts = scene.status().facts.clone().unwrap();
    assert_eq!((facts.os.id.as_str(), facts.kernel.as_str()), ("debian", "6.1.0"));
    assert_eq!((facts.cpus, facts.memory_bytes), (4, 8 << 30));
    assert_eq!((facts.disks.root.total, facts.disks.root.free), (1_000_000, 500_000));
    assert_eq!(facts.package_manager.unwrap().as_str(), "apt-get");
}

#[test]
fn what_decides_is_written_at_once_and_a_figure_once_each_stats_interval_if_it_moved() {
    let mut scene = Scene::settled();
    let free = |scene: &Scene| scene.status().facts.as_ref().unwrap().disks.root.free;
    scene.machine.facts.root_disk.as_mut().unwrap().free_bytes = 100_000;
    scene.settle();
    assert_eq!(free(&scene), 500_000);
    scene.machine.facts.kernel = Some("6.2.0".into());
    scene.settle();
    assert_eq!(scene.status().facts.as_ref().unwrap().kernel.as_str(), "6.2.0");
    assert_eq!(free(&scene), 500_000);
    scene.now += STATS;
    scene.settle();
    assert_eq!(free(&scene), 100_000);
    scene.machine.facts.root_disk.as_mut().unwrap().free_bytes = 104_000;
    scene.now += STATS;
    scene.settle();
    assert_eq!(free(&scene), 100_000, "4 % are no write");
}

#[test]
fn the_last_check_moves_once_each_stats_interval_and_only_while_the_machine_answers() {
    let mut scene = Scene::settled();
    let first = scene.status().last_check.clone().unwrap();
    scene.settle();
    assert_eq!(scene.status().last_check.as_ref(), Some(&first));
    scene.now += STATS;
    scene.settle();
    let second = scene.status().last_check.clone().unwrap();
    assert!(first < second);
    scene.machine.fault = Some(fault("connect"));
    scene.now += STATS;
    scene.settle();
    assert_eq!(scene.status().last_check.as_ref(), Some(&second));
}

#[test]
fn a_clock_that_wanders_a_little_is_not_written() {
    let mut scene = Scene::settled();
    let skew = |scene: &Scene| scene.status().facts.as_ref().unwrap().clock_skew_seconds;
    scene.machine.facts.clock_skew_seconds = Some(5);
    scene.now += STATS;
    scene.settle();
    assert_eq!(skew(&scene), Some(0));
    scene.machine.facts.clock_skew_seconds = Some(6);
    scene.now += STATS;
    scene.settle();
    assert_eq!(skew(&scene), Some(6));
}
