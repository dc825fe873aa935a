//! The hosts whose Elasticsearch runs otherwise than it shall. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::super::managed::observe::Seen;
use crate::{
    api::{
        cluster::Cluster,
        host_status::{DataDirectory, DeployedElasticsearch},
        line::Line,
        rollout_status::{HOSTS, RolloutHost, RolloutStatus, RolloutStep},
    },
    controllers::deployment::{self, leaving},
    digest::{Digest, hex},
    elasticsearch::version::Version,
    rollout::{
        roles::Roles,
        run::{Kind, Run, version_of},
    },
};

/// So many digits of a revision are kept of each host of a run.
const SHORT: usize = 12;

/// What the spec asks of the hosts of a Cluster whose Elasticsearch Drover runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outdated {
    version: Version,
    /// What each host shall run, by the Host's uid.
    revisions: BTreeMap<Box<str>, Box<str>>,
    /// The roles that the node of each shall have, by the Host's uid.
    roles: BTreeMap<Box<str>, Roles>,
    /// The hosts that run something else, by uid.
    hosts: BTreeMap<Box<str>, Kind>,
    /// The hosts that run that, by uid.
    right: BTreeSet<Box<str>>,
}

impl Outdated {
    /// Compares what hosts tell with what they shall run; nothing where that can't be said.
    #[must_use]
    pub fn find(cluster: &Cluster, seen: &Seen) -> Option<Self> {
        let version = deployment::version(cluster)?;
        let may_be_changed = seen.secrets.is_ok() && deployment::renamed(cluster).is_none();
        let plans = seen.plans.as_ref().ok().filter(|_| may_be_changed)?;
        let run = cluster.status.as_ref().and_then(|it| it.rollout.as_ref());
        let (mut revisions, mut roles) = (BTreeMap::new(), BTreeMap::new());
        let mut hosts = BTreeMap::new();
        let (mut down, mut right) = (Vec::new(), BTreeSet::new());
        for host in &seen.hosts {
            let (Some(name), Some(uid)) = (&host.metadata.name, &host.metadata.uid) else {
                continue;
            };
            let Some(plan) = plans.get(name.as_str()) else { continue };
            // What another cluster has there is not changed by a run of this one.
            if !deployment::may_be_of(cluster, host) || leaving::is_due(cluster, host) {
                continue;
            }
            revisions.insert(uid.as_str().into(), plan.revision.clone());
            let named = plan.roles.clone().map_or(Roles::Every, Roles::Named);
            roles.insert(uid.as_str().into(), named);
            // What it has would be left behind.
            if seen.is_astray(host) {
                continue;
            }
            let told = deployment::told(host);
            let revision = told.and_then(|it| it.revision.as_ref()).map(Line::as_str);
            let runs = told.and_then(|it| it.version.as_ref());
            let runs = runs.map(|it| Version::parse(it.as_str()));
            let kind = match (runs, taken_down(run, uid)) {
                (Some(running), _) if running != Some(version) => Kind::ElasticsearchVersion,
                (Some(_), _) if revision != Some(&*plan.revision) => Kind::ElasticsearchConfig,
                // One that does not run is not in service: it is brought up without a run, unless
                // a run has taken it down. The version that this led to had passed the gates.
                (None, Some(run)) if Version::parse(version_of(&run.target)) == Some(version) => {
                    Kind::ElasticsearchConfig
                }
                (None, Some(_)) => Kind::ElasticsearchVersion,
                (Some(_), _) => {
                    right.insert(uid.as_str().into());
                    continue;
                }
                (None, None) if told.is_some_and(is_home) => {
                    down.push(uid);
                    continue;
                }
                (None, None) => continue,
            };
            hosts.insert(uid.as_str().into(), kind);
        }
        // Another version comes to nobody past the gates.
        if hosts.values().any(|it| *it == Kind::ElasticsearchVersion) {
            for uid in down {
                hosts.insert(uid.as_str().into(), Kind::ElasticsearchVersion);
            }
        }
        Some(Self { version, revisions, roles, hosts, right })
    }

    /// Whether any host runs something else.
    #[must_use]
    pub fn is_any(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Whether every host runs what it shall, and there is one.
    #[must_use]
    pub fn is_all_right(&self) -> bool {
        !self.right.is_empty() && self.right.len() == self.revisions.len()
    }

    /// Whether the host with this uid runs what it shall.
    #[must_use]
    pub fn is_right(&self, uid: &str) -> bool {
        self.right.contains(uid)
    }

    /// The roles that the node of the host with this uid shall have.
    #[must_use]
    pub fn roles(&self, uid: &str) -> Roles {
        self.roles.get(uid).cloned().unwrap_or_default()
    }

    /// What a run over hosts with these `uids` would be about: the kind, what it leads to, and the uids
    /// of those that it takes. A version comes with the settings for it, so that it goes first.
    #[must_use]
    pub fn wanted(&self, uids: &[&str]) -> Option<(Kind, String, Vec<Box<str>>)> {
        let uids: BTreeSet<&str> = uids.iter().copied().collect();
        let taken = self.hosts.iter().filter(|(uid, _)| uids.contains(&***uid)).take(HOSTS);
        let (uids, kinds): (Vec<Box<str>>, Vec<Kind>) =
            taken.map(|(uid, kind)| (uid.clone(), *kind)).unzip();
        Some((kinds.into_iter().min()?, self.target(&uids), uids))
    }

    /// Whether `run` leads to what the spec asks for still: hosts that come while it is under way, or
    /// leave, are no reason to begin another one.
    #[must_use]
    pub fn is_led_to_by(&self, run: &RolloutStatus) -> bool {
        let is_same = |it: &RolloutHost| {
            let wanted = self.revisions.get(it.host_uid.as_str());
            wanted.zip(it.revision.as_ref()).is_none_or(|(wanted, it)| wanted.starts_with(&**it))
        };
        Version::parse(version_of(&run.target)) == Some(self.version)
            && run.hosts.iter().all(is_same)
    }

    /// Notes in a run that begins what each of its hosts is to run.
    pub fn note(&self, run: &mut Run) {
        for host in run.hosts.iter_mut().filter(|_| run.kind.swaps()) {
            let revision = self.revisions.get(&host.uid);
            host.revision = revision.map(|it| it.get(..SHORT).unwrap_or(it).into());
        }
    }

    /// The version, and a digest of the settings of these hosts.
    fn target(&self, uids: &[Box<str>]) -> String {
        let mut digest = Digest::new();
        for (uid, revision) in uids.iter().filter_map(|it| self.revisions.get_key_value(it)) {
            digest.field(uid.as_bytes());
            digest.field(revision.as_bytes());
        }
        format!("{}/{}", self.version, hex(&digest.finish()[..6]))
    }
}

/// Whether it came to the machine before, be it that it never ran: beside an older cluster the host
/// brings nothing up by itself.
fn is_home(told: &DeployedElasticsearch) -> bool {
    !told.staged.is_empty() && told.data != DataDirectory::Unknown
}

/// The run that has begun with the host, and is not done with it, where it swaps what runs.
fn taken_down<'a>(run: Option<&'a RolloutStatus>, uid: &str) -> Option<&'a RolloutStatus> {
    let run = run.filter(|it| super::record::kind(it.kind).swaps())?;
    let is_left = [RolloutStep::Waiting, RolloutStep::Done, RolloutStep::RolledBack];
    let is_begun = |step| !is_left.contains(&step);
    run.hosts.iter().any(|it| it.host_uid == uid && is_begun(it.step)).then_some(run)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        api::host::Host,
        controllers::deployment::tests::{cluster, found, host},
    };

    /// Hosts that tell this of the Elasticsearch of Drover on them, and what follows from that.
    fn find(cluster: &Cluster, told: &[Value]) -> Outdated {
        let hosts: Vec<Arc<Host>> =
            told.iter().enumerate().map(|it| telling(cluster, it)).collect();
        Outdated::find(cluster, &Seen::new(cluster, found(), hosts)).unwrap()
    }

    /// `now` for the settings that are wanted.
    fn telling(cluster: &Cluster, (at, told): (usize, &Value)) -> Arc<Host> {
        let bare = host(&format!("h{at}"), &json!({}), true);
        let seen = Seen::new(cluster, found(), vec![Arc::clone(&bare)]);
        let mut told = told.clone();
        if told["revision"] == "now" {
            let plans = seen.plans.unwrap();
            told["revision"] = json!(plans.values().next().unwrap().revision);
        }
        let mut object = serde_json::to_value(&*bare).unwrap();
        object["status"]["elasticsearch"] =
            json!({ "unit": "u", "state": "active", "deployed": told });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn runs(version: &str, revision: &str) -> Value {
        json!({ "version": version, "revision": revision, "data": "Used" })
    }

    fn wanted(outdated: &Outdated) -> Option<(Kind, Vec<String>)> {
        let (kind, target, hosts) = outdated.wanted(&["uid-h0", "uid-h1"])?;
        assert!(target.starts_with("8.19.0/"), "{target}");
        Some((kind, hosts.iter().map(ToString::to_string).collect()))
    }

    #[test]
    fn only_what_runs_otherwise_than_it_shall_is_outdated_and_a_version_goes_first() {
        let cluster = cluster(&json!(null));
        let all = [runs("8.19.0", "now"), runs("8.19.0", "now")];
        assert_eq!(wanted(&find(&cluster, &all)), None);
        let other = [runs("8.19.0", "old"), runs("8.19.0", "now")];
        let expected = (Kind::ElasticsearchConfig, vec!["uid-h0".to_owned()]);
        assert_eq!(wanted(&find(&cluster, &other)), Some(expected));
        let both = [runs("8.19.0", "old"), runs("8.17.0", "old")];
        let expected = (Kind::ElasticsearchVersion, vec!["uid-h0".into(), "uid-h1".into()]);
        assert_eq!(wanted(&find(&cluster, &both)), Some(expected));
        // What is not in service is brought up without a run.
        let bare = [json!({ "data": "Empty" }), json!({ "data": "Used" }), Value::Null];
        assert_eq!(wanted(&find(&cluster, &bare)), None);
    }

    #[test]
    fn a_cluster_of_another_name_gets_no_settings_that_would_take_its_nodes_apart() {
        let elasticsearch = crate::api::cluster::ElasticsearchStatus {
            uuid: "u".into(),
            name: "other".into(),
            ..Default::default()
        };
        let cluster = cluster(&json!({ "elasticsearch": elasticsearch }));
        let host = telling(&cluster, (0, &runs("8.17.0", "old")));
        assert_eq!(Outdated::find(&cluster, &Seen::new(&cluster, found(), vec![host])), None);
    }

    #[test]
    fn the_roles_that_a_node_shall_have_are_those_of_its_group() {
        let mut named = cluster(&json!(null));
        let mut spec = serde_json::to_value(&named.spec).unwrap();
        spec["elasticsearch"]["nodeGroups"] = json!([{ "name": "m", "roles": ["master", "data"] }]);
        named.spec = serde_json::from_value(spec).unwrap();
        let told = [runs("8.19.0", "now")];
        let roles = Roles::Named(["data".into(), "master".into()].into());
        assert_eq!(find(&named, &told).roles("uid-h0"), roles);
        assert_eq!(find(&cluster(&json!(null)), &told).roles("uid-h0"), Roles::Every);
        assert_eq!(find(&named, &told).roles("uid-of-another"), Roles::Unknown);
    }

    #[test]
    fn a_host_that_is_a_member_of_another_cluster_is_in_no_run() {
        let mut other = runs("8.17.0", "old");
        other["clusterUuid"] = json!("another");
        assert_eq!(wanted(&find(&cluster(&json!(null)), &[other])), None);
    }

    #[test]
    fn a_host_that_is_down_gets_another_version_with_the_others_and_not_by_itself() {
        let cluster = cluster(&json!(null));
        let down = json!({ "staged": ["8.17.0"], "data": "Used" });
        let expected = (Kind::ElasticsearchVersion, vec!["uid-h0".into(), "uid-h1".into()]);
        let both = [down.clone(), runs("8.17.0", "old")];
        assert_eq!(wanted(&find(&cluster, &both)), Some(expected));
        let never_ran = [json!({ "staged": ["8.17.0"], "data": "Empty" }), runs("8.17.0", "old")];
        let expected = (Kind::ElasticsearchVersion, vec!["uid-h0".into(), "uid-h1".into()]);
        assert_eq!(wanted(&find(&cluster, &never_ran)), Some(expected));
        let other = [down, runs("8.19.0", "old")];
        let expected = (Kind::ElasticsearchConfig, vec!["uid-h1".into()]);
        assert_eq!(wanted(&find(&cluster, &other)), Some(expected), "it is brought up by itself");
    }

    #[test]
    fn no_run_takes_a_host_away_from_its_data() {
        let cluster = cluster(&json!(null));
        let elsewhere = json!({ "version": "8.19.0", "revision": "old", "data": "Empty" });
        let expected = (Kind::ElasticsearchConfig, vec!["uid-h1".into()]);
        let both = [elsewhere, runs("8.19.0", "old")];
        assert_eq!(wanted(&find(&cluster, &both)), Some(expected));
    }

    fn run(target: &str, uids: &[&str], step: &str) -> Value {
        let hosts = uids.iter().map(|uid| {
            json!({
                "name": "h", "hostUid": uid, "step": step, "attempt": 1,
                "startedAt": "2026-01-02T03:04:05Z",
            })
        });
        json!({ "rollout": {
            "runId": "deploy-1", "kind": "ElasticsearchConfig", "target": target,
            "hosts": hosts.collect::<Vec<_>>(), "startedAt": "2026-01-02T03:04:05Z",
        }})
    }

    #[test]
    fn a_host_that_a_run_has_taken_down_is_outdated_until_it_runs_as_it_shall() {
        let down = json!({ "data": "Used" });
        for (step, is_outdated) in [("Waiting", false), ("Stop", true), ("Done", false)] {
            let cluster = cluster(&run("8.19.0/x", &["uid-h0"], step));
            let outdated = find(&cluster, std::slice::from_ref(&down));
            assert_eq!(wanted(&outdated).is_some(), is_outdated, "{step}");
        }
    }

    #[test]
    fn a_host_that_is_down_by_a_run_to_another_version_comes_to_the_gate_of_versions() {
        let down = json!({ "data": "Used" });
        for (target, expected) in [
            ("8.19.0/x", Kind::ElasticsearchConfig),
            ("8.17.0/x", Kind::ElasticsearchVersion),
            ("9.0.0/x", Kind::ElasticsearchVersion),
        ] {
            let cluster = cluster(&run(target, &["uid-h0"], "Stop"));
            let outdated = find(&cluster, &[down.clone(), runs("8.19.0", "now")]);
            assert_eq!(wanted(&outdated), Some((expected, vec!["uid-h0".into()])), "{target}");
        }
    }

    #[test]
    fn a_run_leads_to_the_spec_whatever_hosts_come_or_leave_and_no_longer_once_settings_change() {
        let bare = cluster(&json!(null));
        let old = runs("8.19.0", "old");
        let outdated = find(&bare, &[old.clone(), old.clone()]);
        let (_, target, _) = outdated.wanted(&["uid-h0", "uid-h1"]).unwrap();
        let status = |target: &str| -> RolloutStatus {
            let run = run(target, &["uid-h0", "uid-h1"], "Stop");
            serde_json::from_value(run["rollout"].clone()).unwrap()
        };
        let mut run = super::super::record::run(&status(&target));
        outdated.note(&mut run);
        assert!(run.hosts.iter().all(|it| it.revision.as_ref().is_some_and(|it| it.len() == 12)));
        let run = super::super::record::status(&run);
        let more = [old.clone(), old.clone(), json!({ "data": "Empty" })];
        for told in [&more[..1], &more[..2], &more] {
            assert!(find(&bare, told).is_led_to_by(&run), "{told:?}");
        }
        assert!(!find(&bare, &more).is_led_to_by(&RolloutStatus {
            target: target.replace("8.19.0", "8.18.0"),
            ..run.clone()
        }));
        let mut other = bare.clone();
        let mut spec = serde_json::to_value(&other.spec).unwrap();
        let config = json!({ "node.attr.x": "1" });
        spec["elasticsearch"]["nodeGroups"] = json!([{ "name": "default", "config": config }]);
        other.spec = serde_json::from_value(spec).unwrap();
        assert!(!find(&other, &[old]).is_led_to_by(&run));
    }

    #[test]
    fn a_run_is_about_the_hosts_that_it_takes_alone() {
        let cluster = cluster(&json!(null));
        let all = [runs("8.19.0", "old"), runs("8.17.0", "old")];
        let outdated = find(&cluster, &all);
        let (kind, target, hosts) = outdated.wanted(&["uid-h0"]).unwrap();
        assert_eq!((kind, hosts), (Kind::ElasticsearchConfig, vec!["uid-h0".into()]));
        assert_ne!(target, outdated.wanted(&["uid-h0", "uid-h1"]).unwrap().1);
        assert_eq!(outdated.wanted(&[]), None);
        assert!(outdated.is_any() && !outdated.is_right("uid-h0"));
        assert!(find(&cluster, &[runs("8.19.0", "now")]).is_right("uid-h0"));
    }
}
