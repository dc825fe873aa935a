//! What each host of a Cluster runs, to the last byte of its files.

use std::collections::{BTreeMap, BTreeSet};

use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde_json::{Value, json};

use super::{
    Member, Problem,
    archive::{self, Archive},
    config::{self, Settings},
    files,
    groups::{self, PATH},
    heap,
};
use crate::{
    api::elasticsearch::{Distribution, NodeGroup},
    authority::Issued,
    digest::{Digest, hex},
    elasticsearch::version::Version,
    ssh::{
        deploy::{Deployment, File, layout},
        path::{PathError, RemotePath},
    },
};

/// The user that Drover itself is in a cluster that it runs.
pub const USER: &str = "drover";

/// What the nodes of a Cluster have in common.
#[derive(Clone, Debug)]
pub struct Site<'a> {
    /// The cluster's name in Elasticsearch.
    pub name: &'a str,
    /// The version that shall run.
    pub version: Version,
    /// Where it comes from.
    pub distribution: &'a Distribution,
    /// Which hosts run what; none for one group of all.
    pub groups: &'a [NodeGroup],
    /// PEM: whom the nodes trust, while an authority is replaced the old one and the new one.
    pub authorities: &'a [u8],
    /// The password of [`USER`] as [`super::realm::hash`] makes it.
    pub hash: &'a SecretString,
    /// The host that forms the cluster: one, and only as long as none was ever formed.
    pub bootstrap: Option<&'a str>,
}

/// What one host runs.
#[derive(Clone, Debug)]
pub struct NodePlan {
    /// The group that it is in.
    pub group: Box<str>,
    /// Whether its node votes in elections.
    pub votes: bool,
    /// Whether its node may be elected.
    pub may_lead: bool,
    /// Whether its node holds data.
    pub holds_data: bool,
    /// The roles of its node, by Elasticsearch's names; absent where it has every one.
    pub roles: Option<BTreeSet<Box<str>>>,
    /// Where its node answers to clients, as `https://address:port`.
    pub endpoint: Box<str>,
    /// What its certificate has to be good for: names and addresses.
    pub names: Vec<Box<str>>,
    /// What it runs.
    pub version: Version,
    /// What it unpacks.
    pub archive: Archive,
    /// The Java that runs it; absent for the archive's own.
    pub java_home: Option<Box<str>>,
    /// Where its data is.
    pub data: Box<str>,
    /// Files that it reads when it starts.
    pub at_start: Vec<File>,
    /// Files that it reads again whenever they change; its certificate and key come besides.
    pub live: Vec<File>,
    /// Changes whenever the node has to be restarted to be as it shall be.
    pub revision: Box<str>,
    /// Changes whenever anything else about it does.
    pub live_revision: Box<str>,
}

impl NodePlan {
    /// What is to be made so on the host; `issued` where its node needs another certificate.
    ///
    /// # Errors
    /// The data can't be where the spec says.
    pub fn deployment(&self, issued: Option<&Issued>) -> Result<Deployment, PathError> {
        let deployment = Deployment {
            version: self.version.to_string().into(),
            data: RemotePath::new(&self.data)?,
            at_start: self.at_start.clone(),
            live: self.live.clone(),
            revision: self.revision.clone(),
        };
        Ok(match issued {
            Some(issued) => deployment.with_certificate(issued),
            None => deployment,
        })
    }
}

/// What the hosts run.
#[derive(Clone, Debug, Default)]
pub struct Plans {
    /// What each runs, by the host's name; nothing of those whose architecture is not known yet.
    pub nodes: BTreeMap<Box<str>, NodePlan>,
    /// What can't be about a bare host, by its name: nothing comes there, and the others go on.
    pub aside: BTreeMap<Box<str>, Problem>,
}

/// What every host runs.
///
/// # Errors
/// All that can't be, each with its path, unless it is about bare hosts beside others.
pub fn plan(site: &Site, members: &[Member]) -> Result<Plans, Vec<Problem>> {
    let all = [NodeGroup::of_all()];
    let groups = if site.groups.is_empty() { &all[..] } else { site.groups };
    let (assigned, mut aside) = groups::assign(groups, members)?;
    let mut problems = Vec::new();
    let mut settings: BTreeMap<&str, Group> = BTreeMap::new();
    for group in groups {
        match Group::read(group) {
            Ok(read) => {
                settings.insert(&group.name, read);
            }
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let of = |member: &Member| {
        let group = assigned.get(&*member.name)?;
        Some((*group, settings.get(&*group.name)?))
    };
    let seeds = members.iter().filter_map(|member| {
        let (group, read) = of(member)?;
        groups::votes(group).then_some((&*member.address, read.transport_port))
    });
    let seeds = files::seeds(seeds);
    let mut nodes = BTreeMap::new();
    for member in members {
        let (Some((group, read)), Some(architecture)) = (of(member), &member.architecture) else {
            continue;
        };
        match node(site, group, read, (member, architecture), &seeds) {
            Ok(plan) => {
                nodes.insert(member.name.clone(), plan);
            }
            Err(problem) if member.is_bare => {
                aside.insert(member.name.clone(), problem);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if nodes.is_empty() {
        problems.extend(std::mem::take(&mut aside).into_values());
    }
    problems.dedup();
    if problems.is_empty() { Ok(Plans { nodes, aside }) } else { Err(problems) }
}

/// What a person says of a group, read.
struct Group {
    settings: Settings,
    http_port: u16,
    transport_port: u16,
}

impl Group {
    fn read(group: &NodeGroup) -> Result<Self, Vec<Problem>> {
        let path = format!("{PATH}[{}].config", group.name);
        let config = group.config.as_ref().map(crate::api::fields::JsonObject::to_map);
        let settings = config::flatten(&config.unwrap_or_default(), &path)?;
        let port = |key: &str, default| {
            config::port(&settings, key, default, &path).map_err(|it| vec![it])
        };
        let http_port = port("http.port", 9200)?;
        let transport_port = port("transport.port", 9300)?;
        if http_port == transport_port {
            let message = format!("is {http_port}, which transport has: it needs one of its own");
            return Err(vec![Problem::new(format!("{path}.http.port"), message)]);
        }
        Ok(Self { settings, http_port, transport_port })
    }
}

fn node(
    site: &Site,
    group: &NodeGroup,
    read: &Group,
    (member, architecture): (&Member, &str),
    seeds: &str,
) -> Result<NodePlan, Problem> {
    let archive = archive::archive(site.distribution, site.version, architecture)?;
    let data: Box<str> = group.data_path.0.as_str().into();
    let java_home = site.distribution.java_home.as_ref().map(|it| it.0.as_str().into());
    let java_options = files::java_options(heap::megabytes(group, member)?, &data);
    let mut settings = settings(site, group, read, member);
    let version = site.version.to_string();
    let lasting = config::render(&settings);
    let unit = |revision: &str| files::unit(&version, revision, java_home.as_deref(), &data);
    let revision = revision([&*lasting, &java_options, &unit("")].map(str::as_bytes));
    if site.bootstrap == Some(&*member.name) {
        // No reason for a restart.
        settings.insert(layout::FORMS.into(), json!([member.name]));
    }
    let at_start = vec![
        File::readable(layout::SETTINGS, config::render(&settings).into_bytes()),
        File::readable(layout::JAVA_OPTIONS, java_options.into_bytes()),
        File::of_systemd(layout::UNIT_FILE, unit(&revision).into_bytes()),
    ];
    let users = files::users(USER, site.hash.expose_secret());
    let live = vec![
        File::pem(layout::AUTHORITIES, site.authorities),
        File::readable(layout::SEEDS, seeds.as_bytes().to_vec()),
        File::readable(layout::USERS, SecretSlice::from(users.into_bytes())),
        File::readable(layout::USERS_ROLES, files::users_roles(USER).into_bytes()),
    ];
    let names = names(member);
    let contents = live.iter().map(|it| it.content.expose_secret());
    let live_revision = self::revision(contents.chain(names.iter().map(|it| it.as_bytes())));
    Ok(NodePlan {
        group: group.name.as_str().into(),
        votes: groups::votes(group),
        may_lead: groups::is_master(group),
        holds_data: groups::holds_data(group),
        roles: groups::names_of(group),
        endpoint: format!("https://{}", files::authority(&member.address, read.http_port)).into(),
        names,
        version: site.version,
        archive,
        java_home,
        data,
        at_start,
        live,
        revision,
        live_revision,
    })
}

/// A person's settings, and Drover's: where both say something, a person's were refused before, or
/// Drover's is a default.
fn settings(site: &Site, group: &NodeGroup, read: &Group, member: &Member) -> Settings {
    let mut settings = Settings::new();
    let mut say = |key: &str, value: Value| settings.insert(key.to_owned(), value);
    let binds = ["network.host", "network.bind_host"];
    if !binds.iter().any(|it| read.settings.contains_key(*it)) {
        say("network.bind_host", json!(["_local_", member.address]));
    }
    for (key, value) in &read.settings {
        say(key, value.clone());
    }
    say("cluster.name", json!(site.name));
    say("node.name", json!(member.name));
    if let Some(roles) = &group.roles {
        let mut roles = roles.clone();
        roles.sort_unstable();
        say("node.roles", roles.iter().map(|it| it.as_str()).collect());
    }
    say("path.data", json!(group.data_path.0));
    say("path.logs", json!(layout::LOGS));
    say("network.publish_host", json!(member.address));
    say("discovery.seed_providers", json!("file"));
    say("xpack.security.enabled", json!("true"));
    if 8 <= site.version.0 {
        say("xpack.security.autoconfiguration.enabled", json!("false"));
    }
    for layer in ["http", "transport"] {
        let mut of_tls = |key: &str, value: &str| {
            say(&format!("xpack.security.{layer}.ssl.{key}"), json!(value));
        };
        of_tls("enabled", "true");
        of_tls("certificate", layout::CERTIFICATE);
        of_tls("certificate_authorities", layout::AUTHORITIES);
        of_tls("key", layout::KEY);
    }
    // Nodes know each other by the authority, which signs nothing but nodes of this cluster.
    say("xpack.security.transport.ssl.verification_mode", json!("certificate"));
    settings
}

/// All by which somebody may reach the node.
fn names(member: &Member) -> Vec<Box<str>> {
    let own = [&member.name, &member.address].into_iter().chain(&member.hostname).cloned();
    let local = ["localhost", "127.0.0.1", "::1"].map(Into::into);
    let mut names: Vec<Box<str>> = own.chain(local).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn revision<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Box<str> {
    let mut digest = Digest::new();
    for part in parts {
        digest.field(part);
    }
    hex(&digest.finish()[..16]).into()
}
