//! How far the hosts of a managed Cluster are with the authority that signs by now. Pure.

use std::{collections::BTreeSet, sync::Arc};

use super::{may_be_of, secrets::Secrets, told};
use crate::{
    api::{cluster::Cluster, host::Host, host_status::DeployedElasticsearch},
    authority::trust::{Peers, fingerprints},
};

/// What the hosts of `cluster` have, as far as it decides what each of them gets. A host that has not told
/// counts as one that trusts nobody new, and needs everybody.
#[must_use]
pub fn peers(cluster: &Cluster, secrets: &Secrets, hosts: &[Arc<Host>]) -> Peers {
    let authority = secrets.authority.fingerprint();
    let wanted = fingerprints(&secrets.authorities);
    let signer =
        |it: &DeployedElasticsearch| it.signed_by.as_ref().map(|it| Box::<str>::from(it.as_str()));
    let signers: Option<BTreeSet<Box<str>>> =
        nodes(cluster, hosts).map(|(_, it)| signer(it)).collect();
    // Nobody knows what is on a machine that was not looked at.
    let all_have_told = hosts.iter().all(|it| told(it).is_some());
    let signers = signers.filter(|_| all_have_told);
    Peers {
        trust_it: all_have_told && nodes(cluster, hosts).all(|(_, it)| trusts(it, &authority)),
        // Who is to be trusted anyway needs no further word.
        signers: signers.map(|it| it.into_iter().filter(|it| !wanted.contains(it)).collect()),
    }
}

/// The hosts of `cluster` whose nodes have no certificate of the authority that signs by now, by name; and
/// those that do not trust it yet, which the others wait for, as they do for hosts that were not looked at.
/// Nodes that have told of neither yet are not named.
#[must_use]
pub fn outstanding<'a>(
    cluster: &Cluster,
    secrets: &Secrets,
    hosts: &'a [Arc<Host>],
) -> (Vec<&'a str>, Vec<&'a str>) {
    let authority = secrets.authority.fingerprint();
    let has = |it: &DeployedElasticsearch| {
        it.signed_by.as_ref().is_some_and(|it| it.as_str() == &*authority)
    };
    let names = |is_meant: &dyn Fn(&DeployedElasticsearch) -> bool| {
        let has_told = |it: &DeployedElasticsearch| it.signed_by.is_some() || !it.trusts.is_empty();
        let meant = nodes(cluster, hosts).filter(|(_, it)| has_told(it) && is_meant(it));
        meant.filter_map(|(host, _)| host.metadata.name.as_deref()).collect()
    };
    let unseen = hosts.iter().filter(|it| told(it).is_none());
    let unseen = unseen.filter_map(|it| it.metadata.name.as_deref());
    let mut distrusting: Vec<_> = names(&|it| !trusts(it, &authority));
    distrusting.extend(unseen);
    distrusting.sort_unstable();
    (names(&|it| !has(it)), distrusting)
}

/// Whether any node trusts an authority yet that the Secrets do not name any more.
#[must_use]
pub fn is_former_trusted(cluster: &Cluster, secrets: &Secrets, hosts: &[Arc<Host>]) -> bool {
    let wanted = fingerprints(&secrets.authorities);
    let mut trusted = nodes(cluster, hosts).flat_map(|(_, it)| &it.trusts);
    trusted.any(|it| !wanted.contains(it.as_str()))
}

fn trusts(told: &DeployedElasticsearch, authority: &str) -> bool {
    told.trusts.iter().any(|it| it.as_str() == authority)
}

/// Those that have a node of the cluster: others get theirs with the authority that signs then.
fn nodes<'a>(
    cluster: &Cluster,
    hosts: &'a [Arc<Host>],
) -> impl Iterator<Item = (&'a Host, &'a DeployedElasticsearch)> {
    hosts.iter().filter_map(|host| {
        let told = told(host)?;
        let is_node = told.version.is_some() || !told.staged.is_empty();
        (is_node && may_be_of(cluster, host)).then_some((&**host, told))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::controllers::deployment::{
        secrets::open,
        tests::{cluster, found, host},
    };

    fn told_by(name: &str, deployed: &Value) -> Arc<Host> {
        let mut object = serde_json::to_value(&*host(name, &json!({}), true)).unwrap();
        object["status"]["elasticsearch"] =
            json!({ "unit": "u", "state": "active", "deployed": deployed });
        Arc::new(serde_json::from_value(object).unwrap())
    }

    fn node(name: &str, signed_by: &str, trusts: &[&str]) -> Arc<Host> {
        let staged = ["8.19.0"];
        told_by(name, &json!({ "staged": staged, "signedBy": signed_by, "trusts": trusts }))
    }

    #[test]
    fn nobody_gets_another_certificate_or_trusts_less_before_all_nodes_have_told_that_they_can() {
        let cluster = cluster(&json!({}));
        let secrets = open(&cluster, &found()).unwrap();
        let new = &*secrets.authority.fingerprint();
        let nobody: Vec<&str> = Vec::new();
        let of = |hosts: &[Arc<Host>]| peers(&cluster, &secrets, hosts);
        let old_one = || Some(BTreeSet::from(["old".into()]));
        assert_eq!(of(&[]), Peers::alike());
        assert_eq!(of(&[told_by("a", &json!({}))]), Peers::alike(), "nothing is there");

        let before = [node("a", "old", &["old", new]), node("b", "old", &["old"])];
        assert_eq!(of(&before), Peers { trust_it: false, signers: old_one() });
        assert_eq!(outstanding(&cluster, &secrets, &before), (vec!["a", "b"], vec!["b"]));
        let between = [node("a", new, &["old", new]), node("b", "old", &["old", new])];
        assert_eq!(of(&between), Peers { trust_it: true, signers: old_one() });
        assert_eq!(outstanding(&cluster, &secrets, &between), (vec!["b"], nobody.clone()));
        let after = [node("a", new, &["old", new]), node("b", new, &["old", new])];
        assert_eq!(of(&after), Peers::alike());
        assert_eq!(outstanding(&cluster, &secrets, &after), (nobody.clone(), nobody.clone()));

        let silent = [node("a", new, &[new]), told_by("b", &json!({ "version": "8.19.0" }))];
        assert_eq!(of(&silent), Peers { trust_it: false, signers: None });
        assert_eq!(outstanding(&cluster, &secrets, &silent), (nobody.clone(), nobody));
    }

    #[test]
    fn a_host_that_was_not_looked_at_is_waited_for_and_named() {
        let cluster = cluster(&json!({}));
        let secrets = open(&cluster, &found()).unwrap();
        let new = &*secrets.authority.fingerprint();
        let hosts = [node("b", "old", &["old", new]), host("a", &json!({}), true)];
        let doubt = Peers { trust_it: false, signers: None };
        assert_eq!(peers(&cluster, &secrets, &hosts), doubt);
        assert_eq!(outstanding(&cluster, &secrets, &hosts), (vec!["b"], vec!["a"]));
        assert!(is_former_trusted(&cluster, &secrets, &hosts));
        assert!(!is_former_trusted(&cluster, &secrets, &[node("b", new, &[new])]));
    }

    #[test]
    fn a_host_of_another_cluster_is_not_waited_for() {
        let cluster = cluster(&json!({}));
        let secrets = open(&cluster, &found()).unwrap();
        let theirs = json!({ "staged": ["8.19.0"], "clusterUuid": "another" });
        assert_eq!(peers(&cluster, &secrets, &[told_by("a", &theirs)]), Peers::alike());
    }
}
