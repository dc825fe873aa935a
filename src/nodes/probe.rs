//! What an API server is, whom it takes Drover for, and what Drover may do there: asked beforehand,
//! so that a missing permission is named before it stops something half-way.

use std::fmt;

use futures::future::try_join_all;
use http::Request;
use k8s_openapi::{
    api::{
        authentication::v1::SelfSubjectReview,
        authorization::v1::{
            ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
        },
    },
    apimachinery::pkg::version::Info,
};
use kube::{Api, api::PostParams};
use serde::Deserialize;

use super::{
    client::Client,
    error::{Category, Error},
};

/// Something that Drover does on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permission {
    /// Such as `create`.
    pub verb: &'static str,
    /// API group; empty for the core.
    pub group: &'static str,
    /// With its subresource, such as `pods/eviction`.
    pub resource: &'static str,
}

/// All that Drover does, in all namespaces.
pub const NEEDED: [Permission; 7] = [
    Permission::core("get", "nodes"),
    Permission::LIST_NODES,
    Permission::core("create", "nodes"),
    Permission::core("patch", "nodes"),
    Permission::core("delete", "nodes"),
    Permission::core("list", "pods"),
    Permission::core("create", "pods/eviction"),
];

/// Without this the others can't be tested. Kubernetes gives it to everybody.
const REVIEW: Permission = Permission {
    verb: "create",
    group: "authorization.k8s.io",
    resource: "selfsubjectaccessreviews",
};

/// How far the questions came, and what the answers were.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// Such as `v1.35.2`.
    pub version: Option<Box<str>>,
    /// Whom the server takes Drover for, where it can be asked.
    pub user: Option<Box<str>>,
    /// What Drover may not do; empty as well where the questions did not come so far.
    pub missing: Vec<Permission>,
    /// Why the questions ended early.
    pub fault: Option<Error>,
}

impl Permission {
    /// Without this nothing is known of any Node.
    pub const LIST_NODES: Self = Self::core("list", "nodes");

    const fn core(verb: &'static str, resource: &'static str) -> Self {
        Self { verb, group: "", resource }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        if self.group.is_empty() { Ok(()) } else { write!(f, ".{}", self.group) }
    }
}

/// Asks for the version, then who Drover is, then what it may do.
pub async fn probe(client: &Client) -> Probe {
    let mut probe = Probe::default();
    probe.fault = questions(client, &mut probe).await.err();
    probe
}

async fn questions(client: &Client, probe: &mut Probe) -> Result<(), Error> {
    let kube = client.kube();
    let version: Info =
        client.read(|| "read the server's version".into(), kube.apiserver_version()).await?;
    probe.version = Some(client.kept(&version.git_version));
    probe.user = user(client).await?;
    probe.missing = missing(client).await?;
    Ok(())
}

/// Nothing where the server has no way to say it; it takes the credentials then, as far as it shows.
async fn user(client: &Client) -> Result<Option<Box<str>>, Error> {
    let attempt = || "ask whom the server takes Drover for".to_owned();
    let reviews: Api<SelfSubjectReview> = Api::all(client.kube());
    let (parameters, review) = (PostParams::default(), SelfSubjectReview::default());
    let name = match client.read(attempt, reviews.create(&parameters, &review)).await {
        Ok(review) => review.status.and_then(|it| it.user_info).and_then(|it| it.username),
        // Kubernetes before 1.28, such as OpenShift before 4.15, which has a way of its own.
        Err(error) if error.is_not_found() => match openshift_user(client).await {
            Ok(name) => Some(name),
            Err(error) => match error.category() {
                Category::NotFound | Category::Forbidden => None,
                _ => return Err(error),
            },
        },
        Err(error) if error.category() == Category::Forbidden => None,
        Err(error) => return Err(error),
    };
    match name.as_deref() {
        Some(nobody @ "system:anonymous") => Err(client.anonymous(nobody)),
        name => Ok(name.map(|it| client.kept(it))),
    }
}

async fn openshift_user(client: &Client) -> Result<String, Error> {
    #[derive(Deserialize)]
    struct User {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        name: String,
    }
    let request = Request::get("/apis/user.openshift.io/v1/users/~").body(Vec::new());
    let kube = client.kube();
    let request = async { kube.request::<User>(request.map_err(kube::Error::HttpError)?).await };
    let user = client.read(|| "ask OpenShift who Drover is".into(), request).await?;
    Ok(user.metadata.name)
}

async fn missing(client: &Client) -> Result<Vec<Permission>, Error> {
    match try_join_all(NEEDED.iter().map(|it| may(client, *it))).await {
        Ok(answers) => {
            let pairs = NEEDED.iter().zip(answers);
            Ok(pairs.filter(|(_, may)| !may).map(|(permission, _)| *permission).collect())
        }
        Err(error) if error.category() == Category::Forbidden => Ok(vec![REVIEW]),
        Err(error) => Err(error),
    }
}

async fn may(client: &Client, permission: Permission) -> Result<bool, Error> {
    let (resource, subresource) = match permission.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (permission.resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(permission.verb.to_owned()),
                group: Some(permission.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                ..ResourceAttributes::default()
            }),
            non_resource_attributes: None,
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.kube());
    let attempt = || format!("ask whether Drover may {permission}");
    let parameters = PostParams::default();
    let answer = client.read(attempt, reviews.create(&parameters, &review)).await?;
    Ok(answer.status.is_some_and(|it| it.allowed))
}

#[cfg(test)]
mod tests;
