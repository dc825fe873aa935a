//! What is known of the Elasticsearch that Drover runs itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use kube::ResourceExt as _;
use reqwest::Url;

use super::plan;
use crate::{
    api::{
        cluster::Cluster,
        condition::Reason,
        host::Host,
        host_status::{DataDirectory, DeployedElasticsearch},
        line::Line,
    },
    context::Context,
    controllers::{
        deployment::{
            self,
            secrets::{self, Found, Secrets},
        },
        references::Problem,
    },
    deploy::{
        self,
        node::{NodePlan, Plans, USER},
    },
    elasticsearch::connection::{Auth, Connection},
    error::Error,
    ssh::deploy::layout::{CLUSTER_UUID, UNIT},
};

/// The most endpoints that are tried in turn, as many as a spec may name.
const ENDPOINTS: usize = 32;
/// The most hosts that one text tells of.
const TOLD: usize = 5;
/// How long one request may take, as where a spec does not say.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What is known of it.
#[derive(Debug)]
pub struct Seen {
    /// The Secrets that are there.
    pub found: Found,
    /// What they hold.
    pub secrets: Result<Secrets, Problem>,
    /// The hosts of the Cluster, by name.
    pub hosts: Vec<Arc<Host>>,
    /// The other Clusters, by the uuid of their Elasticsearch.
    pub others: BTreeMap<String, String>,
    /// What each host shall run, by its name; nothing as long as the Secrets can't be used.
    pub plans: Result<BTreeMap<Box<str>, NodePlan>, Vec<deploy::Problem>>,
    /// What can't be about bare hosts, by their names: nothing comes there.
    pub aside: BTreeMap<Box<str>, deploy::Problem>,
}

/// Reads the Secrets, and looks at the hosts; nothing where Drover does not run the Elasticsearch.
///
/// # Errors
/// When the API server can't be asked.
pub async fn look(ctx: &Context, cluster: &Cluster) -> Result<Option<Seen>, Error> {
    if !deployment::is_managed(cluster) {
        return Ok(None);
    }
    let hosts = deployment::hosts_of(&ctx.stores, cluster);
    let others = deployment::others(&ctx.stores, cluster);
    Ok(Some(match secrets::find(ctx, cluster).await? {
        Ok(found) => Seen::among(others, cluster, found, hosts),
        Err(problem) => Seen::unread(others, problem, hosts),
    }))
}

impl Seen {
    /// What these Secrets and these hosts come to, where there is no other Cluster.
    #[must_use]
    pub fn new(cluster: &Cluster, found: Found, hosts: Vec<Arc<Host>>) -> Self {
        Self::among(BTreeMap::new(), cluster, found, hosts)
    }

    /// What is known where the Secrets may not be read.
    #[must_use]
    pub fn unread(
        others: BTreeMap<String, String>,
        problem: Problem,
        hosts: Vec<Arc<Host>>,
    ) -> Self {
        let (found, plans, aside) = (Found::default(), Ok(BTreeMap::new()), BTreeMap::new());
        Self { found, secrets: Err(problem), hosts, others, plans, aside }
    }

    /// What they come to beside these other Clusters.
    #[must_use]
    pub fn among(
        others: BTreeMap<String, String>,
        cluster: &Cluster,
        found: Found,
        hosts: Vec<Arc<Host>>,
    ) -> Self {
        let secrets = secrets::open(cluster, &found);
        Self::holding(others, cluster, (found, secrets), hosts)
    }

    /// What they come to where the Secrets hold this.
    #[must_use]
    pub fn holding(
        others: BTreeMap<String, String>,
        cluster: &Cluster,
        (found, secrets): (Found, Result<Secrets, Problem>),
        hosts: Vec<Arc<Host>>,
    ) -> Self {
        let plans = match &secrets {
            Ok(secrets) => deployment::plans(cluster, secrets, &hosts),
            Err(_) => Ok(Plans::default()),
        };
        let (plans, aside) = sorted(plans);
        let mut seen = Self { found, secrets, hosts, others, plans, aside };
        let [admin, _, signs] = &seen.found;
        let is_about_it =
            seen.secrets.as_ref().is_err_and(|it| it.reason == Reason::SecretNotFound);
        if is_about_it && signs.is_none() && admin.is_some() && seen.is_in_use(cluster) {
            seen.secrets = Err(secrets::lost(cluster));
        }
        seen
    }

    /// Plans anew what each host shall run, as `cluster` says it by now.
    pub fn replan(&mut self, cluster: &Cluster) {
        if let Ok(secrets) = &self.secrets {
            (self.plans, self.aside) = sorted(deployment::plans(cluster, secrets, &self.hosts));
        }
    }

    /// Whether nodes trust an authority that was made before: a cluster is known, or told of by a host.
    #[must_use]
    pub fn is_in_use(&self, cluster: &Cluster) -> bool {
        let is_its_own = |it: &&DeployedElasticsearch| {
            let noted = it.cluster_uuid.as_ref();
            noted.is_none_or(|it| !self.others.contains_key(it.as_str()))
        };
        let hosts = self.hosts.iter();
        let hosts = hosts.filter(|it| deployment::forms_another(it, &self.others).is_none());
        let told = hosts.filter_map(|it| deployment::told(it)).filter(is_its_own);
        deployment::uuid(cluster).is_some()
            || !secrets::uuids(&self.found).is_empty()
            || told.into_iter().any(|it| it.version.is_some() || it.cluster_uuid.is_some())
    }

    /// What can't be in the spec, all of it in one text.
    #[must_use]
    pub fn invalid(&self) -> Option<Problem> {
        Some(problem(self.plans.as_ref().err()?))
    }

    /// What can't be about bare hosts, the first of them in one text.
    #[must_use]
    pub fn set_aside(&self) -> Option<Problem> {
        (!self.aside.is_empty()).then(|| problem(self.aside.values().take(TOLD)))
    }

    /// Whether `host` would come back without its data: it runs, or is a member of a cluster, and the
    /// folder that it is to have by now does not hold anything.
    #[must_use]
    pub fn is_astray(&self, host: &Host) -> bool {
        let plan = self.plans.as_ref().ok().and_then(|it| it.get(host.name_any().as_str()));
        let (Some(plan), Some(told)) = (plan, deployment::told(host)) else { return false };
        let revision = told.revision.as_ref().map(Line::as_str);
        // One that was just started as it shall be has not written anything yet.
        let is_outdated = told.version.is_some() && revision != Some(&*plan.revision);
        told.data != DataDirectory::Used && (is_outdated || told.cluster_uuid.is_some())
    }

    /// What is wrong with the first host of which that is so.
    #[must_use]
    pub fn astray(&self) -> Option<Problem> {
        let host = self.hosts.iter().find(|it| self.is_astray(it))?;
        let name = host.name_any();
        let data = self.plans.as_ref().ok()?.get(name.as_str()).map(|it| &it.data)?;
        let message = format!(
            "host '{name}' has been a member of a cluster, and its data is not in {data}, where it is \
             to be: nothing is changed before it is. Give it back the group and the dataPath that it \
             had, or mount what belongs there. Where its data is lost, or shall be, stop \
             {UNIT} there and remove {CLUSTER_UUID}: it joins as one without data"
        );
        Some(Problem { reason: Reason::Conflict, message })
    }

    /// Whether Drover's Elasticsearch runs on any host.
    #[must_use]
    pub fn runs(&self) -> bool {
        let told = self.hosts.iter().filter_map(|it| deployment::told(it));
        told.into_iter().any(|it| it.version.is_some())
    }

    /// How Drover reaches it; nothing as long as there is nobody to ask.
    ///
    /// # Errors
    /// Which Secret can't be used, or what in the spec.
    pub fn connection(&self, cluster: &Cluster) -> Result<Option<Connection>, Problem> {
        let secrets = match &self.secrets {
            Ok(secrets) => secrets,
            // They are about to be made.
            Err(_) if !plan::missing(cluster, self).is_empty() => return Ok(None),
            Err(problem) => return Err(problem.clone()),
        };
        if let Some(problem) = self.invalid() {
            return Err(problem);
        }
        if deployment::uuid(cluster).is_none() && !self.runs() {
            return Ok(None);
        }
        let endpoints: Vec<Url> = self.endpoints().take(ENDPOINTS).collect();
        Ok((!endpoints.is_empty()).then(|| Connection {
            endpoints,
            auth: Auth::Basic { username: USER.into(), password: secrets.password.clone() },
            ca: Some(secrets.authorities.clone()),
            fingerprint: None,
            server_name: None,
            timeout: TIMEOUT,
        }))
    }
}

impl Seen {
    /// Where each node serves: first by the settings that its host has in place, as those of the spec may ask
    /// for another port and get there by a run, which needs answers from the beginning to the end.
    fn endpoints(&self) -> impl Iterator<Item = Url> {
        let plans = self.plans.iter().flatten();
        let planned: Vec<(&str, Url)> = plans
            .filter_map(|(name, plan)| Some((&**name, Url::parse(&plan.endpoint).ok()?)))
            .collect();
        let in_place = |(name, url): &(&str, Url)| {
            let host = self.hosts.iter().find(|it| it.name_any() == *name);
            let mut url = url.clone();
            if let Some(port) = host.and_then(|it| deployment::told(it)?.http_port) {
                // What is read from the URL of a host always takes a port.
                let _ = url.set_port(Some(port));
            }
            url
        };
        let first: Vec<Url> = planned.iter().map(in_place).collect();
        let rest: Vec<Url> =
            planned.into_iter().map(|it| it.1).filter(|it| !first.contains(it)).collect();
        first.into_iter().chain(rest)
    }
}

type Planned = Result<BTreeMap<Box<str>, NodePlan>, Vec<deploy::Problem>>;

/// What each host runs, and what can't be about bare ones.
fn sorted(
    plans: Result<Plans, Vec<deploy::Problem>>,
) -> (Planned, BTreeMap<Box<str>, deploy::Problem>) {
    match plans {
        Ok(plans) => (Ok(plans.nodes), plans.aside),
        Err(problems) => (Err(problems), BTreeMap::new()),
    }
}

/// All of it in one text.
fn problem<'a>(problems: impl IntoIterator<Item = &'a deploy::Problem>) -> Problem {
    let texts = problems.into_iter().map(|it| format!("spec.{}: {}", it.path, it.message));
    let message = texts.collect::<Vec<_>>().join("; ");
    Problem { reason: Reason::InvalidSpec, message }
}
