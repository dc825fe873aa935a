//! The machines boot from another image in turn, with people at work in the cluster. What stages images is the bed's stand-in
//! for rpm-ostree.

use drover::api::{
    cluster_status::ClusterStatus, host_status::RunStatus, rollout_status::RolloutKind,
};
use serde_json::json;

use super::{LONG, PASSWORD, ROLE, Stage, USER, VERSION, WHOLE};
use crate::{
    common::{
        hosts::{Host, Os, Settings},
        traffic::{Target, Traffic},
        wait::eventually,
    },
    world,
};

/// The version that hosts of the bed with images are offered.
const LATEST: &str = "40.20240519.3.0";

fn booted(host: &Host) -> String {
    host.inside("cat /var/lib/bed/booted")
}

impl Stage {
    async fn deploy(&self, request: &str, version: &str) {
        let deploy = json!({ "requestId": request, "version": version });
        self.cluster(&json!({ "operations": { "deploy": deploy } })).await;
    }

    /// Waits until the deploy of this id has come to its end, and returns the status.
    async fn deployed(&self, request: &str) -> ClusterStatus {
        self.cluster_within(WHOLE, &format!("deploy {request} is finished"), |cluster| {
            let status = cluster.status.clone().unwrap_or_default();
            let last = status.deploy.as_ref();
            let is_over =
                last.is_some_and(|it| it.request_id == request && it.status == RunStatus::Finished);
            if is_over && status.rollout.is_none() {
                Ok(())
            } else {
                Err(format!("{:#?}", (status.rollout, status.deploy)))
            }
        })
        .await
    }
}

#[tokio::test]
#[ignore = "minutes long: `make soak` runs it"]
async fn an_image_is_deployed_to_one_machine_after_the_other_and_by_its_checksum_to_none_again() {
    let elasticsearch = world::secured(VERSION).role(USER, ROLE).user(USER, PASSWORD, USER);
    let machines = vec![Settings::new(Os::Atomic); 3];
    let stage = Stage::with("deploy", elasticsearch, machines, |it| it).await;
    let (settings, before) = (stage.settings().await, stage.runs());
    for host in &stage.field.hosts {
        // Elasticsearch is a package that was added to the image, so that each new image is judged by it.
        host.inside("echo elasticsearch >>/var/lib/bed/installed");
        assert_ne!(booted(host), LATEST);
    }
    let traffic = Traffic::start(&Target::of(&stage.field.elasticsearch), "orders").await;
    stage.field.green().await;
    stage.deploy("one", LATEST).await;
    let status = stage.deployed("one").await;
    traffic.goes_on(20).await;
    let counted = traffic.finish().await;
    counted.assert_unharmed();
    assert_eq!(counted.most_down, 1, "{counted:#?}");

    let runs = stage.runs();
    for (at, host) in stage.field.hosts.iter().enumerate() {
        assert_ne!(runs[at].1, before[at].1, "es-{} has not booted", at + 1);
        assert_eq!(booted(host), LATEST);
        assert_eq!(host.inside("ls /var/lib/bed | grep -c staged || true"), "0");
        let name = format!("es-{}", at + 1);
        stage.event(&name, "ImageDeployed").await;
        stage
            .when(&name, &format!("it tells of {LATEST}"), |it| {
                let facts = it.status.as_ref().and_then(|it| it.facts.as_ref());
                let image = facts.and_then(|it| it.ostree.as_ref());
                let is_so = image.is_some_and(|it| it.booted.as_str() == LATEST);
                if is_so { Ok(()) } else { Err(format!("{image:?}")) }
            })
            .await;
    }
    stage.assert_nothing_left(&settings).await;
    let deploy = status.deploy.unwrap();
    assert_eq!(deploy.deployed, ["es-1", "es-2", "es-3"]);
    assert_eq!(deploy.version.as_str(), LATEST);
    assert!(deploy.in_process.is_empty() && deploy.failed.is_empty(), "{deploy:?}");
    assert!(deploy.finished_at.is_some_and(|it| deploy.started_at.0 < it.0));
    let [past] = &status.history[..] else { panic!("{:?}", status.history) };
    assert_eq!((past.kind, past.status), (RolloutKind::HostDeploy, RunStatus::Finished));
    assert_eq!((past.done, past.total), (3, 3));
    stage.cluster_until("Ready", "True").await;

    // By its checksum it is the one that is booted: nothing goes down for that.
    let sum = stage.field.hosts[0].inside("sha256sum </var/lib/bed/booted | cut -d ' ' -f 1");
    stage.deploy("two", &sum).await;
    let status = stage.deployed("two").await;
    let deploy = status.deploy.unwrap();
    assert_eq!((&*deploy.deployed, deploy.version.as_str()), (&names()[..], &*sum));
    assert_eq!(stage.runs(), runs, "a machine went down for what it had booted");
    stage.assert_nothing_left(&settings).await;

    // And the same request is none.
    stage.deploy("two", &sum).await;
    let again = stage.cluster_until("Ready", "True").await;
    assert_eq!((again.history.len(), stage.runs()), (2, runs));
    eventually("nothing of the runs stays on the machines", LONG, async || {
        let list = "systemctl list-units --all --plain --no-legend 'drover-image-*'";
        let left: String = stage.field.hosts.iter().map(|it| it.inside(list)).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
}

/// The names of all hosts, as the status lists them.
fn names() -> [String; 3] {
    ["es-1", "es-2", "es-3"].map(str::to_owned)
}
