//! A machine's part in a run over the hosts of its Cluster: the test plays the Cluster, and a service
//! that only runs plays Elasticsearch.

use drover::api::{
    cluster::Cluster,
    host::Host as HostObject,
    host_status::{Operation, RunStatus},
};
use jiff::Timestamp;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{SOON, Stage};
use crate::common::{
    hosts::{Footprint, Host, Os, Settings},
    proxy::{Answer, Fault},
    wait::eventually,
};

const UNIT: &str = "/etc/systemd/system/elasticsearch.service";
/// It counts its starts, and does not start while it is told so.
const SERVICE: &str = "[Service]
Type=exec
ExecStartPre=/bin/sh -c '! test -e /etc/broken || { echo the heap of 0m is too small; echo password: s3cret; exit 1; }'
ExecStartPre=/bin/sh -c 'echo started >>/var/lib/starts'
ExecStartPre=/bin/sh -c 'sleep $(cat /etc/slow 2>/dev/null || echo 0)'
ExecStart=/opt/java /opt/run org.elasticsearch.bootstrap.Elasticsearch
[Install]
WantedBy=multi-user.target";

/// A machine with the service, in a Cluster whose run the test writes.
pub struct Yard {
    pub stage: Stage,
    pub host: Host,
    uid: String,
    kind: &'static str,
    /// What stood on the machine before its Host was declared.
    footprint: Footprint,
    /// What the run leads to.
    pub target: String,
}

impl Yard {
    async fn new(name: &str, kind: &'static str) -> Self {
        Self::on(name, kind, Os::Debian).await
    }

    pub async fn on(name: &str, kind: &'static str, os: Os) -> Self {
        // Without a Lease, a process that follows one that was killed begins at once.
        let stage = Stage::with(name, |it| it.switch("--leader-elect=false")).await;
        let host = Settings::new(os).start().await;
        host.write("/opt/run", "while :; do sleep 1; done");
        host.write(UNIT, SERVICE);
        host.inside("cp /bin/bash /opt/java && systemctl daemon-reload");
        host.inside("systemctl --quiet enable --now elasticsearch.service");
        let footprint = Footprint::of(&host);
        // The Cluster's own controller has no word in these runs.
        let conflict = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict",
            "message": "somebody else plays the Cluster", "code": 409,
        });
        stage.kubernetes.inject(
            |it| it.is_write() && it.path.ends_with("/clusters/es/status"),
            Fault::Answer(Answer::json(409, &conflict)),
        );
        let cluster = json!({
            "apiVersion": "drover.dev/v1alpha1", "kind": "Cluster", "metadata": { "name": "es" },
            "spec": { "connection": { "endpoints": ["http://127.0.0.1:9"] } },
        });
        stage.apply(&cluster).await;
        stage.host("es", &host, &json!({ "clusterRef": { "name": "es" } })).await;
        let object = stage
            .when("es", "it tells of its service", |it| {
                let told = it.status.as_ref().and_then(|it| it.elasticsearch.as_ref());
                match told {
                    Some(told) if told.state.as_str() == "active" => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            })
            .await;
        let (uid, target) = (object.metadata.uid.unwrap(), "once".to_owned());
        Self { stage, host, uid, kind, footprint, target }
    }

    /// The Cluster's run has this for the machine since then.
    pub async fn writes(&self, step: &str, attempt: u32, touched: bool, age: i64) {
        let then = Timestamp::from_second(Timestamp::now().as_second() - age).unwrap().to_string();
        let place = json!({
            "name": "es", "hostUid": self.uid, "step": step, "attempt": attempt,
            "startedAt": then, "touched": touched,
        });
        let run = json!({
            "runId": "r-1", "kind": self.kind, "target": self.target, "hosts": [place],
            "startedAt": then,
        });
        self.patch(&run).await;
    }

    async fn patch(&self, run: &Value) {
        let clusters: Api<Cluster> =
            Api::namespaced(self.stage.client.clone(), &self.stage.namespace);
        let patch = Patch::Merge(json!({ "status": { "rollout": run, "conditions": [] } }));
        clusters.patch_status("es", &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until the machine's answer to this permit is as it shall be.
    pub async fn answers(
        &self,
        step: &str,
        attempt: u32,
        what: &str,
        is: impl Fn(&Operation) -> bool,
    ) -> HostObject {
        self.stage
            .when("es", &format!("{step}/{attempt} is {what}"), |it| {
                let operation = it.status.as_ref().and_then(|it| it.operation.as_ref());
                let operation = operation.ok_or("it is at no run")?;
                let is_it = operation.step == step && operation.attempt == attempt;
                if is_it && is(operation) { Ok(()) } else { Err(format!("{operation:?}")) }
            })
            .await
    }

    pub async fn finishes(&self, step: &str, attempt: u32) -> HostObject {
        self.answers(step, attempt, "finished", |it| it.status == Some(RunStatus::Finished)).await
    }

    pub async fn fails(&self, step: &str, attempt: u32, touched: bool) -> String {
        let is = |it: &Operation| it.status == Some(RunStatus::Failed) && it.touched == touched;
        let object = self.answers(step, attempt, "failed", is).await;
        let message = object.status.unwrap().operation.unwrap().message;
        message.map(|it| it.to_string()).unwrap_or_default()
    }

    pub fn starts(&self) -> usize {
        self.host.inside("cat /var/lib/starts").lines().count()
    }

    /// Waits until nothing of the run's units is left on the machine.
    pub async fn is_cleared(&self) {
        eventually("its units are gone", SOON, async || {
            let list = "systemctl list-units --all --plain --no-legend 'drover-r-1-*'";
            let units = self.host.inside(list);
            if units.is_empty() { Ok(()) } else { Err(units) }
        })
        .await;
    }

    /// Nothing was installed on the machine, and no file was changed but by the test.
    fn assert_nothing_installed(&self) {
        self.host.inside("rm -f /etc/slow");
        assert_eq!(self.footprint.changes(&self.host), [""; 0]);
    }

    fn invocation(&self) -> String {
        self.host.inside("systemctl show -p InvocationID --value elasticsearch.service")
    }

    fn main_pid(&self) -> u32 {
        let pid = self.host.inside("systemctl show -p MainPID --value elasticsearch.service");
        pid.parse().unwrap()
    }
}

#[tokio::test]
async fn a_permit_restarts_elasticsearch_once_whoever_dies_on_the_way_and_only_while_it_is_fresh() {
    let mut yard = Yard::new("roll", "ElasticsearchRestart").await;
    let before = yard.stage.hosts().get("es").await.unwrap().status.unwrap();
    let told = before.elasticsearch.unwrap();
    assert_eq!(told.invocation_id.unwrap().as_str(), yard.invocation());
    // The machine's processes are numbered as those numbers are told within it.
    assert!(told.processes.contains(&yard.main_pid()), "{:?}", told.processes);
    let address = yard.host.address();
    assert!(told.addresses.iter().any(|it| it.as_str() == address), "{:?}", told.addresses);
    assert_eq!(told.other_processes, Vec::<u32>::new());

    yard.writes("Stage", 1, false, 0).await;
    yard.finishes("Stage", 1).await;
    // What was judged a minute ago may be otherwise by now.
    yard.writes("Stop", 1, false, 60).await;
    let message = yard.fails("Stop", 1, false).await;
    assert!(message.contains("too old"), "{message}");
    // A permit that is taken back while nobody reaches the machine is not followed.
    yard.host.reset_connections();
    yard.stage.tells("es", "Reachable", "False", "Unreachable").await;
    yard.writes("Stop", 2, false, 0).await;
    yard.writes("Withdraw", 2, false, 0).await;
    yard.host.mend_network();
    yard.stage.until("es", "Reachable", "True").await;
    yard.stage.look_anew("es").await;
    assert_eq!(yard.starts(), 1);

    // The operator dies while the service starts, and the next one does nothing but look.
    yard.host.inside("echo 3 >/etc/slow");
    yard.writes("Stop", 3, false, 0).await;
    eventually("the work is begun", SOON, async || {
        let state = yard.host.inside("systemctl show -p LoadState --value drover-r-1-3.service");
        if state == "loaded" { Ok(()) } else { Err(state) }
    })
    .await;
    yard.stage.operator.kill();
    yard.stage.operator.restart().await;
    yard.finishes("Stop", 3).await;
    yard.stage.event("es", "Restarted").await;
    let invocation = yard.invocation();
    yard.stage
        .when("es", "its new run is told", |it| {
            let told = it.status.as_ref().and_then(|it| it.elasticsearch.clone());
            let told = told.ok_or("nothing is told")?;
            let is_new = told.invocation_id.as_ref().is_some_and(|it| it.as_str() == invocation);
            if is_new { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    // And one that finds it done does nothing either.
    yard.stage.operator.kill();
    yard.stage.operator.restart().await;
    yard.writes("Rejoin", 3, true, 0).await;
    yard.stage.until("es", "Ready", "True").await;
    yard.patch(&Value::Null).await;
    yard.stage
        .when("es", "the run is over", |it| {
            let operation = it.status.as_ref().and_then(|it| it.operation.as_ref());
            operation.map_or(Ok(()), |it| Err(format!("{it:?}")))
        })
        .await;
    assert_eq!((yard.starts(), yard.invocation()), (2, invocation));
    yard.assert_nothing_installed();
}

#[tokio::test]
async fn a_service_that_does_not_start_is_told_in_its_own_words_and_is_finished_once_it_is_mended()
{
    let yard = Yard::new("roll-broken", "ElasticsearchRestart").await;
    yard.host.inside("touch /etc/broken");
    yard.writes("Stop", 1, false, 0).await;
    let message = yard.fails("Stop", 1, true).await;
    assert!(message.contains("the heap of 0m is too small"), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
    yard.stage.event("es", "RestartFailed").await;
    // Another attempt fails in the same way, whenever it comes.
    yard.writes("Stop", 2, true, 600).await;
    yard.fails("Stop", 2, true).await;
    yard.host.inside("rm /etc/broken && systemctl reset-failed && systemctl start elasticsearch");
    yard.finishes("Stop", 2).await;
    assert_eq!(yard.starts(), 2);
    // Nothing of it stays on the machine.
    yard.is_cleared().await;
}

#[tokio::test]
async fn a_reboot_is_proven_by_another_boot_in_which_elasticsearch_runs() {
    let yard = Yard::new("roll-reboot", "HostRestart").await;
    let boot = yard.host.boot_id().await;
    // Nobody starts it at boot.
    yard.host.inside("systemctl --quiet disable elasticsearch.service");
    yard.writes("Stop", 1, false, 0).await;
    yard.finishes("Stop", 1).await;
    yard.host.ready().await;
    assert_ne!(yard.host.boot_id().await, boot);
    assert_eq!(yard.host.inside("systemctl is-active elasticsearch.service"), "active");
    assert_eq!(yard.starts(), 2);
    yard.stage.event("es", "Rebooted").await;
    yard.stage
        .when("es", "its new boot is told", |it| {
            let facts = it.status.as_ref().and_then(|it| it.facts.as_ref());
            let told = facts.map(|it| it.boot_id.to_string()).unwrap_or_default();
            if told == boot { Err(told) } else { Ok(()) }
        })
        .await;
    // As it was when its Host was declared.
    yard.host.inside("systemctl --quiet enable elasticsearch.service");
    yard.assert_nothing_installed();
}
