//! What happens, well and badly.

use super::{
    machine::Machine,
    world::{CLUSTERS, World},
};
use crate::controllers::deployment::secrets::Found;

impl World {
    /// One event while things go wrong.
    pub fn event(&mut self) {
        self.count += 1;
        let (cluster, host) =
            (self.rng.usize(0..self.found.len()), self.rng.usize(0..self.machines.len()));
        match self.rng.u8(0..40) {
            0..=3 => self.cache.clusters[cluster].clone_from(&self.api.clusters[cluster]),
            4..=7 => self.cache.hosts[host].clone_from(&self.api.hosts[host]),
            8..=12 => self.reconcile_cluster(cluster),
            13..=19 => self.reconcile_host(host),
            20..=32 => {
                if let Some(write) = self.pending.pop_front() {
                    self.write(write);
                }
            }
            33..=35 => self.run(host),
            36 => {
                if let Some(write) = self.late.pop_front() {
                    self.write(write);
                }
            }
            37 => self.crash(),
            _ => self.fault(cluster, host),
        }
    }

    /// The operator ends, or loses its lease; the next one reads everything anew.
    fn crash(&mut self) {
        for write in std::mem::take(&mut self.pending) {
            if self.rng.bool() {
                self.late.push_back(write);
            }
        }
        self.cache = self.api.clone();
        self.tell("the operator ends");
    }

    fn fault(&mut self, cluster: usize, host: usize) {
        match self.rng.u8(0..8) {
            it @ 0..=1 => {
                self.make_cluster(cluster);
                if it == 1 {
                    self.found[cluster] = Found::default();
                }
                self.tell(&format!(
                    "{} is made again, Secrets lost: {}",
                    CLUSTERS[cluster],
                    it == 1
                ));
            }
            2 => {
                let kind = self.rng.usize(0..3);
                self.found[cluster][kind] = None;
                self.tell(&format!("a Secret of {} is lost: {kind}", CLUSTERS[cluster]));
            }
            3 => {
                self.machines[host].wipe();
                self.tell(&format!("{host} is wiped"));
            }
            4 => {
                self.make_host(host, cluster);
                self.tell(&format!("{host} is made again, for {}", CLUSTERS[cluster]));
            }
            5 => {
                self.machines[host] = Machine::bare();
                self.make_host(host, cluster);
                self.tell(&format!("{host} is another machine, for {}", CLUSTERS[cluster]));
            }
            6 => {
                let version = Some(self.fresh());
                if let Some(it) = &mut self.api.hosts[host] {
                    it.metadata.resource_version = version;
                    if let Some(named) = &mut it.spec.cluster_ref {
                        named.name = CLUSTERS[cluster].into();
                    }
                    self.since[host] = self.count;
                }
                self.tell(&format!("{host} moves to {}", CLUSTERS[cluster]));
            }
            _ => {
                self.machines[host].stop();
                self.tell(&format!("{host} stops"));
            }
        }
    }
}
