//! What a Host does about the Elasticsearch that Drover runs on its machine. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    deployed, is_home, is_unpacked, record,
    wish::{Basis, Wanted, Wish},
};
use crate::{
    api::{
        condition::whole_second,
        host::Host,
        host_status::{Operation, OperationKind, OsFamily, RunStatus},
        index::DriftPolicy,
    },
    controllers::{
        deployment::may_hold_shards,
        flannel::family,
        host::{
            observe::{Observed, pinned},
            operation,
            plan::Stand,
            treatment::known_family,
        },
    },
    ssh::{
        deploy::{
            Source,
            care::{Aim, Care},
            installation::{Installation, Outcome, unfit},
            job::Job,
            report::{DataDirectory, Report, Standing},
        },
        path::RemotePath,
        treatment::Deed,
    },
};

/// How much of a revision names an installation.
const SHORT: usize = 12;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put on record that Elasticsearch comes to the machine, if what that was decided on is so.
    Begin(Box<Operation>, Basis),
    /// Take that off the record: it is done.
    End,
    /// Take it off the record: nobody wants it any more.
    Drop,
}

/// How Elasticsearch shall be on the machine, as far as that takes no restart; nothing where nothing
/// is done about it.
#[must_use]
pub fn aim(host: &Host, wish: &Wish) -> Option<Aim> {
    match wish {
        Wish::Nothing | Wish::Leaves { .. } | Wish::Drains { .. } | Wish::Unknown { .. } => None,
        Wish::NotOwned { deployment, .. } => Some(Aim::Seen(deployment.clone())),
        Wish::Remove(removal) => Some(Aim::Gone(removal.clone())),
        Wish::Deploy(wanted) => Some(Aim::Kept(Box::new(Care {
            deployment: wanted.deployment.clone(),
            authority: wanted.authority.clone(),
            name: host.metadata.name.as_deref().unwrap_or_default().into(),
            names: wanted.plan.names.clone(),
            cluster_uuid: wanted.uuid.clone(),
            is_begun: record(host).is_some(),
            prunes: !wanted.is_rolling && record(host).is_none(),
            is_left_alone: host.spec.drift_policy == DriftPolicy::Report
                && is_settled(host, wanted),
        }))),
    }
}

/// Whether Drover has written all that needs no restart as it shall be, and all that differs is
/// somebody else's change.
#[must_use]
pub fn is_settled(host: &Host, wanted: &Wanted) -> bool {
    let settled = deployed(host).and_then(|it| it.settled.as_ref());
    settled.is_some_and(|it| *it.as_str() == *wanted.deployment.digest())
}

/// What is to come to the machine by what is on record; nothing where nothing is, or it is not known
/// yet how.
#[must_use]
pub fn installation(host: &Host, wish: &Wish) -> Option<Installation> {
    let Wish::Deploy(wanted) = wish else { return None };
    let (operation, starts) = match record(host) {
        Some(operation) if operation.run_id == run_id(wanted) => (operation, true),
        Some(_) => return None,
        None => (operation::record(host).filter(|_| operation::is_staging(host))?, false),
    };
    if starts && (host.spec.paused || is_unformed(wanted)) {
        return None;
    }
    let java_home = wanted.plan.java_home.as_deref().and_then(|it| RemotePath::new(it).ok());
    let source = match &wanted.digest {
        Some(Ok(sha512)) => Some(Source {
            url: wanted.plan.archive.url.clone(),
            sha512: sha512.clone(),
            java_home,
            family: known_family(host).map(|it: OsFamily| family(it)),
        }),
        None if is_unpacked(host, &wanted.deployment.version) => None,
        Some(Err(_)) | None => return None,
    };
    Some(Installation {
        run: operation.run_id.as_str().into(),
        attempt: operation.attempt,
        deployment: wanted.deployment.clone(),
        source,
        cluster_uuid: wanted.uuid.clone(),
        starts,
    })
}

/// Whether no cluster is known that the host would join, nor is it on record that it forms one: a node that
/// is started now would wait for ever. What was begun goes on once one of them is so.
#[must_use]
pub fn is_unformed(wanted: &Wanted) -> bool {
    wanted.uuid.is_none() && !wanted.may_install
}

/// Decides the next step. `is_looked_into` says whether the machine was seen as it is to be watched
/// from now on.
#[must_use]
pub fn next(
    host: &Host,
    seen: &Observed,
    stand: &Stand,
    is_looked_into: bool,
    now: Timestamp,
) -> Option<Step> {
    let Wish::Deploy(wanted) = &seen.elasticsearch else {
        return record(host).map(|_| Step::Drop);
    };
    let is_ours = matches!(stand, Stand::Ours(machine) if pinned(host) == Some(machine));
    let is_seen = is_ours && is_looked_into;
    // What is in service is changed by a run alone, and that waits for the installation to go.
    if is_seen && report(seen).is_some_and(|it| is_in_service(it, wanted)) {
        return record(host).map(|_| Step::Drop);
    }
    if let Some(operation) = record(host)
        && operation.run_id == run_id(wanted)
    {
        let done = installation(host, &seen.elasticsearch)?;
        let outcome = seen.view.installed(&done)?.as_ref().ok()?;
        return matches!(outcome, Outcome::Done(_)).then_some(Step::End);
    }
    if !is_seen {
        return None;
    }
    match held_back(host, seen, wanted) {
        None => Some(Step::Begin(Box::new(begun(host, wanted, now)), wanted.basis.clone())),
        // Another one than is wanted by now.
        Some(_) => record(host).map(|_| Step::Drop),
    }
}

/// Why Elasticsearch does not come to the machine now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// It is there.
    Runs,
    /// What is there is in service, and is something else: a run over the hosts changes it.
    InService,
    /// Nobody has seen yet what is there.
    Unseen,
    /// There is no cluster to join yet, and it is not on record that this host forms one.
    Unformed,
    /// A person holds it back, by this field of the spec.
    Paused(&'static str),
    /// Mode Plan of the Cluster of this name holds it back.
    Planned(String),
    /// A run over the hosts has the machine in hand.
    InRun,
    /// It was stopped, and only reported under this policy.
    Reported,
    /// What is there stands in the way, in these words.
    Unfit(String),
    /// Somebody else's Elasticsearch runs there.
    Foreign,
    /// It is on its way, or systemd tries again.
    Comes,
    /// Another version has data there, by its name: a run brings the declared one, behind its gates.
    Other(String),
    /// It has data that may be shards, and would be given roles that hold none.
    HoldsShards,
    /// The cluster that it would join runs this version, and no run has brought the declared one to
    /// all its nodes; nothing where nobody knows which it runs.
    Ahead(Option<String>),
}

/// Why Elasticsearch does not come to the machine now; nothing where it does.
#[must_use]
pub fn held_back(host: &Host, seen: &Observed, wanted: &Wanted) -> Option<HeldBack> {
    let Some(report) = report(seen) else { return Some(HeldBack::Unseen) };
    if wanted.deployment.is_running(report) {
        return Some(HeldBack::Runs);
    }
    if operation::record(host).is_some() || seen.errand.is_some() {
        return Some(HeldBack::InRun);
    }
    if is_in_service(report, wanted) {
        return Some(HeldBack::InService);
    }
    if let Some(why) = unfit(report, wanted.uuid.as_deref()) {
        return Some(HeldBack::Unfit(why));
    }
    if !wanted.may_install {
        return Some(HeldBack::Unformed);
    }
    if let Some(why) = ungated(report, wanted) {
        return Some(why);
    }
    let is_put = report.revision.as_deref() == Some(&*wanted.deployment.revision);
    if !wanted.plan.holds_data && !is_put && may_hold_shards(host) {
        return Some(HeldBack::HoldsShards);
    }
    let others = seen.view.checked.as_deref().and_then(|it| it.service.as_ref());
    match others {
        Some(Ok(service)) if service.other_processes.is_empty() => {}
        Some(Ok(_)) => return Some(HeldBack::Foreign),
        Some(Err(_)) | None => return Some(HeldBack::Unseen),
    }
    let held = [
        (host.spec.paused, "spec.paused"),
        (host.spec.maintenance, "spec.maintenance"),
        (wanted.is_paused, "spec.paused of the Cluster"),
    ];
    if let Some((_, field)) = held.into_iter().find(|it| it.0) {
        return Some(HeldBack::Paused(field));
    }
    if let Some(cluster) = &seen.held_by {
        return Some(HeldBack::Planned(cluster.clone()));
    }
    let is_whole = seen.treated().and_then(|it| it.as_ref().ok());
    if !is_whole.is_some_and(|it| it.is_whole() && it.deed == Deed::Prepare) {
        return Some(HeldBack::Unseen);
    }
    if host.spec.drift_policy == DriftPolicy::Report && is_put {
        return Some(HeldBack::Reported);
    }
    (!report.is_down()).then_some(HeldBack::Comes)
}

/// Whether something else runs there than is wanted.
fn is_in_service(report: &Report, wanted: &Wanted) -> bool {
    report.is_active() && report.running.is_some() && !wanted.deployment.is_running(report)
}

/// Why the declared version would come past the gates of a run. Once all others run it, they were
/// open; a cluster that is about to be formed has none.
fn ungated(report: &Report, wanted: &Wanted) -> Option<HeldBack> {
    let version = &wanted.deployment.version;
    let before = report.current.as_deref().filter(|_| report.data == DataDirectory::Used);
    match (before, &wanted.running) {
        (_, Some(running)) if running == version => None,
        (Some(before), _) if before == &**version => None,
        (Some(before), _) => Some(HeldBack::Other(before.to_owned())),
        (None, None) if wanted.uuid.is_none() => None,
        (None, running) => Some(HeldBack::Ahead(running.as_deref().map(str::to_owned))),
    }
}

/// How Drover's Elasticsearch is on the machine, where that was told.
#[must_use]
pub fn report(seen: &Observed) -> Option<&Report> {
    match seen.treated()?.as_ref().ok()?.elasticsearch.as_ref()? {
        Standing::There(report) => Some(report),
        Standing::Gone => None,
    }
}

/// Names the installation of what is wanted.
#[must_use]
pub fn run_id(wanted: &Wanted) -> String {
    let revision = &wanted.deployment.revision;
    format!("install-{}", revision.get(..SHORT).unwrap_or(revision))
}

fn begun(host: &Host, wanted: &Wanted, now: Timestamp) -> Operation {
    let run_id = run_id(wanted);
    let word = if is_home(host) { "Start" } else { "Fetch" };
    Operation {
        unit: Some(Job::swap(&run_id, 1).unit()),
        run_id,
        kind: OperationKind::InstallElasticsearch,
        step: word.into(),
        attempt: 1,
        started_at: Time(whole_second(now)),
        deadline: None,
        boot_id_before: None,
        elasticsearch_unit: None,
        target: None,
        previous: None,
        image: None,
        cordoned_by_us: false,
        invocation_id_before: None,
        status: Some(RunStatus::InProcess),
        message: None,
        touched: false,
        vain: false,
    }
}
