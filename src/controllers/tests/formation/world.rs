//! All of it together, and what must never be so.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, LazyLock},
};

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::json;

use super::machine::{Data, Machine};
use crate::{
    api::{cluster::Cluster, host::Host},
    authority::{
        Authority,
        secrets::{CLUSTER_UUID, Existing, Kind, marks},
    },
    controllers::{
        deployment::{
            self,
            secrets::{self, Found, Secrets},
            tests,
        },
        references::Problem,
    },
    ssh::deploy::installation::Installation,
};

pub const CLUSTERS: [&str; 2] = ["logs", "shop"];
const STORY: usize = 60;

/// The one authority: keys take their time.
static AUTHORITY: LazyLock<(Box<str>, SecretString)> = LazyLock::new(|| {
    let authority = Authority::make("a test", Timestamp::now()).unwrap();
    (authority.certificate().into(), authority.key().clone())
});

/// The objects; as the API server has them, or as a cache of it shows them.
#[derive(Clone, Default)]
pub struct Objects {
    pub clusters: Vec<Option<Cluster>>,
    pub hosts: Vec<Option<Host>>,
}

/// What an operator is about to do.
pub enum Write {
    Secret(usize, Kind),
    Note { cluster: usize, kind: Kind, secret: String, uuid: String },
    Cluster(usize, Box<Cluster>),
    Host(usize, Box<Host>),
    Install { host: usize, cluster: usize, installation: Box<Installation> },
}

impl Write {
    pub fn is_of_cluster(&self, at: usize) -> bool {
        match self {
            Self::Secret(it, _) | Self::Note { cluster: it, .. } | Self::Cluster(it, _) => {
                *it == at
            }
            Self::Host(..) | Self::Install { .. } => false,
        }
    }

    pub fn is_of_host(&self, at: usize) -> bool {
        matches!(self, Self::Host(it, _) | Self::Install { host: it, .. } if *it == at)
    }
}

pub struct World {
    pub seed: u64,
    pub rng: fastrand::Rng,
    pub api: Objects,
    pub found: Vec<Found>,
    pub cache: Objects,
    pub machines: Vec<Machine>,
    /// What the operator does next, and what one that lost its lease does late.
    pub pending: VecDeque<Write>,
    pub late: VecDeque<Write>,
    /// Of which Cluster each cluster was formed, by its number.
    pub formed: Vec<usize>,
    /// Since when each host is a member as it is, and since when it is on record who forms.
    pub since: Vec<u64>,
    pub chosen: Vec<u64>,
    /// Which machines were started to form one, in the life of each Cluster object.
    pub formers: Vec<BTreeSet<usize>>,
    pub count: u64,
    story: VecDeque<String>,
}

/// Which of the Clusters a Host names.
pub fn cluster_of(host: &Host) -> Option<usize> {
    let named = &host.spec.cluster_ref.as_ref()?.name;
    CLUSTERS.iter().position(|it| it == named)
}

impl Objects {
    pub fn members(&self, cluster: &Cluster) -> Vec<Arc<Host>> {
        let hosts = self.hosts.iter().flatten().cloned().map(Arc::new).collect();
        deployment::members_among(cluster, hosts)
    }

    pub fn others(&self, cluster: &Cluster) -> BTreeMap<String, String> {
        let clusters = self.clusters.iter().flatten().cloned().map(Arc::new);
        deployment::others_among(cluster, clusters)
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (clusters, hosts) = (rng.usize(1..=2), rng.usize(1..=5));
        let mut world = Self {
            seed,
            rng,
            api: Objects { clusters: vec![None; clusters], hosts: vec![None; hosts] },
            found: (0..clusters).map(|_| Found::default()).collect(),
            cache: Objects { clusters: vec![None; clusters], hosts: vec![None; hosts] },
            machines: (0..hosts).map(|_| Machine::bare()).collect(),
            pending: VecDeque::new(),
            late: VecDeque::new(),
            formed: Vec::new(),
            since: vec![0; hosts],
            chosen: vec![0; clusters],
            formers: vec![BTreeSet::new(); clusters],
            count: 0,
            story: VecDeque::new(),
        };
        (0..clusters).for_each(|it| world.make_cluster(it));
        for at in 0..hosts {
            let cluster = world.rng.usize(0..clusters);
            world.make_host(at, cluster);
        }
        world
    }

    pub fn tell(&mut self, what: &str) {
        if STORY <= self.story.len() {
            self.story.pop_front();
        }
        self.story.push_back(format!("{}: {what}", self.count));
    }

    pub fn fail(&self, what: &str) -> ! {
        let story: Vec<&str> = self.story.iter().map(String::as_str).collect();
        panic!("seed {}: {what}\n{}", self.seed, story.join("\n"));
    }

    /// A version, or a uid.
    pub fn fresh(&mut self) -> String {
        self.count += 1;
        self.count.to_string()
    }

    pub fn now(&self) -> Timestamp {
        let second = 1_800_000_000 + i64::try_from(self.count).unwrap_or_default();
        Timestamp::from_second(second).unwrap()
    }

    pub fn make_cluster(&mut self, at: usize) {
        let mut cluster = tests::cluster(&json!(null));
        cluster.metadata.name = Some(CLUSTERS[at].into());
        cluster.metadata.uid = Some(format!("uid-{}-{}", CLUSTERS[at], self.fresh()));
        cluster.metadata.generation = Some(1);
        cluster.metadata.resource_version = Some(self.fresh());
        let elasticsearch = cluster.spec.elasticsearch.as_mut().unwrap();
        elasticsearch.node_groups = serde_json::from_value(json!([
            { "name": "data", "hostSelector": { "matchLabels": { "is": "data" } }, "roles": ["data"] },
            { "name": "rest" },
        ]))
        .unwrap();
        self.api.clusters[at] = Some(cluster);
        self.formers[at].clear();
    }

    pub fn make_host(&mut self, at: usize, cluster: usize) {
        let name = ["a", "b", "c", "d", "e"][at];
        let spec = json!({ "clusterRef": { "name": CLUSTERS[cluster] } });
        let mut host = Host::clone(&tests::host(name, &spec, false));
        host.metadata.uid = Some(format!("uid-{name}-{}", self.fresh()));
        host.metadata.resource_version = Some(self.fresh());
        if self.rng.u8(0..6) == 0 {
            host.metadata.labels = Some([("is".to_owned(), "data".to_owned())].into());
        }
        self.since[at] = self.count;
        self.api.hosts[at] = Some(host);
    }

    /// What the Secrets of a Cluster hold, without the work of a hash.
    pub fn open(cluster: &Cluster, found: &Found) -> Result<Secrets, Problem> {
        secrets::judge(cluster, found)?;
        let (certificate, key) = &*AUTHORITY;
        let key = SecretSlice::from(key.expose_secret().as_bytes().to_vec());
        let authority = Authority::read(certificate.as_bytes(), &key);
        let authority = authority.unwrap_or_else(|error| panic!("{error}"));
        Ok(Secrets {
            authorities: certificate.as_bytes().to_vec(),
            authority,
            password: "secret".into(),
            hash: "{PBKDF2}hash".into(),
        })
    }

    /// Does what comes next of what an operator was about to do.
    pub fn write(&mut self, write: Write) {
        match write {
            Write::Secret(cluster, kind) => {
                let (labels, annotations) = marks(CLUSTERS[cluster]);
                let data = kind.keys().iter().map(|it| ((*it).to_owned(), b"x".to_vec().into()));
                let data = data.collect();
                let uid = self.fresh();
                let at = Kind::ALL.into_iter().position(|it| it == kind).unwrap();
                let place = &mut self.found[cluster][at];
                place.get_or_insert(Existing { uid, labels, annotations, data });
                self.tell(&format!("{kind:?} of {} is made", CLUSTERS[cluster]));
            }
            Write::Note { cluster, kind, secret, uuid } => {
                let at = Kind::ALL.into_iter().position(|it| it == kind).unwrap();
                if let Some(it) = self.found[cluster][at].as_mut().filter(|it| it.uid == secret) {
                    it.annotations.insert(CLUSTER_UUID.into(), uuid);
                }
            }
            Write::Cluster(at, mut cluster) => {
                let version = Some(self.fresh());
                let Some(now) = &mut self.api.clusters[at] else { return };
                if now.metadata != cluster.metadata {
                    return;
                }
                let formation =
                    |it: &Cluster| it.status.as_ref().and_then(|it| it.formation.clone());
                let told =
                    format!("{} has {:?}", CLUSTERS[at], formation(&cluster).map(|it| it.host));
                if formation(now) != formation(&cluster) {
                    self.chosen[at] = self.count;
                }
                cluster.metadata.resource_version = version;
                *now = *cluster;
                self.tell(&told);
            }
            Write::Host(at, mut host) => {
                let version = Some(self.fresh());
                let Some(now) = &mut self.api.hosts[at] else { return };
                if now.metadata != host.metadata {
                    return;
                }
                host.metadata.resource_version = version;
                *now = *host;
            }
            Write::Install { host, cluster, installation } => {
                self.machines[host].carry_on(&installation, cluster);
                let refusal = self.machines[host].refusal.clone();
                self.tell(&format!("{} comes to {host}: {refusal:?}", installation.run));
            }
        }
    }

    /// What is about to start on a machine does, and a node that waits finds its cluster.
    pub fn run(&mut self, at: usize) {
        let before = self.machines[at].data;
        if let Some((cluster, forms)) = self.machines[at].start() {
            self.tell(&format!("{at} starts as a node of {}, forms: {forms}", CLUSTERS[cluster]));
            if before.is_some_and(|it| it.uuid.is_some() && it.cluster != cluster) {
                self.fail("a node of one Cluster is started with the data of another");
            }
            if forms {
                self.form(at, cluster);
            }
            return;
        }
        let Some(Data { cluster, uuid: None }) = self.machines[at].data else { return };
        if self.machines[at].runs.is_none() {
            return;
        }
        // Only machines of its own Cluster are in its settings.
        let is_seed = |host: &Option<Host>| host.as_ref().and_then(cluster_of) == Some(cluster);
        let others = self.api.hosts.iter().zip(&self.machines);
        let mut others = others.filter(|(host, it)| is_seed(host) && it.runs == Some(cluster));
        let uuid = others.find_map(|(_, it)| it.data.filter(|it| it.cluster == cluster)?.uuid);
        self.machines[at].data = Some(Data { cluster, uuid });
    }

    fn form(&mut self, at: usize, cluster: usize) {
        let uuid = self.formed.len();
        if self.machines[at].wiped {
            self.fail("a machine that was wiped forms a cluster");
        }
        for other in 0..self.machines.len() {
            let Some(Data { uuid: Some(uuid), .. }) = self.machines[other].data else { continue };
            let host = self.api.hosts[other].as_ref();
            let is_member = host.and_then(cluster_of) == Some(cluster)
                && self.since[other] <= self.chosen[cluster];
            if is_member && self.formed[uuid] == cluster {
                self.fail(&format!(
                    "{at} forms a second cluster, while {other} has data of the first"
                ));
            }
        }
        self.formed.push(cluster);
        self.machines[at].data = Some(Data { cluster, uuid: Some(uuid) });
        self.formers[cluster].insert(at);
        if 1 < self.formers[cluster].len() {
            self.fail("two machines form a cluster in one life of the object");
        }
    }

    /// What must never be so.
    pub fn check(&self) {
        for (at, machine) in self.machines.iter().enumerate() {
            let Some(Data { uuid: Some(uuid), .. }) = machine.data else { continue };
            let noted = machine.report.cluster_uuid.as_deref();
            if noted.is_some_and(|it| it != name(uuid)) {
                self.fail(&format!("{at} is in {}, and {noted:?} is noted there", name(uuid)));
            }
        }
    }
}

/// What Elasticsearch calls a cluster.
pub fn name(uuid: usize) -> String {
    format!("uuid-{uuid}")
}
