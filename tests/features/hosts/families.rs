//! The commands of each family of systems, on hosts of the bed. Their package managers are stand-ins, which take what the
//! real ones take and end as they do.

use drover::ssh::families::{Action, Family, Name};

use super::Stage;
use crate::common::hosts::{Host, SshKey};

/// The version that hosts of the bed with images are offered.
const LATEST: &str = "40.20240519.3.0";

/// One line for a shell: nothing in it is read by one.
fn line(action: &Action) -> String {
    let words = std::iter::once(action.program).chain(action.arguments.iter().map(String::as_str));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a command ended as one that did its work, and what it said.
fn run(host: &Host, action: &Action) -> (bool, String) {
    let text = host.inside(&format!("{} 2>&1; echo \"status $?\"", line(action)));
    let status = text.rsplit_once("status ").expect("it was said last").1;
    (action.success.contains(&status.parse().expect("a number")), text)
}

#[track_caller]
fn succeed(host: &Host, action: &Action) {
    let (well, text) = run(host, action);
    assert!(well, "{}: {text}", line(action));
}

#[track_caller]
fn fail(host: &Host, action: &Action) {
    let (well, text) = run(host, action);
    assert!(!well, "{}: {text}", line(action));
}

fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

/// What is installed and what waits to be.
fn state(host: &Host) -> String {
    host.inside(
        "cd /var/lib/bed; tail -n +1 updates installed layered booted staged 2>/dev/null
         ! command -v dpkg-query >/dev/null || dpkg-query -W; true",
    )
}

/// Runs all commands of a host's family but the one that restarts it.
pub fn assert_commands_work(host: &Host, family: Family) {
    let before = state(host);
    for action in [family.refresh(), family.simulate(&[]), family.download(&[])] {
        succeed(host, &action);
    }
    assert_eq!(state(host), before, "{family}: what only looks has changed something");
    fail(host, &family.install(&[name("no-such-package")]));
    let install = family.install(&[name("chrony")]);
    succeed(host, &install);
    let installed = state(host);
    assert_ne!(installed, before, "{}", line(&install));
    assert!(installed.contains("chrony"), "{installed}");
    succeed(host, &install);
    assert_eq!(state(host), installed, "a second time changes nothing");
    let held = [name("sudo")];
    for action in [family.hold(&held), family.unhold(&held)].into_iter().flatten() {
        succeed(host, &action);
    }
    let is_staged = || state(host).contains("==> staged <==");
    if let (Some(deploy), Some(unstage)) = (family.deploy(&name(LATEST)), family.unstage()) {
        let before = state(host);
        succeed(host, &family.fetch_image(&name(LATEST)).expect("as before"));
        assert_eq!(state(host), before, "{family}: what only fetches has changed something");
        succeed(host, &deploy);
        assert!(is_staged() && state(host).contains(LATEST), "{}", line(&deploy));
        succeed(host, &unstage);
        assert!(!is_staged(), "{}", line(&unstage));
        fail(host, &family.deploy(&name("no-such-version")).expect("as before"));
    }
    let upgrade = family.upgrade(&[]);
    succeed(host, &upgrade);
    let is_upgraded = if family == Family::Ostree {
        is_staged()
    } else {
        host.inside("wc -c </var/lib/bed/updates").trim() == "0"
    };
    assert!(is_upgraded, "{}: {}", line(&upgrade), state(host));
    succeed(host, &upgrade);
    if family == Family::Ostree {
        // Nothing is new any more, which is said with a status of its own.
        let check = family.simulate(&[]);
        let (well, text) = run(host, &check);
        assert!(well && text.ends_with("status 77"), "{}: {text}", line(&check));
    }
}

/// Restarts a host that has staged an image, and waits until the operator tells that it runs.
pub async fn assert_restarts_into_the_new_image(stage: &Stage, object: &str, host: &Host) {
    let before = host.boot_id().await;
    // Its answer may never come.
    let _ = host.ssh("root", SshKey::shared(), &line(&Family::Ostree.reboot())).await;
    host.rebooted(&before).await;
    let what = format!("it runs {LATEST}");
    stage
        .when(object, &what, |it| {
            let facts = it.status.as_ref().and_then(|it| it.facts.as_ref());
            let ostree = facts.and_then(|it| it.ostree.as_ref());
            let text = format!("{ostree:?}");
            if text.contains(LATEST) { Ok(()) } else { Err(text) }
        })
        .await;
    stage.event(object, "HostRebooted").await;
}
