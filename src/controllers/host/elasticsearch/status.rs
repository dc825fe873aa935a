//! What the status tells of the Elasticsearch on a machine, and what people should hear of it. Pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    apply::Ending,
    plan::{Step, installation},
    record,
    wish::Wish,
};
use crate::{
    api::{
        condition::whole_second,
        host::Host,
        host_status::{
            DataDirectory, DeployedElasticsearch, HostElasticsearch, HostStatus, Operation,
            PastOperation, RunStatus,
        },
        line::Line,
    },
    authority::{
        MOST_TRUSTED,
        trust::{fingerprints, signer},
    },
    controllers::host::{observe::Observed, prepared::remember},
    deploy::node::NodePlan,
    kubernetes::events::Notice,
    ssh::deploy::{
        care::Aim,
        installation::Outcome,
        is_about,
        report::{self, Report, Standing},
    },
    tls::expires,
};

/// How many versions the status lists.
const VERSIONS: usize = 16;
/// systemd's word for a unit that could not be looked at.
pub const UNSEEN: &str = "unknown";

/// How it is; as it was `before` while nothing is known anew of `machine`, the one that is meant. What
/// Drover has installed was seen since it was last changed where it `is_seen`.
#[must_use]
pub fn shown(
    before: Option<&HostElasticsearch>,
    seen: &Observed,
    machine: Option<&str>,
    is_seen: bool,
) -> Option<HostElasticsearch> {
    let unit = seen.unit.as_ref()?;
    let told = seen.view.checked.as_deref().and_then(|it| it.service.as_ref());
    let before = before.filter(|it| it.unit.as_str() == unit.as_str());
    let Some(told) = told.filter(|_| machine.is_some()) else { return before.cloned() };
    let known = before.and_then(|it| it.deployed.as_ref());
    let deployed = if is_seen { deployed(known, seen) } else { known.cloned() };
    let Ok(service) = told else {
        // What could not be looked at may be otherwise by now; what is on the disk is there still.
        return deployed.map(|it| HostElasticsearch {
            unit: Line::new(unit.as_str()),
            state: Line::new(UNSEEN),
            deployed: Some(it),
            ..HostElasticsearch::default()
        });
    };
    Some(HostElasticsearch {
        unit: Line::new(unit.as_str()),
        state: Line::new(service.unit.word()),
        invocation_id: service.unit.invocation.as_deref().map(Line::new),
        restarts: Some(service.unit.restarts).filter(|it| *it != 0),
        processes: service.processes.iter().copied().collect(),
        other_processes: service.other_processes.iter().copied().collect(),
        addresses: service.addresses.iter().map(|it| Line::new(&it.to_string())).collect(),
        deployed,
    })
}

/// What Drover has installed there.
fn deployed(
    before: Option<&DeployedElasticsearch>,
    seen: &Observed,
) -> Option<DeployedElasticsearch> {
    let treated = seen.treated().and_then(|it| it.as_ref().ok());
    let Some(treated) = treated else { return before.cloned() };
    let report = match &treated.elasticsearch {
        None => return before.cloned(),
        Some(Standing::Gone) => return None,
        Some(Standing::There(report)) => report,
    };
    let is_settled = report.is_there() && !treated.left.iter().any(|it| is_about(&it.path));
    let aim = seen.watched.as_ref().and_then(|it| it.treatment.as_ref()?.elasticsearch.as_ref());
    let settled = match aim {
        Some(Aim::Kept(care)) if is_settled && !care.retains(report) => {
            Some(Line::new(&care.deployment.digest()))
        }
        _ => before.and_then(|it| it.settled.clone()),
    };
    Some(DeployedElasticsearch { settled, ..with_doubts(before, report, &seen.elasticsearch) })
}

/// How the machine is, with what its node may hold and have a say in.
pub(in super::super) fn with_doubts(
    before: Option<&DeployedElasticsearch>,
    report: &Report,
    wish: &Wish,
) -> DeployedElasticsearch {
    let of = before.and_then(|it| it.may_hold_shards_revision.as_ref()).map(Line::as_str);
    let known = |may: Option<bool>| Some((may?, of));
    let shards = known(before.and_then(|it| it.may_hold_shards));
    let votes = known(before.and_then(|it| it.may_vote));
    let (may_hold_shards, of_shards) = may_have(shards, report, wish, |it| it.holds_data).unzip();
    let (may_vote, of_votes) = may_have(votes, report, wish, |it| it.votes).unzip();
    // Where both are known they are by the same settings.
    let may_hold_shards_revision = of_shards.or(of_votes).flatten();
    DeployedElasticsearch { may_hold_shards, may_vote, may_hold_shards_revision, ..told(report) }
}

/// Whether the node there may have what roles give, and the settings by which that is known: by the roles of
/// what runs or was put there, where that is known to be what is wanted, and else by what was `known` before,
/// as long as nothing else is there.
fn may_have(
    known: Option<(bool, Option<&str>)>,
    report: &Report,
    wish: &Wish,
    gives: impl Fn(&NodePlan) -> bool,
) -> Option<(bool, Option<Line<64>>)> {
    if matches!(report.data, report::DataDirectory::Missing | report::DataDirectory::Empty) {
        // Whatever runs there may have some at the next look.
        return Some((false, None));
    }
    let is_down = report.running.is_none();
    if let Wish::Deploy(wanted) = wish {
        let is_put = report.revision.as_deref() == Some(&*wanted.deployment.revision);
        let runs = wanted.deployment.is_running(report);
        let has = gives(&wanted.plan);
        // What had none has none either after starts that nobody saw without such a role.
        let is_as_bare = !has && is_down && known.is_some_and(|(may, _)| !may);
        if runs || is_put && (has || is_as_bare) {
            return Some((has, Some(Line::new(&wanted.deployment.revision))));
        }
    }
    let running = report.running.as_ref().map(|it| &*it.revision);
    let there = running.or(report.revision.as_deref());
    let (may, of) = known.filter(|(_, of)| there.is_none() || there == *of)?;
    Some((may, of.map(Line::new)))
}

/// How the machine is, as the status tells it.
#[must_use]
pub fn told(report: &Report) -> DeployedElasticsearch {
    let running = report.running.as_ref();
    DeployedElasticsearch {
        version: running.map(|it| Line::new(&it.version)),
        revision: running.map(|it| Line::new(&it.revision)),
        http_port: report.http_port,
        staged: report.trees.keys().take(VERSIONS).map(|it| Line::new(it)).collect(),
        cluster_uuid: report.cluster_uuid.as_deref().map(Line::new),
        data: match report.data {
            report::DataDirectory::Unknown => DataDirectory::Unknown,
            report::DataDirectory::Missing => DataDirectory::Missing,
            report::DataDirectory::Empty => DataDirectory::Empty,
            report::DataDirectory::Used => DataDirectory::Used,
        },
        certificate_expires: expires(report.certificate.as_bytes())
            .map(|it| Time(whole_second(it))),
        signed_by: signer(report.certificate.as_bytes()).map(|it| Line::new(&it)),
        trusts: fingerprints(report.authorities.as_bytes())
            .iter()
            .take(MOST_TRUSTED)
            .map(|it| Line::new(it))
            .collect(),
        settled: None,
        may_hold_shards: None,
        may_vote: None,
        may_hold_shards_revision: None,
    }
}

/// Puts into `status` how far the installation is, and one that is over into its history.
pub fn record_installation(
    status: &mut HostStatus,
    host: &Host,
    seen: &Observed,
    (step, ending): (Option<&Step>, Ending),
    now: Timestamp,
) {
    match (step, ending) {
        (Some(Step::Begin(operation, _)), Ending::Begun) => {
            status.operation = Some((**operation).clone());
            return;
        }
        (Some(Step::End), Ending::Over) => {
            if let Some(operation) = record(host) {
                let past = past(operation, RunStatus::Finished, None, now);
                remember(&mut status.history, past);
            }
            status.operation = None;
            return;
        }
        (Some(Step::Drop), Ending::Over) => {
            status.operation = None;
            return;
        }
        _ => {}
    }
    let (Some(before), Some(installation)) =
        (record(host), installation(host, &seen.elasticsearch))
    else {
        return;
    };
    let Some(Ok(outcome)) = seen.view.installed(&installation) else { return };
    let mut operation = before.clone();
    let (word, message) = match outcome {
        Outcome::Fetching => (Some("Fetch"), None),
        Outcome::Starting => (Some("Start"), None),
        Outcome::Failed(why) | Outcome::Refused(why) => (None, Some(Line::new(why))),
        Outcome::Done(_) => return,
    };
    if let Some(word) = word {
        operation.step = word.into();
    }
    let failed = message.is_some();
    operation.status = Some(if failed { RunStatus::Failed } else { RunStatus::InProcess });
    if failed && before.message != message {
        let past = past(&operation, RunStatus::Failed, message.clone(), now);
        remember(&mut status.history, past);
    }
    operation.message = message;
    status.operation = Some(operation);
}

fn past(
    operation: &Operation,
    status: RunStatus,
    reason: Option<Line<1024>>,
    now: Timestamp,
) -> PastOperation {
    PastOperation {
        run_id: operation.run_id.clone(),
        kind: operation.kind,
        status,
        step: operation.step.clone(),
        reason,
        started_at: operation.started_at.clone(),
        finished_at: Time(whole_second(now)),
    }
}

/// What people should hear of between two statuses.
#[must_use]
pub fn notices(
    host: &Host,
    (step, ending): (Option<&Step>, Ending),
    after: &HostStatus,
) -> Vec<Notice> {
    let notice = match (step, ending) {
        (Some(Step::Begin(operation, _)), Ending::Begun) => {
            let note = format!("{}: Elasticsearch comes to the machine", operation.run_id);
            Notice::normal("InstallationBegun", "Install", note)
        }
        (Some(Step::End), Ending::Over) => {
            Notice::normal("ElasticsearchInstalled", "Install", "Elasticsearch runs, as declared")
        }
        _ => {
            let (Some(before), Some(now)) = (record(host), after.operation.as_ref()) else {
                return Vec::new();
            };
            let is_new = before.run_id == now.run_id && before.message != now.message;
            let Some(message) = now.message.as_ref().filter(|_| is_new) else { return Vec::new() };
            Notice::warning("InstallationFailed", "Install", message.as_str())
        }
    };
    vec![notice]
}
