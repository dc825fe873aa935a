//! Nothing goes wrong any more, and everything comes to its end.

use super::{
    machine::Machine,
    world::{CLUSTERS, World, cluster_of, name},
};
use crate::{
    api::{cluster::Cluster, host::Host},
    controllers::{
        cluster::managed::{self, observe::Seen, plan::Stand},
        deployment,
        host::elasticsearch::{
            plan::{HeldBack, held_back},
            wish::Wish,
        },
    },
};

impl World {
    pub fn calm(&mut self) {
        self.pending.clear();
        self.late.clear();
        self.tell("all is calm");
    }

    /// Everybody acts, and knows what is so.
    pub fn turn(&mut self) {
        self.count += 1;
        for at in 0..self.found.len() {
            self.cache = self.api.clone();
            self.reconcile_cluster(at);
            self.flush();
        }
        for at in 0..self.machines.len() {
            self.cache = self.api.clone();
            self.reconcile_host(at);
            self.flush();
            self.run(at);
        }
    }

    fn flush(&mut self) {
        while let Some(write) = self.pending.pop_front() {
            self.write(write);
        }
    }

    /// Each Cluster has all its hosts, or somebody says why not.
    pub fn assert_at_rest(&mut self) {
        self.cache = self.api.clone();
        for (at, name) in CLUSTERS.iter().enumerate().take(self.found.len()) {
            let Some(cluster) = self.api.clusters[at].clone() else { continue };
            let seen = self.look(&self.api, &cluster, at);
            let plan = managed::plan::next(&cluster, &seen);
            if seen.secrets.is_err() && plan.make.is_empty() {
                continue;
            }
            match plan.stand {
                Stand::Refused(_) => {}
                Stand::Waits(_) if !may_be_led(&seen) => {}
                Stand::Known | Stand::Forming => self.assert_joined(at, &cluster),
                other => self.fail(&format!("{name} never gets on: {other:?}")),
            }
        }
    }

    fn assert_joined(&self, at: usize, cluster: &Cluster) {
        let uuid = deployment::uuid(cluster);
        let is_member = |it: &Machine| {
            let uuid_of_it = it.data.and_then(|it| it.uuid).map(name);
            it.runs == Some(at) && uuid_of_it.is_some() && uuid_of_it.as_deref() == uuid
        };
        let hosts = self.api.hosts.iter().zip(&self.machines).enumerate();
        let hosts = hosts.filter_map(|(at, (host, machine))| Some((at, host.as_ref()?, machine)));
        let hosts = hosts.filter(|(_, host, _)| cluster_of(host) == Some(at));
        let (mut has_members, mut is_excused) = (false, false);
        let mut waiting = Vec::new();
        for (number, host, machine) in hosts {
            if is_member(machine) {
                has_members = true;
                continue;
            }
            match self.told(number, host) {
                // Who may not go on keeps from it those who wait for it.
                Ok(()) => is_excused |= uuid.is_some() || deployment::forms(cluster, host),
                Err(why) => waiting.push(format!("{number}: {why}, {:?}", machine.data)),
            }
        }
        if !waiting.is_empty() && (has_members || !is_excused) {
            self.fail(&format!("{} never gets on: {}", CLUSTERS[at], waiting.join("; ")));
        }
    }

    /// Whether a host says what a person has to do; else what it waits for.
    fn told(&self, at: usize, host: &Host) -> Result<(), String> {
        let observed = self.observed(at, host);
        let wanted = match &observed.elasticsearch {
            Wish::Deploy(wanted) => wanted,
            Wish::NotOwned { .. } => return Ok(()),
            other => return Err(format!("{other:?}")),
        };
        match held_back(host, &observed, wanted) {
            Some(HeldBack::Unfit(_)) => Ok(()),
            _ if self.machines[at].refusal.is_some() => Ok(()),
            why => Err(format!("{why:?}")),
        }
    }
}

/// Whether any host of a Cluster may be elected master.
fn may_be_led(seen: &Seen) -> bool {
    seen.secrets.is_err() || seen.plans.as_ref().is_ok_and(|it| it.values().any(|it| it.may_lead))
}
