//! The hosts of a Cluster, as a run sees them. Pure.

use std::{collections::BTreeSet, net::IpAddr};

use kube::ResourceExt as _;

use crate::{
    api::{
        condition::find,
        host::{Host, conditions},
        host_status::{HostElasticsearch, Operation, OperationKind, OsFamily, RunStatus},
        line::Line,
        rollout_status::RolloutStep,
    },
    controllers::deployment,
    elasticsearch::evidence::Evidence,
    rollout::{
        hosts::{Answer, Match, Member, Progress},
        matching::{self, Report},
        roles::Roles,
    },
};

use super::record;

/// What has to be so before a host is worked on.
const NEEDED: [&str; 4] =
    [conditions::ACCEPTED, conditions::RESOLVED_REFS, conditions::REACHABLE, conditions::INSPECTED];

/// The member that `host` is. Which nodes run there is not known without `evidence`, and which roles they
/// are to have is for [`super::outdated::Outdated`] to say.
#[must_use]
pub fn member(host: &Host, evidence: Option<&Evidence>) -> Member {
    let status = host.status.as_ref();
    // Where the service could not be looked at, nobody knows what runs.
    let told = status.and_then(|it| it.elasticsearch.as_ref());
    let told = told.filter(|it| it.state.as_str() != "unknown");
    let addresses = addresses(host, told);
    let nodes = match evidence {
        Some(evidence) => nodes(told, &addresses, evidence),
        None => Match::Unknown("Elasticsearch can't be asked".into()),
    };
    let operation = status.and_then(|it| it.operation.as_ref());
    let facts = status.and_then(|it| it.facts.as_ref());
    Member {
        name: host.name_any().into(),
        uid: host.metadata.uid.as_deref().unwrap_or_default().into(),
        addresses,
        nodes,
        runs: told.is_some_and(|it| !it.processes.is_empty()),
        others_run: told.is_some_and(|it| !it.other_processes.is_empty()),
        is_home: told.is_some_and(|it| it.state.as_str() != "not-found"),
        is_failing: told.and_then(|it| it.restarts).is_some_and(|it| 1 < it),
        roles: Roles::Unknown,
        may_hold_shards: deployment::may_hold_shards(host),
        fit: fit(host),
        has_images: facts.map(|it| it.os.family == Some(OsFamily::Ostree)),
        in_maintenance: host.spec.maintenance,
        is_cordoned: operation.is_some_and(|it| it.cordoned_by_us),
        answer: operation.and_then(answer),
    }
}

/// The addresses of the machine of `host`, as far as it has told any, with those that are declared.
#[must_use]
pub fn told_addresses(host: &Host) -> BTreeSet<Box<str>> {
    let told = host.status.as_ref().and_then(|it| it.elasticsearch.as_ref());
    let told = told.filter(|it| !it.addresses.is_empty());
    told.map(|told| addresses(host, Some(told))).unwrap_or_default()
}

fn addresses(host: &Host, told: Option<&HostElasticsearch>) -> BTreeSet<Box<str>> {
    let own = told.iter().flat_map(|it| &it.addresses).map(Line::as_str);
    let declared = [host.spec.node_address(), &host.spec.address].map(|it| it.0.as_str());
    // As Elasticsearch writes them.
    let plain = |it: &str| it.parse::<IpAddr>().ok().map(|it| it.to_string().into_boxed_str());
    own.chain(declared).filter_map(plain).collect()
}

fn nodes(
    told: Option<&HostElasticsearch>,
    addresses: &BTreeSet<Box<str>>,
    evidence: &Evidence,
) -> Match {
    let Some(told) = told else {
        return Match::Unknown("it has not told yet which Elasticsearch runs there".into());
    };
    let set = |it: &[u32]| it.iter().copied().collect();
    let report = Report { processes: set(&told.processes), others: set(&told.other_processes) };
    matching::nodes_on(&report, addresses, evidence)
}

/// Whether the host can be worked on.
///
/// # Errors
/// Why not.
pub fn fit(host: &Host) -> Result<(), Box<str>> {
    if host.metadata.deletion_timestamp.is_some() {
        return Err("it is being deleted".into());
    }
    if host.spec.paused {
        return Err("spec.paused holds it back".into());
    }
    let known = host.status.as_ref().map(|it| it.conditions.as_slice()).unwrap_or_default();
    for kind in NEEDED {
        match find(known, kind) {
            None => return Err("it was not looked at yet".into()),
            Some(it) if it.status == "True" => {}
            Some(it) => return Err(format!("{kind}: {}", it.message).into()),
        }
    }
    Ok(())
}

fn answer(operation: &Operation) -> Option<Answer> {
    match operation.kind {
        OperationKind::DeployElasticsearch
        | OperationKind::RestartElasticsearch
        | OperationKind::RestartHost
        | OperationKind::UpgradeHost
        | OperationKind::DeployHost => {}
        OperationKind::Prepare
        | OperationKind::ConfigureNetwork
        | OperationKind::Maintenance
        | OperationKind::InstallElasticsearch
        | OperationKind::Reset => return None,
    }
    let step: RolloutStep = serde_json::from_value(operation.step.as_str().into()).ok()?;
    let progress = match operation.status {
        None | Some(RunStatus::InProcess) => Progress::Working { touched: operation.touched },
        Some(RunStatus::Finished) if is_spared(operation, step) => Progress::Spared,
        Some(RunStatus::Finished | RunStatus::RolledBack) => Progress::Done,
        Some(RunStatus::Failed) => {
            let reason = operation.message.as_ref().map_or("it tells no reason", |it| it.as_str());
            if operation.vain {
                Progress::Vain { reason: reason.into() }
            } else {
                Progress::Failed { reason: reason.into(), touched: operation.touched }
            }
        }
    };
    Some(Answer {
        run: operation.run_id.as_str().into(),
        step: record::step(step),
        attempt: operation.attempt,
        progress,
    })
}

/// Whether it was done without a restart of anything; or, to begin with, without any work on the machine,
/// which is as it is to be.
fn is_spared(operation: &Operation, step: RolloutStep) -> bool {
    match (operation.kind, step) {
        (OperationKind::UpgradeHost | OperationKind::DeployHost, RolloutStep::Stop) => {
            !operation.touched
        }
        (OperationKind::DeployHost, RolloutStep::Stage) => operation.unit.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::host_status::{HostFacts, OperatingSystem},
        rollout::run::Step,
    };

    fn host(spec: &Value, status: &Value) -> Host {
        let mut object = json!({
            "apiVersion": "drover.dev/v1alpha1", "kind": "Host",
            "metadata": { "name": "a", "uid": "u" },
            "spec": { "address": "10.0.0.1", "credentials": { "secretName": "key" } },
            "status": status,
        });
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn conditions(but: &str) -> Value {
        let all = NEEDED.map(|kind| {
            json!({
                "type": kind, "status": if kind == but { "False" } else { "True" },
                "reason": "R", "message": "what is so", "lastTransitionTime": "2026-01-02T03:04:05Z",
            })
        });
        json!({ "conditions": all })
    }

    #[test]
    fn a_host_is_fit_when_all_is_known_of_it_and_nobody_holds_it_back() {
        assert_eq!(member(&host(&json!({}), &conditions("")), None).fit, Ok(()));
        let why = |spec: Value, status: Value| member(&host(&spec, &status), None).fit.unwrap_err();
        assert!(why(json!({ "paused": true }), conditions("")).contains("spec.paused"));
        assert!(why(json!({}), json!(null)).contains("not looked at"));
        for kind in NEEDED {
            let why = why(json!({}), conditions(kind));
            assert_eq!(&*why, format!("{kind}: what is so"));
        }
    }

    #[test]
    fn an_answer_is_what_the_operation_tells_of_a_step_of_a_run() {
        let operation = |status: &str, kind: &str| {
            json!({ "operation": {
                "runId": "restart-1", "kind": kind, "step": "Stop", "attempt": 2,
                "startedAt": "2026-01-02T03:04:05Z", "status": status, "touched": true,
                "message": "the unit fails",
            }})
        };
        let answer = |it: Value| member(&host(&json!({}), &it), None).answer;
        let told = answer(operation("inProcess", "RestartElasticsearch")).unwrap();
        assert_eq!((&*told.run, told.step, told.attempt), ("restart-1", Step::Stop, 2));
        assert_eq!(told.progress, Progress::Working { touched: true });
        let told = answer(operation("failed", "RestartHost")).unwrap();
        let expected = Progress::Failed { reason: "the unit fails".into(), touched: true };
        assert_eq!(told.progress, expected);
        let mut vain = operation("failed", "UpgradeHost");
        vain["operation"]["vain"] = true.into();
        let expected = Progress::Vain { reason: "the unit fails".into() };
        assert_eq!(answer(vain).unwrap().progress, expected);
        assert_eq!(answer(operation("finished", "Reset")), None);
        let progress = |touched: bool| {
            let mut it = operation("finished", "UpgradeHost");
            it["operation"]["touched"] = touched.into();
            answer(it).unwrap().progress
        };
        assert_eq!((progress(true), progress(false)), (Progress::Done, Progress::Spared));
        // Whether the image was fetched, or is booted already.
        let staged = |unit: Value| {
            let mut it = operation("finished", "DeployHost");
            it["operation"]["step"] = "Stage".into();
            it["operation"]["unit"] = unit;
            answer(it).unwrap().progress
        };
        assert_eq!(staged(json!("drover-r-1-fetch-1.service")), Progress::Done);
        assert_eq!(staged(json!(null)), Progress::Spared);
    }

    #[test]
    fn a_machine_that_boots_from_images_is_told_from_one_that_does_not() {
        let mut host = host(&json!({}), &json!({}));
        assert_eq!(member(&host, None).has_images, None, "nobody has looked");
        let mut images = |family| {
            let os = OperatingSystem { family, ..OperatingSystem::default() };
            let facts = HostFacts { os, ..HostFacts::default() };
            host.status.as_mut().unwrap().facts = Some(facts);
            member(&host, None).has_images
        };
        assert_eq!(images(Some(OsFamily::Ostree)), Some(true));
        assert_eq!(images(Some(OsFamily::Fedora)), Some(false));
        assert_eq!(images(None), Some(false), "its commands are not known");
    }

    #[test]
    fn a_machine_is_known_by_the_addresses_that_it_tells_and_those_that_are_declared() {
        let told = json!({ "elasticsearch": {
            "unit": "u", "state": "active", "processes": [7], "addresses": ["FD00:0::1"],
        }});
        let spec = json!({ "nodeAddress": "10.0.0.9" });
        let addresses = member(&host(&spec, &told), None).addresses;
        let expected: Vec<&str> = vec!["10.0.0.1", "10.0.0.9", "fd00::1"];
        assert_eq!(addresses.iter().map(|it| &**it).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_host_that_has_not_told_is_not_known() {
        let evidence = Evidence::default();
        let nodes = member(&host(&json!({}), &json!(null)), Some(&evidence)).nodes;
        assert!(matches!(nodes, Match::Unknown(_)));
        let stopped = json!({ "elasticsearch": { "unit": "u", "state": "inactive" } });
        let member = member(&host(&json!({}), &stopped), Some(&evidence));
        assert_eq!((member.nodes, member.is_home, member.runs), (Match::Stopped, true, false));
    }
}
