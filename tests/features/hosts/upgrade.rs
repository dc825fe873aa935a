//! Upgrades of the packages of real machines, and images that are deployed to them. Their package managers are stand-ins, and the
//! test plays the Cluster.

use drover::api::host_status::{Operation, RunStatus};

use super::roll::Yard;
use crate::common::hosts::Os;

const KIND: &str = "HostUpgrade";

/// Which operation an answer ended, and how.
fn is_over(operation: &Operation) -> bool {
    matches!(operation.status, Some(RunStatus::Finished | RunStatus::Failed))
}

impl Yard {
    /// Permits to stop until the machine has upgraded its packages and booted: a machine that takes its time over
    /// the former asks for another permit.
    async fn upgrades(&self) {
        for attempt in 1..=3 {
            self.writes("Stop", attempt, false, 0).await;
            let object = self.answers("Stop", attempt, "over", is_over).await;
            let operation = object.status.unwrap().operation.unwrap();
            if operation.status == Some(RunStatus::Finished) {
                assert!(operation.touched, "it booted: {operation:?}");
                return;
            }
            let message = operation.message.as_ref().map(ToString::to_string).unwrap_or_default();
            assert!(message.contains("takes a permit of its own"), "{message}");
            assert!(!operation.touched, "it is up: {operation:?}");
        }
        panic!("it never boots");
    }

    fn waiting(&self) -> String {
        self.host.inside("cat /var/lib/bed/updates")
    }
}

/// A machine of this kind is upgraded, and boots for it.
async fn boots(name: &str, os: Os) -> Yard {
    let yard = Yard::on(name, KIND, os).await;
    let (boot, before) = (yard.host.boot_id().await, yard.waiting());
    yard.writes("Stage", 1, false, 0).await;
    yard.finishes("Stage", 1).await;
    assert_eq!((yard.waiting(), yard.starts()), (before, 1), "nothing is changed yet");
    yard.upgrades().await;
    yard.host.ready().await;
    assert_ne!(yard.host.boot_id().await, boot);
    assert_eq!(yard.host.inside("systemctl is-active elasticsearch.service"), "active");
    assert_eq!(yard.starts(), 2, "it was down once");
    assert_eq!(yard.host.inside("cat /var/lib/drover/upgraded"), "r-1");
    yard.stage.event("es", "Upgraded").await;
    yard
}

#[tokio::test]
async fn packages_of_debian_are_upgraded_and_the_machine_boots_where_it_has_to() {
    let yard = boots("upgrade-apt", Os::Debian).await;
    assert_eq!(yard.waiting(), "");
    // Another one finds nothing that would take a boot, and restarts nothing.
    yard.host.inside("rm /var/lib/drover/upgraded && echo openssl >/var/lib/bed/updates");
    let boot = yard.host.boot_id().await;
    yard.writes("Stage", 5, false, 0).await;
    yard.finishes("Stage", 5).await;
    yard.writes("Stop", 5, false, 0).await;
    let object = yard.finishes("Stop", 5).await;
    assert!(!object.status.unwrap().operation.unwrap().touched);
    assert_eq!((yard.waiting(), yard.starts()), (String::new(), 2));
    assert_eq!(yard.host.boot_id().await, boot);
    // Nothing of it stays on the machine once the run has gone on.
    yard.writes("Uncordon", 5, false, 0).await;
    yard.is_cleared().await;
}

#[tokio::test]
async fn packages_of_fedora_are_upgraded_and_the_machine_boots() {
    let yard = boots("upgrade-dnf", Os::Fedora).await;
    assert_eq!(yard.waiting(), "");
}

#[tokio::test]
async fn packages_of_suse_are_upgraded_and_the_machine_boots() {
    let yard = boots("upgrade-zypper", Os::Opensuse).await;
    assert_eq!(yard.waiting(), "");
}

#[tokio::test]
async fn a_newer_image_is_staged_and_booted() {
    let yard = boots("upgrade-ostree", Os::Atomic).await;
    let booted = yard.host.inside("cat /var/lib/bed/booted");
    assert_eq!(booted, yard.host.inside("cat /var/lib/bed/latest"));
}

#[tokio::test]
async fn an_image_is_deployed_once_and_one_that_nobody_has_takes_nothing_down() {
    let mut yard = Yard::on("image", "HostDeploy", Os::Atomic).await;
    let booted = |yard: &Yard| yard.host.inside("cat /var/lib/bed/booted");
    let (boot, before) = (yard.host.boot_id().await, booted(&yard));
    yard.target = "no-such-version/one".to_owned();
    yard.writes("Stage", 1, false, 0).await;
    let message = yard.fails("Stage", 1, false).await;
    let expected = "the image no-such-version can't be fetched: error: Version no-such-version";
    assert!(message.contains(expected), "{message}");
    let latest = yard.host.inside("cat /var/lib/bed/latest");
    yard.target = format!("{latest}/two");
    yard.writes("Stage", 2, false, 0).await;
    yard.finishes("Stage", 2).await;
    assert_eq!(yard.host.inside("ls /var/lib/bed | grep -c staged || true"), "0");
    assert_eq!((booted(&yard), yard.starts()), (before, 1), "nothing is changed yet");
    yard.upgrades().await;
    yard.host.ready().await;
    assert_ne!(yard.host.boot_id().await, boot);
    assert_eq!((booted(&yard), yard.starts()), (latest, 2), "it was down once");
    assert_eq!(yard.host.inside("systemctl is-active elasticsearch.service"), "active");
    yard.stage.event("es", "ImageDeployed").await;
    // What has booted it already is left alone.
    yard.writes("Stage", 5, false, 0).await;
    let object = yard.finishes("Stage", 5).await;
    assert_eq!(object.status.unwrap().operation.unwrap().unit, None);
    assert_eq!(yard.starts(), 2);
}

#[tokio::test]
async fn an_upgrade_that_would_change_elasticsearch_or_fails_is_told_and_elasticsearch_runs_on() {
    let yard = Yard::on("upgrade-blocked", KIND, Os::Debian).await;
    yard.host.inside("apt-get install elasticsearch && echo elasticsearch >>/var/lib/bed/updates");
    yard.writes("Stage", 1, false, 0).await;
    let message = yard.fails("Stage", 1, false).await;
    assert!(message.contains("would change elasticsearch, which Elasticsearch needs"), "{message}");
    yard.host.inside("echo openssl >/var/lib/bed/updates");
    yard.writes("Stage", 2, false, 0).await;
    yard.finishes("Stage", 2).await;
    yard.host.failing_command(
        "apt-get",
        100,
        "E: Sub-process /usr/bin/dpkg returned an error code",
    );
    yard.writes("Stop", 2, false, 0).await;
    let message = yard.fails("Stop", 2, false).await;
    assert!(message.contains("Sub-process /usr/bin/dpkg"), "{message}");
    yard.stage.event("es", "UpgradeFailed").await;
    assert_eq!(yard.starts(), 1);
    assert_eq!(yard.host.inside("apt-mark showhold"), "", "nothing stays held");
}
