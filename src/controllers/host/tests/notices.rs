//! What people hear of: each change once.

use super::scene::{Scene, fault};
use crate::kubernetes::events::Notice;

fn reasons(notices: &[Notice]) -> Vec<String> {
    let text = |it: &Notice| format!("{it:?}");
    let reason = |it: String| it.split('"').nth(1).unwrap_or_default().to_owned();
    notices.iter().map(|it| reason(text(it))).collect()
}

#[test]
fn a_connection_that_comes_goes_and_comes_is_told_each_time() {
    let mut scene = Scene::new();
    assert_eq!(reasons(&scene.settle()), ["Connected"]);
    scene.machine.fault = Some(fault("connect"));
    assert_eq!(reasons(&scene.settle()), ["ConnectionLost"]);
    scene.restart();
    assert_eq!(reasons(&scene.settle()), [""; 0], "known already");
    scene.machine.fault = None;
    assert_eq!(reasons(&scene.settle()), ["Connected"]);
    scene.machine.fault = Some(fault("unauthorized"));
    assert_eq!(reasons(&scene.settle()), ["AuthenticationFailed"]);
}

#[test]
fn a_reboot_is_told_by_the_boot_id() {
    let mut scene = Scene::settled();
    scene.machine.facts.identity.boot_id = Some("second-boot".into());
    assert_eq!(reasons(&scene.settle()), ["HostRebooted"]);
    assert_eq!(scene.status().facts.as_ref().unwrap().boot_id.as_str(), "second-boot");
    assert_eq!(reasons(&scene.settle()), [""; 0]);
}
