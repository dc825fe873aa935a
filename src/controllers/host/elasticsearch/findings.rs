//! Whether the Elasticsearch that a Host's Cluster declares is on its machine. Pure.

use super::{
    plan::{HeldBack, held_back, installation, is_unformed, report},
    record,
    wish::{Wanted, Wish},
};
use crate::{
    api::{
        condition::{Finding, Reason},
        host::{Host, conditions as kinds},
    },
    chain::chain,
    controllers::host::{findings::trouble, observe::Observed, operation},
    ssh::deploy::{installation::Outcome, report::Report},
};

const KIND: &str = kinds::ELASTICSEARCH_INSTALLED;
const UNFORMED: &str = "waits until the cluster is formed, by the host that is on record for that, and a \
                        host has what is to be joined: see the Cluster";

/// The condition, on a machine that may be looked into; nothing where the Cluster declares none.
#[must_use]
pub fn installed(host: &Host, seen: &Observed) -> Option<Finding> {
    Some(match &seen.elasticsearch {
        Wish::Nothing => return None,
        Wish::NotOwned { why, .. } => Finding::no(KIND, Reason::NotOwned, why.clone()),
        Wish::Unknown { why } => Finding::unknown(KIND, Reason::Waiting, why.clone()),
        Wish::Leaves { why } => Finding::no(KIND, Reason::Deleting, why.clone()),
        Wish::Drains { why } => Finding::no(KIND, Reason::Draining, why.clone()),
        Wish::Remove { .. } => {
            let message =
                "its Cluster, or this Host, is being deleted, and Elasticsearch is removed";
            Finding::no(KIND, Reason::Deleting, message)
        }
        Wish::Deploy(wanted) => of(host, seen, wanted),
    })
}

fn of(host: &Host, seen: &Observed, wanted: &Wanted) -> Finding {
    if let Some(Err(error)) = seen.treated() {
        return Finding::no(KIND, trouble(error), chain(error));
    }
    let version = wanted.plan.version;
    if record(host).is_some() && report(seen).is_none_or(|it| !wanted.deployment.is_running(it)) {
        return under_way(host, seen, wanted);
    }
    let waiting = |message: &str| Finding::unknown(KIND, Reason::Waiting, message);
    let no = |reason, message: String| Finding::no(KIND, reason, message);
    match held_back(host, seen, wanted) {
        Some(HeldBack::Runs) => {
            let message = format!("Elasticsearch {version} runs, as declared");
            Finding::yes(KIND, Reason::AsExpected, message)
        }
        Some(HeldBack::InService) => {
            let running = report(seen).and_then(|it| it.running.as_ref());
            let running = running.map_or("", |it| &it.version);
            let message = format!(
                "Elasticsearch {running} runs; what is declared by now comes with a run over the \
                 hosts: see status.rollout of the Cluster"
            );
            Finding::yes(KIND, Reason::InProgress, message)
        }
        Some(HeldBack::InRun) if is_down(seen) && !operation::is_stopping(host) => {
            let message = "Elasticsearch does not run, and a run over the hosts has the machine in \
                           hand: see status.rollout of the Cluster";
            no(Reason::Waiting, message.into())
        }
        Some(HeldBack::InRun) => {
            let message = "a run over the hosts has the machine in hand: see status.rollout of the \
                           Cluster";
            Finding::yes(KIND, Reason::InProgress, message)
        }
        Some(HeldBack::Unseen) => {
            let message = "nobody has seen yet what is on the machine";
            Finding::unknown(KIND, Reason::InProgress, message)
        }
        Some(HeldBack::Unformed) => waiting(UNFORMED),
        Some(HeldBack::Paused(field)) => {
            let message = format!("{field} holds back the installation of Elasticsearch {version}");
            no(Reason::Paused, message)
        }
        Some(HeldBack::Planned(cluster)) => {
            let message = format!(
                "mode Plan of Cluster '{cluster}' holds back the installation of Elasticsearch \
                 {version}"
            );
            no(Reason::PlanOnly, message)
        }
        Some(HeldBack::Reported) => {
            let message = "Elasticsearch was stopped, which is only reported under driftPolicy \
                           Report: start it, or have drift put back by Enforce";
            no(Reason::DriftFound, message.into())
        }
        Some(HeldBack::Unfit(why)) => no(Reason::NotOwned, why),
        Some(HeldBack::Foreign) => {
            let message = "somebody else's Elasticsearch runs on the machine: stop it, or take \
                           spec.clusterRef away";
            no(Reason::NotOwned, message.into())
        }
        Some(HeldBack::Other(before)) => {
            let message = format!(
                "Elasticsearch {before} does not run, and {version} comes with a run over the hosts, \
                 behind its gates: see status.rollout of the Cluster. Where no other node can be \
                 asked, go back to {before} first"
            );
            no(Reason::Waiting, message)
        }
        Some(HeldBack::Ahead(Some(running))) => {
            let message = format!(
                "the cluster runs {running}, and {version} comes to its nodes with a run over the \
                 hosts, behind its gates: the machine joins once that is over, see status.rollout \
                 of the Cluster. To have it join now, go back to {running} first"
            );
            no(Reason::Waiting, message)
        }
        Some(HeldBack::Ahead(None)) => waiting(
            "waits until it is known which version the cluster runs: Elasticsearch has not told yet",
        ),
        Some(HeldBack::HoldsShards) => {
            let message = "Elasticsearch does not run, may have shards on its disk, and is to have no data \
                           role any more, so that they would be lost to the cluster: give it the data \
                           role back until it runs, and its shards have moved, or have the host leave, \
                           and join again without its data";
            no(Reason::Waiting, message.into())
        }
        Some(HeldBack::Comes) => waiting("systemd is starting Elasticsearch, or trying again"),
        None => {
            let message = format!("Elasticsearch {version} is about to be installed");
            Finding::unknown(KIND, Reason::InProgress, message)
        }
    }
}

fn is_down(seen: &Observed) -> bool {
    report(seen).is_some_and(Report::is_down)
}

fn under_way(host: &Host, seen: &Observed, wanted: &Wanted) -> Finding {
    let version = wanted.plan.version;
    let going = |what: &str| {
        let message = format!("Elasticsearch {version} is being {what}");
        Finding::unknown(KIND, Reason::InProgress, message)
    };
    if host.spec.paused {
        let message = format!("spec.paused holds back the installation of Elasticsearch {version}");
        return Finding::no(KIND, Reason::Paused, message);
    }
    if is_unformed(wanted) {
        return Finding::unknown(KIND, Reason::Waiting, UNFORMED);
    }
    if let Some(Err(why)) = &wanted.digest {
        return Finding::no(KIND, Reason::Unreachable, why.clone());
    }
    let installation = installation(host, &seen.elasticsearch);
    match installation.as_ref().and_then(|it| seen.view.installed(it)) {
        None | Some(Ok(Outcome::Done(_))) => going("installed"),
        Some(Ok(Outcome::Fetching)) => going("fetched and unpacked"),
        Some(Ok(Outcome::Starting)) => going("started"),
        Some(Ok(Outcome::Failed(why))) => {
            let message = format!("{why}; it is tried again");
            Finding::no(KIND, Reason::CommandFailed, message)
        }
        Some(Ok(Outcome::Refused(why))) => Finding::no(KIND, Reason::NotOwned, why.to_string()),
        Some(Err(error)) => Finding::no(KIND, trouble(error), chain(error)),
    }
}
