//! A reconcile of a Cluster, by the real decisions.

use super::world::{CLUSTERS, Objects, World, Write, name};
use crate::{
    api::{cluster::Cluster, cluster_status::ElasticsearchStatus, host::Host},
    authority::secrets::Kind,
    controllers::cluster::{
        managed::{self, observe::Seen},
        observe::Observed,
        plan,
        tests::scene::Scene,
    },
    elasticsearch::{fixtures, snapshot::Snapshot},
};

impl World {
    pub fn look(&self, objects: &Objects, cluster: &Cluster, at: usize) -> Seen {
        let found = self.found[at].clone();
        let secrets = Self::open(cluster, &found);
        let hosts = objects.members(cluster);
        Seen::holding(objects.others(cluster), cluster, (found, secrets), hosts)
    }

    pub fn reconcile_cluster(&mut self, at: usize) {
        if self.pending.iter().any(|it| it.is_of_cluster(at)) {
            return;
        }
        let Some(mut cluster) = self.cache.clusters[at].clone() else { return };
        let seen = self.look(&self.cache, &cluster, at);
        let snapshot = self.poll(&cluster, &seen, at);
        let connection = seen.connection(&cluster);
        let scene = Scene::new(Snapshot::default());
        let observed = Observed { managed: Some(seen), connection, snapshot, ..scene.seen() };
        let plan = plan::next(&cluster, &observed, self.now());
        let (Some(seen), Some(decided)) = (&observed.managed, &plan.managed) else { return };
        if decided.is_momentous() {
            let now = self.api.clusters[at].as_ref();
            if now.is_none_or(|it| it.metadata != cluster.metadata) {
                return;
            }
            let fresh = self.look(&self.api, &cluster, at);
            if managed::plan::next(&cluster, &fresh) != *decided {
                return;
            }
        }
        self.pending.extend(decided.make.iter().map(|kind| Write::Secret(at, *kind)));
        if let Some((uuid, kinds)) = &decided.note {
            for kind in kinds {
                let all = Kind::ALL.into_iter().zip(&seen.found);
                let mut all = all.filter(|(it, _)| it == kind);
                let Some(secret) = all.find_map(|it| it.1.as_ref()) else { continue };
                let (secret, uuid, kind) = (secret.uid.clone(), uuid.clone(), *kind);
                self.pending.push_back(Write::Note { cluster: at, kind, secret, uuid });
            }
        }
        let mut status = cluster.status.clone().unwrap_or_default();
        status.formation = managed::status::formation(&cluster, Some((seen, decided)), self.now());
        if let Some(uuid) = plan.identity.pinned() {
            let known = status.elasticsearch.take();
            let mut told = known.unwrap_or_else(|| ElasticsearchStatus {
                uuid: uuid.into(),
                ..ElasticsearchStatus::default()
            });
            if plan.identity.is_pinned() {
                told.name = CLUSTERS[at].into();
                told.version = "8.19.0".into();
            }
            status.elasticsearch = Some(told);
        }
        if cluster.status.as_ref() != Some(&status) {
            cluster.status = Some(status);
            self.pending.push_back(Write::Cluster(at, Box::new(cluster)));
        }
    }

    /// What a node answers, where there is one to ask that trusts whom Drover does.
    fn poll(&self, cluster: &Cluster, seen: &Seen, at: usize) -> Snapshot {
        let is_up = matches!(seen.connection(cluster), Ok(Some(_)));
        let is_known = |it: &Host| seen.hosts.iter().any(|one| one.metadata.uid == it.metadata.uid);
        let hosts = self.api.hosts.iter().zip(&self.machines);
        let mut known = hosts.filter(|(host, machine)| {
            host.as_ref().is_some_and(is_known) && machine.runs == Some(at)
        });
        let answer = known.find_map(|(_, machine)| machine.data?.uuid);
        match answer.filter(|_| is_up) {
            Some(uuid) => fixtures::snapshot(fixtures::view(&name(uuid))),
            None => Snapshot::default(),
        }
    }
}
