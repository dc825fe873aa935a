//! The machine of a scene, and how it answers.

use jiff::Timestamp;

use crate::ssh::{
    deploy::{
        care::Aim,
        installation::{Installation, Outcome as Reached},
        report::{Report, Standing},
    },
    error::Error,
    facts::{Disk, Facts, Identity, Os},
    families::Family,
    flanneld::{Flanneld, Standing as Flannel, is_about},
    host_key::{Fingerprint, Otherwise, Refusal},
    operation::{Outcome, spent::Spent},
    service::{Service, State},
    steps::Drift,
    target::Target,
    treatment::{Deed, Treated, Treatment},
};

/// The machine that is there at first.
pub const MACHINE: &str = "11111111111111111111111111111111";

/// What is behind the address.
#[derive(Clone)]
pub struct Machine {
    /// The keys that are shown on the way, the machine's own last.
    pub keys: Vec<Fingerprint>,
    /// Why it does not answer, where it does not.
    pub fault: Option<Error>,
    pub facts: Facts,
    /// Why facts can't be read, where they can't.
    pub untold: Option<Error>,
    pub root: Result<(), Error>,
    /// Where it is not as the spec has it.
    pub differs: Vec<Drift>,
    /// What it does not let itself be made.
    pub stubborn: Vec<Drift>,
    /// Why nothing can be changed on it, where that is so.
    pub refuses: Option<Error>,
    /// Kernel parameters that Drover has set there, of which it no longer knows what they were.
    pub lost: Vec<Box<str>>,
    /// Whether somebody else runs flanneld there.
    pub has_foreign_flanneld: bool,
    /// The service that runs Elasticsearch.
    pub service: Service,
    /// Why that can't be looked at, where it can't.
    pub service_fault: Option<Error>,
    /// How far the work of a run is.
    pub outcome: Outcome,
    /// How Drover's Elasticsearch is there.
    pub elasticsearch: Report,
    /// How far what is to come there is.
    pub installing: Option<Reached>,
    /// How often it was started for the first time.
    pub starts: usize,
    /// How often the work was begun.
    pub begun: usize,
    /// Whether a look into everything takes longer than anybody waits for it.
    pub is_slow: bool,
    /// What runs have left there, and Drover took away.
    pub cleared: Vec<Spent>,
}

/// One that runs.
fn service() -> Service {
    Service {
        unit: State {
            load: "loaded".into(),
            active: "active".into(),
            result: "success".into(),
            invocation: Some("run-1".into()),
            is_queued: false,
            active_since: Some(1),
            restarts: 0,
        },
        processes: [7, 8].into(),
        ..Service::default()
    }
}

/// A fingerprint that tells itself from others.
pub fn print(letter: char) -> Fingerprint {
    // The last character of 43 carries four bits.
    let text: String = std::iter::repeat_n(letter, 42).chain(['A']).collect();
    format!("SHA256:{text}").parse().unwrap()
}

impl Machine {
    /// One that answers, and is as it should be.
    pub fn good() -> Self {
        let facts = Facts {
            os: Os {
                id: Some("debian".into()),
                version: Some("12".into()),
                variant: None,
                family: Some(Family::Debian),
            },
            kernel: Some("6.1.0".into()),
            architecture: Some("x86_64".into()),
            hostname: Some("h1".into()),
            identity: Identity {
                machine_id: Some(MACHINE.into()),
                boot_id: Some("first-boot".into()),
                init_started: Some(7),
            },
            cpus: Some(4),
            memory_bytes: Some(8 << 30),
            root_disk: Some(Disk { total_bytes: 1_000_000, free_bytes: 500_000 }),
            data_disk: None,
            package_manager: Some("apt-get".into()),
            ostree: None,
            elasticsearch_version: None,
            has_systemd: true,
            runs_units: true,
            is_stopping: false,
            reboot_required: Some(false),
            clock_skew_seconds: Some(0),
        };
        Self {
            keys: vec![print('A')],
            fault: None,
            facts,
            untold: None,
            root: Ok(()),
            differs: vec![],
            stubborn: vec![],
            refuses: None,
            lost: vec![],
            has_foreign_flanneld: false,
            service: service(),
            service_fault: None,
            outcome: Outcome::NotBegun { is_as_before: true },
            elasticsearch: Report::bare(),
            installing: None,
            starts: 0,
            begun: 0,
            is_slow: false,
            cleared: vec![],
        }
    }

    /// How far the work of a run is; it is begun with leave.
    pub fn work(&mut self, leave: bool) -> Outcome {
        if leave && matches!(self.outcome, Outcome::NotBegun { .. }) {
            self.begun += 1;
            self.outcome = Outcome::UnderWay;
        }
        self.outcome.clone()
    }

    /// What comes of what is to be done on it.
    pub fn treat(&mut self, treatment: &Treatment, now: Timestamp) -> Treated {
        let deed = treatment.deed;
        let failures: Vec<Error> = self.refuses.iter().cloned().collect();
        let before = self.differs.clone();
        if failures.is_empty() {
            match deed {
                Deed::Compare => {}
                Deed::Prepare => self.differs.clone_from(&self.stubborn),
                Deed::Reset => self.differs = Vec::new(),
            }
        }
        let failures = if deed == Deed::Compare { Vec::new() } else { failures };
        let lost = self.lost.clone();
        let is_gone = treatment.flanneld.as_ref().is_some_and(Flanneld::is_gone);
        let is_provided = treatment.flanneld.as_ref().is_some_and(Flanneld::is_provided);
        let is_right = !self.differs.iter().any(|it| is_about(&it.path));
        let flanneld = treatment.flanneld.as_ref().map(|_| match deed {
            _ if is_gone && is_right => Flannel::Gone,
            _ if is_gone => Flannel::Lacking,
            _ if self.has_foreign_flanneld => Flannel::Foreign,
            _ if is_right && is_provided => Flannel::Ours,
            _ => Flannel::Lacking,
        });
        let left = self.differs.clone();
        let elasticsearch = treatment.elasticsearch.as_ref().map(|it| self.see_to(it, deed));
        let (began, ended) = (now, now);
        Treated { deed, before, left, failures, lost, flanneld, elasticsearch, began, ended }
    }

    fn see_to(&mut self, aim: &Aim, deed: Deed) -> Standing {
        match aim {
            Aim::Gone { .. } if self.refuses.is_none() => {
                self.elasticsearch = Report::bare();
                Standing::Gone
            }
            Aim::Kept(care) if deed == Deed::Prepare && self.elasticsearch.is_active() => {
                if let Some(uuid) = &care.cluster_uuid {
                    self.elasticsearch.cluster_uuid = Some(uuid.clone());
                }
                Standing::There(Box::new(self.elasticsearch.clone()))
            }
            _ => Standing::There(Box::new(self.elasticsearch.clone())),
        }
    }

    /// What comes of an installation, a step at each look.
    pub fn install(&mut self, installation: &Installation) -> (Reached, bool) {
        if let Some(outcome) = &self.installing {
            return (outcome.clone(), !matches!(outcome, Reached::Failed(_) | Reached::Refused(_)));
        }
        let deployment = &installation.deployment;
        let done = |it: &Report| Reached::Done(Box::new(it.clone()));
        if installation.starts && deployment.is_running(&self.elasticsearch) {
            return (done(&self.elasticsearch), false);
        }
        if !deployment.is_staged(&self.elasticsearch) {
            self.elasticsearch.stage(deployment);
            return (Reached::Fetching, true);
        }
        if !installation.starts {
            return (done(&self.elasticsearch), false);
        }
        self.starts += 1;
        self.elasticsearch.swap(deployment, "installed");
        (Reached::Starting, true)
    }

    /// Why no session comes about, as the real checks have it.
    pub fn refusal(&self, target: &Target) -> Option<Error> {
        let names = target.names();
        for ((hop, name), key) in
            target.jump_hosts.iter().chain([&target.host]).zip(names).zip(&self.keys)
        {
            let policy = &hop.host_key;
            let algorithm = || "ssh-ed25519".into();
            let presented = *key;
            let refusal = match policy.otherwise {
                _ if policy.fingerprints.contains(key) => continue,
                _ if !policy.fingerprints.is_empty() => {
                    Refusal::Mismatch { algorithm: algorithm(), presented }
                }
                Otherwise::TrustOnFirstUse { seen: Some(seen) } if seen == presented => continue,
                Otherwise::TrustOnFirstUse { seen: Some(seen) } => {
                    Refusal::Changed { algorithm: algorithm(), presented, seen }
                }
                Otherwise::TrustOnFirstUse { seen: None } => {
                    panic!("a key that is not on record would be trusted")
                }
                Otherwise::Refuse => Refusal::UnknownKey { algorithm: algorithm(), presented },
            };
            return Some(Error::HostKey { host: name, refusal: Box::new(refusal) });
        }
        self.fault.clone()
    }
}
