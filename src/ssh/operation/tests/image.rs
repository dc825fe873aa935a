//! Images that are deployed, on a host whose rpm-ostree is played.

use super::{
    upgrade::{Played, at},
    *,
};
use crate::ssh::families::{Family, Name};

const VERSION: &str = "41.1";
const BOOTED: &str = "it was told to boot, and did not";

fn host() -> Played {
    Played::for_image(VERSION)
}

/// What is staged differs in this from what is booted.
fn differs(by: &str) -> Played {
    let host = host();
    let text = format!("ostree diff commit from: a\nostree diff commit to:   b\n{by}\n");
    host.write("differs", &text);
    host
}

#[test]
fn an_image_is_fetched_and_nothing_is_staged() {
    let host = host();
    assert_eq!(host.run(Deed::Fetch, ""), Ok("fetched".into()));
    let expected = [
        "rpm-ostree deploy 41.1 --download-only",
        "rpm-ostree deploy 41.1 --lock-finalization",
        "rpm-ostree db diff",
        "rpm-ostree cleanup --pending",
    ];
    assert_eq!(host.asked(), expected);
    assert!(!host.has("staged"), "it was judged and taken back");
}

#[test]
fn an_image_that_would_change_elasticsearch_is_told_before_anything_goes_down() {
    for family in [true, false] {
        let host = if family { host() } else { Played::new(Family::Ostree) };
        host.write("boots", "");
        host.write("differs", "Upgraded:\n  elasticsearch 8.19.0-1 -> 8.19.1-1\n");
        let why = host.run(Deed::Fetch, "").unwrap_err();
        assert!(why.starts_with("the image would change elasticsearch"), "{why}");
        assert!(!host.has("staged"), "no boot takes it");
    }
    // What somebody else has staged stays, and is judged where it would be booted.
    for family in [true, false] {
        let host = if family { host() } else { Played::new(Family::Ostree) };
        host.write("staged", "theirs");
        host.write("differs", "Upgraded:\n  elasticsearch 8.19.0-1 -> 8.19.1-1\n");
        assert_eq!(host.run(Deed::Fetch, "").is_ok(), family);
        assert!(host.has("staged"));
    }
}

#[test]
fn what_would_boot_is_what_was_judged_or_nothing_boots() {
    let other = "the image that would boot is not the one that was judged";
    let host = host();
    assert!(host.run(Deed::Upgrade, "100").is_err(), "it came too late to boot");
    host.write("staged", "another");
    let why = host.run(Deed::Upgrade, "101").unwrap_err();
    assert!(why.starts_with(other), "{why}");
    assert_eq!(at(&host.asked(), &["systemctl"]), None);
    // The next permit judges anew.
    assert_eq!(host.run(Deed::Upgrade, "101"), Err(BOOTED.into()));
    assert_eq!(host.asked()[..2], ["rpm-ostree deploy 41.1", "rpm-ostree db diff"]);
    let host = Played::new(Family::Ostree);
    host.write("boots", "");
    assert!(host.run(Deed::Upgrade, "100").is_err());
    host.write("staged", "another");
    let why = host.run(Deed::Upgrade, "101").unwrap_err();
    assert!(why.starts_with(other), "{why}");
    assert!(!host.has("root/var/lib/drover/upgraded"));
    // It changes while it is judged.
    let host = self::host();
    host.write("overtaken", "");
    let why = host.run(Deed::Upgrade, "101").unwrap_err();
    assert_eq!(why, "another image was staged while it was judged");
}

#[test]
fn an_image_is_deployed_and_booted_in_one_go() {
    let host = host();
    // It was told to, and goes on running here.
    assert_eq!(host.run(Deed::Upgrade, "101"), Err(BOOTED.into()));
    let expected = ["rpm-ostree deploy 41.1", "rpm-ostree db diff", "systemctl reboot"];
    assert_eq!(host.asked(), expected);
}

#[test]
fn a_boot_that_would_come_too_late_waits_for_another_permit_and_is_good_for_one_image_alone() {
    let host = host();
    let due = host.run(Deed::Upgrade, "100").unwrap_err();
    assert!(due.contains("takes a permit of its own"), "{due}");
    assert_eq!(at(&host.asked(), &["systemctl"]), None);
    assert_eq!(host.run(Deed::Upgrade, "101"), Err(BOOTED.into()));
    assert_eq!(host.asked(), ["systemctl reboot"]);
    // Where another image came up, the next attempt has to deploy it again.
    assert_eq!(host.run(Deed::Upgrade, "101"), Err(BOOTED.into()));
    assert_eq!(host.asked()[0], "rpm-ostree deploy 41.1");
}

#[test]
fn an_image_that_can_not_be_had_is_named_and_nothing_boots() {
    for (deed, verb) in [(Deed::Fetch, "fetched"), (Deed::Upgrade, "deployed")] {
        let host = host();
        host.write("broken", "resolving...\nerror: Version 41.1 not found in fedora:coreos\n");
        let why = host.run(deed, "").unwrap_err();
        let expected = format!(
            "the image 41.1 can't be {verb}: error: Version 41.1 not found in fedora:coreos"
        );
        assert_eq!(why, expected);
        assert_eq!(at(&host.asked(), &["systemctl"]), None);
        assert!(!host.has("root/var/lib/drover/due"));
    }
}

#[test]
fn an_image_that_would_change_what_elasticsearch_needs_is_taken_back_and_not_booted() {
    for (by, package) in [
        ("Upgraded:\n  elasticsearch 8.19.0-1 -> 8.19.1-1", "elasticsearch"),
        ("Downgraded:\n  elasticsearch 8.19.0-1 -> 8.18.0-1", "elasticsearch"),
        ("Removed:\n  elasticsearch-8.19.0-1.x86_64", "elasticsearch"),
        ("Removed:\n  elasticsearch-1:8.19.0-1.x86_64", "elasticsearch"),
        ("Upgraded:\n  elasticsearch 1:8.19.0-1 -> 1:8.19.1-1", "elasticsearch"),
        ("Removed:\n  java-17-openjdk-headless-1:17.0.11.0.9-1.fc40.x86_64", "java-17-openjdk"),
        ("!elasticsearch-1:8.19.0-1-x86_64\n=elasticsearch-1:8.19.1-1-x86_64", "elasticsearch"),
        ("Upgraded:\n  bash 5.1 -> 5.2\n  java-17-openjdk-headless 1 -> 2", "java-17-openjdk"),
    ] {
        let host = differs(by);
        let why = host.run(Deed::Upgrade, "101").unwrap_err();
        assert!(why.starts_with(&format!("the image would change {package}")), "{by}: {why}");
        let asked = host.asked();
        assert_eq!(asked.last().unwrap(), "rpm-ostree cleanup --pending", "{asked:?}");
        assert_eq!(at(&asked, &["systemctl"]), None);
    }
    let host = differs("");
    host.write("untold", "");
    let why = host.run(Deed::Upgrade, "101").unwrap_err();
    assert!(why.starts_with("nobody can tell what the image would change"), "{why}");
    assert!(at(&host.asked(), &["cleanup", "--pending"]).is_some());
    // What has such a name in it is another package.
    let host = differs(
        "Upgraded:\n  elasticsearch-curator 5.8 -> 5.9\nRemoved:\n  \
         elasticsearch-curator-1:5.8-1.noarch\nAdded:\n  jq-1.7-1.x86_64",
    );
    assert_eq!(host.run(Deed::Upgrade, "101"), Err(BOOTED.into()));
}

#[test]
fn a_newer_image_that_would_change_elasticsearch_is_taken_back_like_one_that_was_named() {
    let host = Played::new(Family::Ostree);
    host.write("boots", "");
    host.write("differs", "Upgraded:\n  elasticsearch 8.19.0-1 -> 8.19.1-1\n");
    let why = host.run(Deed::Upgrade, "101").unwrap_err();
    assert!(why.starts_with("the image would change elasticsearch"), "{why}");
    let asked = host.asked();
    assert!(at(&asked, &["cleanup", "--pending"]).is_some(), "{asked:?}");
    assert_eq!(at(&asked, &["systemctl"]), None);
    assert!(!host.has("root/var/lib/drover/upgraded"));
}

#[test]
fn there_is_no_such_work_for_a_host_without_images() {
    let image = || Name::new(VERSION).unwrap();
    for (family, expected) in [(Family::Ostree, true), (Family::Fedora, false)] {
        let work = Work::fetch(("r-1", 1), family, None, "boot-1").unwrap();
        assert_eq!(work.with_image(image()).is_some(), expected, "{family}");
    }
    // Packages are another matter.
    let plain = Work::upgrade(("r-1", 1), Family::Ostree, None, None, "boot-1").unwrap();
    assert_ne!(plain.clone().with_image(image()), Some(plain));
}
