//! A reconcile of a Host, by the real decisions.

use std::sync::Arc;

use serde_json::json;

use super::world::{World, Write, cluster_of};
use crate::{
    api::{
        host::Host,
        host_status::{HostElasticsearch, HostStatus},
        line::Line,
    },
    controllers::host::{
        elasticsearch::{
            plan::{Step, installation, next},
            status::told,
            wish::{Basis, Wish, asked},
        },
        observe::Observed,
        plan::Stand,
        tests::scene::{MACHINE, Machine, Scene},
    },
    ssh::{
        deploy::{
            installation::Installed,
            report::{DataDirectory, Standing},
        },
        remote::{Checked, View},
        treatment::{Deed, Treated},
    },
};

/// What has to be so before a host is worked on.
const NEEDED: [&str; 4] = ["Accepted", "ResolvedRefs", "Reachable", "Inspected"];

impl World {
    /// What is asked of the machine of a host.
    pub fn asked(&self, host: &Host) -> Wish {
        let at = cluster_of(host);
        let Some((at, cluster)) =
            at.and_then(|it| Some((it, self.cache.clusters.get(it)?.as_ref()?)))
        else {
            return Wish::Nothing;
        };
        let secrets = match Self::open(cluster, &self.found[at]) {
            Ok(secrets) => secrets,
            Err(problem) => return Wish::Unknown { why: problem.message },
        };
        let hosts = self.cache.members(cluster);
        let mut wish = asked(host, cluster, secrets, &hosts, &self.cache.others(cluster));
        if let Wish::Deploy(wanted) = &mut wish {
            wanted.digest = Some(Ok("ab".repeat(64).into()));
        }
        wish
    }

    /// What the Host controller knows then.
    pub fn observed(&self, at: usize, host: &Host) -> Observed {
        let wish = self.asked(host);
        let machine = &self.machines[at];
        let good = Machine::good();
        let mut service = good.service.clone();
        service.other_processes.clear();
        let now = self.now();
        let treated = Treated {
            deed: Deed::Prepare,
            before: vec![],
            left: vec![],
            failures: vec![],
            lost: vec![],
            flanneld: None,
            elasticsearch: Some(Standing::There(Box::new(machine.report.clone()))),
            began: now,
            ended: now,
        };
        let checked = Checked {
            facts: Ok(good.facts.clone()),
            root: Ok(()),
            service: Some(Ok(service)),
            treated: Some(Ok(treated)),
        };
        let installed = installation(host, &wish).map(|installation| {
            let outcome = Ok(machine.outcome(&installation));
            Arc::new(Installed { installation, outcome, is_working: false })
        });
        let view = View {
            asked: true,
            identity: Some(good.facts.identity.clone()),
            answered: Some(now),
            checked: Some(Arc::new(checked)),
            installed,
            ..View::default()
        };
        Observed { elasticsearch: wish, view, ..Scene::new().seen() }
    }

    pub fn reconcile_host(&mut self, at: usize) {
        if self.pending.iter().any(|it| it.is_of_host(at)) {
            return;
        }
        let Some(mut host) = self.cache.hosts[at].clone() else { return };
        let seen = self.observed(at, &host);
        let stand = Stand::Ours(MACHINE.into());
        let step = next(&host, &seen, &stand, true, self.now());
        let cluster = cluster_of(&host);
        if let (Some(installation), Some(cluster)) =
            (installation(&host, &seen.elasticsearch), cluster)
        {
            let installation = Box::new(installation);
            self.pending.push_back(Write::Install { host: at, cluster, installation });
        }
        if let Wish::Deploy(wanted) = &seen.elasticsearch {
            self.note(at, wanted.uuid.as_deref());
        }
        let mut status = host.status.clone().unwrap_or_else(met);
        let is_looked_at = matches!(seen.elasticsearch, Wish::Deploy(_) | Wish::NotOwned { .. });
        if is_looked_at || status.elasticsearch.is_none() {
            status.elasticsearch = Some(HostElasticsearch {
                unit: Line::new("drover-elasticsearch.service"),
                state: Line::new("inactive"),
                deployed: is_looked_at.then(|| told(&self.machines[at].report)),
                ..HostElasticsearch::default()
            });
        }
        match step {
            Some(Step::Begin(operation, basis)) => {
                let now = cluster.and_then(|it| self.api.clusters.get(it)?.as_ref());
                if now.is_none_or(|it| Basis::of(it) != basis) {
                    return;
                }
                status.operation = Some(*operation);
            }
            Some(Step::End | Step::Drop) => status.operation = None,
            None => {}
        }
        if host.status.as_ref() != Some(&status) {
            host.status = Some(status);
            self.pending.push_back(Write::Host(at, Box::new(host)));
        }
    }

    /// What is kept on a machine: which cluster it is in.
    fn note(&mut self, at: usize, uuid: Option<&str>) {
        let report = &mut self.machines[at].report;
        let is_member = report.is_active() && report.revision.is_some();
        if is_member && report.data == DataDirectory::Used && report.cluster_uuid.is_none() {
            report.cluster_uuid = uuid.map(Into::into);
        }
    }
}

/// The status of a host that was looked at for the first time.
fn met() -> HostStatus {
    let conditions = NEEDED.map(|kind| {
        json!({
            "type": kind, "status": "True", "reason": "AsExpected", "message": "it is so",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        })
    });
    serde_json::from_value(json!({
        "conditions": conditions,
        "facts": {
            "os": { "id": "debian" }, "kernel": "6", "architecture": "x86_64", "hostname": "h",
            "machineId": MACHINE, "bootId": "b", "cpus": 2, "memoryBytes": 4_294_967_296_u64,
            "disks": { "root": { "total": 1, "free": 1 } },
        },
    }))
    .unwrap()
}
