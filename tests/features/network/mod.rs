//! Networks: hosts that reach each other or do not, on real machines, and flannel's configuration in
//! a real etcd.

mod flannel;
mod flanneld;
mod hosts;
mod place;

use drover::api::{condition, network::Network};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    common::{proxy::Entry, wait::eventually},
    hosts::{SOON, Stage},
    world::expect,
};

impl Stage {
    /// Applies a Network.
    pub async fn network(&self, name: &str, spec: &Value) {
        self.object("Network", name, spec).await;
    }

    /// Applies a Cluster that is a group of hosts and uses a Network.
    pub async fn cluster_with(&self, name: &str, network: &str) {
        self.object("Cluster", name, &json!({ "networkRef": { "name": network } })).await;
    }

    async fn object(&self, kind: &str, name: &str, spec: &Value) {
        self.apply(&json!({
            "apiVersion": "drover.dev/v1alpha1",
            "kind": kind,
            "metadata": { "name": name },
            "spec": spec,
        }))
        .await;
    }

    /// The Networks of the stage.
    pub fn networks(&self) -> Api<Network> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Waits until the Network is as `check` wants it; it says what is amiss.
    pub async fn network_when(
        &self,
        name: &str,
        what: &str,
        check: impl Fn(&Network) -> Result<(), String>,
    ) -> Network {
        let api = self.networks();
        eventually(&format!("Network {name}: {what}"), SOON, async || {
            let network = api.get(name).await.map_err(|it| it.to_string())?;
            check(&network).map(|()| network)
        })
        .await
    }

    /// Waits until a condition of the Network has a status, for its current generation.
    pub async fn network_until(&self, name: &str, kind: &str, status: &str) -> Network {
        self.network_when(name, &format!("{kind}={status}"), |network| {
            let seen = network.status.clone().unwrap_or_default();
            expect::told(&seen.conditions, kind, status, network.metadata.generation)
        })
        .await
    }

    /// Waits until a condition of the Network is False for this reason, for its current generation,
    /// and returns its message.
    pub async fn network_lacks(&self, name: &str, kind: &str, reason: &str) -> String {
        let network = self
            .network_when(name, &format!("{kind}=False, {reason}"), |network| {
                let seen = network.status.clone().unwrap_or_default();
                expect::told(&seen.conditions, kind, "False", network.metadata.generation)?;
                let found = condition::find(&seen.conditions, kind);
                let fits = found.is_some_and(|it| it.reason == reason);
                if fits { Ok(()) } else { Err(format!("{:#?}", seen.conditions)) }
            })
            .await;
        let conditions = network.status.unwrap_or_default().conditions;
        condition::find(&conditions, kind).map(|it| it.message.to_string()).unwrap_or_default()
    }

    /// Asks for one more look at the Network, and waits until the operator has had it.
    pub async fn look_again(&self, name: &str, token: &str) {
        let labels = [r#"controller="network""#];
        let looks = async || self.operator.metric("drover_reconcile_total", &labels).await;
        let before = looks().await;
        let patch = json!({ "metadata": { "annotations": { "drover.dev/reconcile-at": token } } });
        let parameters = PatchParams::default();
        self.networks().patch(name, &parameters, &Patch::Merge(patch)).await.expect("a Network");
        eventually("the Network is looked at", SOON, async || {
            let now = looks().await;
            if before < now { Ok(()) } else { Err(format!("{now} looks")) }
        })
        .await;
    }

    /// Deletes the Network, and waits until it is gone.
    pub async fn delete_network(&self, name: &str) {
        let api = self.networks();
        api.delete(name, &DeleteParams::default()).await.expect("it exists");
        eventually(&format!("Network {name} is gone"), SOON, async || {
            match api.get_opt(name).await.map_err(|it| it.to_string())? {
                None => Ok(()),
                Some(it) => Err(format!("still there: {:?}", it.status)),
            }
        })
        .await;
    }

    /// What the operator wrote of Networks into the API server, since the ledger was cleared.
    pub fn network_writes(&self) -> Vec<Entry> {
        let ledger = self.kubernetes.ledger();
        ledger.find(|it| it.is_write() && it.path.contains("/networks/"))
    }
}
