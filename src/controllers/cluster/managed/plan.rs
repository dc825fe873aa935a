//! Who forms the cluster, and what becomes of its Secrets. Pure.
//!
//! A cluster is formed once: by one host, and only where nothing at all tells of an earlier one. What
//! a Secret or a host remembers is joined instead.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kube::ResourceExt as _;

use super::{
    super::rollout::members,
    claims::{claimed, lost, rival},
    observe::Seen,
};
use crate::{
    api::{
        cluster::Cluster,
        condition::Reason,
        host::Host,
        host_status::{DataDirectory, DeployedElasticsearch},
        index::Mode,
    },
    authority::secrets::{CLUSTER_UUID, Existing, Kind, Next, next as judge},
    controllers::{deployment, references::Problem},
    elasticsearch::snapshot::ClusterView,
    ssh::deploy::layout,
};

/// The most hosts that one text names.
const NAMED: usize = 5;

/// The decision of one reconcile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Secrets that are to be made.
    pub make: Vec<Kind>,
    /// Those that mode Plan keeps from being made.
    pub held: Vec<Kind>,
    /// The host that would form the cluster, by its name, where mode Plan keeps it from that.
    pub would_form: Option<String>,
    /// Which cluster it is.
    pub stand: Stand,
    /// The uuid that Secrets have to remember from now on, and which Secrets.
    pub note: Option<(String, Vec<Kind>)>,
}

impl Plan {
    /// The uuid that a Secret or a host remembers, and the status does not know yet.
    #[must_use]
    pub fn remembered(&self) -> Option<&str> {
        match &self.stand {
            Stand::Remembered(uuid) => Some(uuid),
            _ => None,
        }
    }

    /// Whether nothing is waited for: the cluster is known, and so it is to everybody.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.make.is_empty() && self.note.is_none() && self.stand == Stand::Known
    }

    /// Whether it makes, or remembers, what is there once in the life of a cluster: that is never decided
    /// on an older copy of the world.
    #[must_use]
    pub fn is_momentous(&self) -> bool {
        let is_first = matches!(self.stand, Stand::Forms { .. } | Stand::Remembered(_));
        is_first || !self.make.is_empty() || self.note.is_some()
    }

    /// What has to come before there is anybody to ask.
    #[must_use]
    pub fn waits_for(&self) -> String {
        match &self.stand {
            Stand::Waits(why) => why.clone(),
            Stand::Refused(problem) => problem.message.clone(),
            Stand::Known | Stand::Remembered(_) => {
                "no host has told yet which machine it is".into()
            }
            Stand::Forming | Stand::Forms { .. } => {
                "Elasticsearch is being installed on the hosts".into()
            }
        }
    }

    /// Why nothing may be installed; nothing where it may, or where that is only a matter of time.
    #[must_use]
    pub fn refused(&self) -> Option<&Problem> {
        match &self.stand {
            Stand::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

/// Which cluster the hosts are, or become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Its uuid is on record.
    Known,
    /// Its uuid is on record from now on: a Secret or a host remembers it.
    Remembered(String),
    /// One is formed, by the host that is on record.
    Forming,
    /// One is to be formed, by this host.
    Forms {
        /// Its name.
        host: String,
        /// Its uid.
        uid: String,
    },
    /// Something has to come first.
    Waits(String),
    /// A person has to decide; nothing is installed.
    Refused(Problem),
}

/// Decides.
#[must_use]
pub fn next(cluster: &Cluster, seen: &Seen) -> Plan {
    let stand = stand(cluster, seen);
    let is_deleting = cluster.metadata.deletion_timestamp.is_some();
    let make = if is_deleting { Vec::new() } else { missing(cluster, seen) };
    let is_refused = matches!(stand, Stand::Refused(_));
    let note = if is_deleting || is_refused { None } else { note(cluster, seen) };
    let plan = Plan { make, held: Vec::new(), would_form: None, stand, note };
    match cluster.spec.mode {
        Mode::Apply => plan,
        Mode::Plan => hold(plan),
    }
}

/// Nothing is made, and nothing formed. What is formed already is remembered all the same.
fn hold(plan: Plan) -> Plan {
    let (stand, would_form) = match plan.stand {
        Stand::Forms { host, .. } => {
            (Stand::Waits("mode Plan holds back that the cluster is formed".into()), Some(host))
        }
        stand => (stand, None),
    };
    Plan { make: Vec::new(), held: plan.make, would_form, stand, note: plan.note }
}

/// The Secrets that are to be made: none where one of them is somebody else's, or another cluster's. What
/// is trusted comes from what signs, once that was read back: of two who make it at once, one has made
/// it.
pub(super) fn missing(cluster: &Cluster, seen: &Seen) -> Vec<Kind> {
    let is_unread = seen
        .secrets
        .as_ref()
        .is_err_and(|it| matches!(it.reason, Reason::Forbidden | Reason::Conflict));
    let judged: BTreeMap<Kind, Next> = Kind::ALL
        .into_iter()
        .zip(&seen.found)
        .map(|(kind, it)| (kind, judge(kind, &cluster.name_any(), it.as_ref())))
        .collect();
    let is_refused = judged.values().any(|it| matches!(it, Next::Refuse(_)));
    if is_unread || is_refused {
        return Vec::new();
    }
    let is_made = |kind: Kind| judged.get(&kind) == Some(&Next::Use);
    let may_be_made = |kind: &Kind| match kind {
        Kind::Admin => true,
        Kind::Authorities => is_made(Kind::AuthorityKey),
        // Nodes trust another one than would be made.
        Kind::AuthorityKey => !is_made(Kind::Authorities) && !seen.is_in_use(cluster),
    };
    let kinds = judged.iter().filter(|(_, it)| **it == Next::Make).map(|(kind, _)| *kind);
    kinds.filter(may_be_made).collect()
}

/// What Secrets have to remember, so that the object, made again, forms no other cluster.
fn note(cluster: &Cluster, seen: &Seen) -> Option<(String, Vec<Kind>)> {
    let uuid = deployment::recorded(cluster)?;
    seen.secrets.as_ref().ok()?;
    let lacks = |it: &&(Kind, _)| {
        let (_, existing): &(Kind, &Option<Existing>) = it;
        existing.as_ref().is_some_and(|it| !it.annotations.contains_key(CLUSTER_UUID))
    };
    let all: Vec<_> = Kind::ALL.into_iter().zip(&seen.found).collect();
    let kinds: Vec<Kind> = all.iter().filter(lacks).map(|it| it.0).collect();
    (!kinds.is_empty()).then(|| (uuid.to_owned(), kinds))
}

fn stand(cluster: &Cluster, seen: &Seen) -> Stand {
    match belonging(cluster, seen) {
        refused @ Stand::Refused(_) => refused,
        stand => seen.astray().map_or(stand, Stand::Refused),
    }
}

/// The same by which cluster is remembered, and by whom.
fn belonging(cluster: &Cluster, seen: &Seen) -> Stand {
    let told: Vec<(&Host, Option<&DeployedElasticsearch>)> =
        seen.hosts.iter().map(|it| (&**it, deployment::told(it))).collect();
    let secrets = deployment::secrets::uuids(&seen.found);
    if let Some(uuid) = deployment::uuid(cluster) {
        return match secrets.iter().find(|it| **it != uuid) {
            None => {
                let problem = deployment::renamed(cluster).map(conflict);
                let problem = problem.or_else(|| lost(cluster, seen, uuid));
                problem.map_or(Stand::Known, Stand::Refused)
            }
            Some(other) => Stand::Refused(conflict(format!(
                "the Secrets of the Cluster belong to the cluster {other}, not to {uuid}: take their \
                 annotation {CLUSTER_UUID} away if they shall be used for this one"
            ))),
        };
    }
    let noted =
        told.iter().filter_map(|(host, it)| Some((host, it.as_ref()?.cluster_uuid.as_ref()?)));
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    for uuid in secrets {
        known.insert(uuid, format!("{uuid} (a Secret)"));
    }
    for (host, uuid) in noted {
        known
            .entry(uuid.as_str())
            .or_insert_with(|| format!("{uuid} (host '{}')", host.name_any()));
    }
    match known.len() {
        0 => {}
        1 => {
            let uuid = known.keys().next().copied().unwrap_or_default();
            let problem = claimed(seen, uuid, &known)
                .or_else(|| rival(cluster, seen, uuid, &known))
                .or_else(|| lost(cluster, seen, uuid));
            return problem.map_or_else(|| Stand::Remembered(uuid.to_owned()), Stand::Refused);
        }
        _ => {
            let all: Vec<String> = known.into_values().collect();
            return Stand::Refused(conflict(format!(
                "hosts and Secrets remember several clusters: {}. Take away what belongs to another \
                 one",
                all.join(", ")
            )));
        }
    }
    if let Some(formation) = cluster.status.as_ref().and_then(|it| it.formation.as_ref()) {
        let is_it = |(host, _): &&(&Host, _)| {
            host.metadata.uid.as_deref() == Some(formation.host_uid.as_str())
        };
        return match told.iter().find(is_it) {
            Some(_) => Stand::Forming,
            None => Stand::Refused(conflict(format!(
                "host '{}', which was to form the cluster, is gone, and nobody knows whether it has: \
                 once it is certain that no host has data, delete this object and make it again",
                formation.host
            ))),
        };
    }
    match first(cluster, seen, &told) {
        Ok(host) => Stand::Forms {
            host: host.name_any(),
            uid: host.metadata.uid.clone().unwrap_or_default(),
        },
        Err(stand) => stand,
    }
}

/// The host that forms the cluster, where one may be formed.
fn first<'a>(
    cluster: &Cluster,
    seen: &Seen,
    told: &[(&'a Host, Option<&DeployedElasticsearch>)],
) -> Result<&'a Host, Stand> {
    let wait = |message: String| Err(Stand::Waits(message));
    if let Err(problem) = &seen.secrets {
        return wait(problem.message.clone());
    }
    let Ok(plans) = &seen.plans else { return wait("the spec can't be worked with".into()) };
    if cluster.metadata.deletion_timestamp.is_some() {
        return wait("the object is being deleted".into());
    }
    if told.is_empty() {
        return wait("no Host names this Cluster yet".into());
    }
    let forms_another = |it: &&(&Host, _)| deployment::forms_another(it.0, &seen.others).is_some();
    if let Some((host, _)) = told.iter().find(forms_another) {
        let other = deployment::forms_another(host, &seen.others).unwrap_or_default();
        return Err(Stand::Refused(conflict(format!(
            "host '{}' forms the cluster of Cluster {other}: it names that one in spec.clusterRef",
            host.name_any()
        ))));
    }
    if seen.runs() {
        return wait("Elasticsearch runs on a host, and is asked which cluster it is".into());
    }
    // What a person has to decide is told before what only time brings.
    if cluster.spec.connection.is_some() {
        let message = "spec.connection names an Elasticsearch, and none is formed beside it: take it \
                       away to have one formed of the hosts";
        return Err(Stand::Refused(conflict(message.into())));
    }
    let used = told.iter().filter(|(_, it)| it.is_some_and(|it| it.data == DataDirectory::Used));
    let used: BTreeSet<String> = used.map(|(host, _)| host.name_any()).collect();
    if let Some(host) = used.first() {
        let data = plans.get(host.as_str()).map_or("its data folder", |it| &*it.data);
        return Err(Stand::Refused(Problem {
            reason: Reason::NotOwned,
            message: format!(
                "host '{host}' has something in {data}, and nobody knows of which cluster: move it \
                 away to have a new cluster formed, or set connection.expectedUuid to the cluster \
                 that it belongs to"
            ),
        }));
    }
    for (host, told) in told {
        let name = host.name_any();
        if let Err(why) = members::fit(host) {
            return wait(format!("host '{name}': {why}"));
        }
        if host.spec.maintenance {
            return wait(format!("host '{name}': spec.maintenance is set"));
        }
        let is_known = told.is_some_and(|it| it.data != DataDirectory::Unknown);
        if let Some(problem) = seen.aside.get(name.as_str()) {
            return wait(format!("host '{name}': spec.{}: {}", problem.path, problem.message));
        }
        if !is_known || !plans.contains_key(name.as_str()) {
            return wait(format!("host '{name}' has not told yet what is in its data folder"));
        }
    }
    if cluster.spec.paused {
        return wait("spec.paused holds back that the cluster is formed".into());
    }
    let may_lead = |host: &&Host| plans.get(host.name_any().as_str()).is_some_and(|it| it.may_lead);
    let begun: Vec<&Host> =
        told.iter().map(|(host, _)| *host).filter(|it| deployment::is_home(it)).collect();
    match begun.as_slice() {
        [] => {}
        [host] if may_lead(host) => return Ok(*host),
        hosts => return Err(Stand::Refused(conflict(begun_before(hosts)))),
    }
    let Some(host) = told.iter().map(|(host, _)| *host).find(may_lead) else {
        return wait("no host may be elected master".into());
    };
    Ok(host)
}

/// Why none of these hosts forms the cluster, nor another one: Elasticsearch that was begun there in an
/// earlier life of the object may be starting yet, and form one.
fn begun_before(hosts: &[&Host]) -> String {
    let names = hosts.iter().take(NAMED).map(|it| format!("'{}'", it.name_any()));
    format!(
        "Elasticsearch came to the hosts {} before, without data so far, and may be forming a cluster there: \
         stop {} and remove {} on all of them but one that may be elected master",
        names.collect::<Vec<_>>().join(", "),
        layout::UNIT,
        layout::TREES
    )
}

/// That is for a person to put right.
pub(super) fn conflict(message: String) -> Problem {
    Problem { reason: Reason::Conflict, message }
}

/// What of the spec is not so yet, of the first host by name of which that is so.
#[must_use]
pub fn outstanding(seen: &Seen, view: Option<&ClusterView>) -> Option<String> {
    let of_host = |host: &Arc<Host>| {
        let name = host.name_any();
        let told = deployment::told(host);
        let runs = told.is_some_and(|it| it.version.is_some());
        if !runs {
            let is_home = told.is_some_and(|it| it.data == DataDirectory::Used);
            return Some(if is_home {
                format!("Elasticsearch on host '{name}' does not run")
            } else {
                format!("Elasticsearch is not installed on host '{name}' yet")
            });
        }
        let is_member = |view: &ClusterView| view.nodes.values().any(|it| it.name == name);
        view.is_some_and(|it| !is_member(it))
            .then(|| format!("Elasticsearch on host '{name}' has not joined the cluster yet"))
    };
    seen.hosts.iter().find_map(of_host)
}
