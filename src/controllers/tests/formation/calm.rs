//! Nothing goes wrong any more, and everything comes to its end.

use super::world::{CLUSTERS, World, name};
use crate::controllers::{
    cluster::managed::{self, plan::Stand},
    deployment,
    host::elasticsearch::{
        plan::{HeldBack, held_back},
        wish::Wish,
    },
};

impl World {
    pub fn calm(&mut self) {
        self.pending.clear();
        self.late = None;
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
        for at in 0..self.found.len() {
            let Some(cluster) = self.api.clusters[at].clone() else { continue };
            let seen = self.look(&self.api, &cluster, at);
            match managed::plan::next(&cluster, &seen).stand {
                Stand::Refused(_) | Stand::Waits(_) => {}
                Stand::Known | Stand::Forming => {
                    let uuid = deployment::uuid(&cluster).map(str::to_owned);
                    self.assert_joined(at, uuid.as_deref());
                }
                other => self.fail(&format!("{} never gets on: {other:?}", CLUSTERS[at])),
            }
        }
    }

    fn assert_joined(&self, cluster: usize, uuid: Option<&str>) {
        let mut told = 0;
        let mut waiting = Vec::new();
        for (at, machine) in self.machines.iter().enumerate() {
            let Some(host) = &self.api.hosts[at] else { continue };
            if self.api.cluster_of(host) != Some(cluster) {
                continue;
            }
            let is_in = machine.runs.and(machine.data).and_then(|it| it.uuid).map(name);
            if is_in.is_some() && is_in.as_deref() == uuid {
                continue;
            }
            let observed = self.observed(at, host);
            let Wish::Deploy(wanted) = &observed.elasticsearch else {
                told += 1;
                continue;
            };
            match held_back(host, &observed, wanted) {
                Some(HeldBack::Unfit(_)) => told += 1,
                _ if machine.refusal.is_some() => told += 1,
                why => waiting.push(format!("{at}: {why:?}, {:?}", machine.data)),
            }
        }
        // Who waits for others does so by what they tell.
        if told == 0 && !waiting.is_empty() {
            self.fail(&format!("{} never gets on: {}", CLUSTERS[cluster], waiting.join("; ")));
        }
    }
}
