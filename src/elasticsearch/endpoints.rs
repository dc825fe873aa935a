//! Who stands behind each endpoint: a list of addresses is only as good as its worst entry.

use super::{calls::Read, client::Client, cluster_reads::Root, error::Error};

/// What one endpoint says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointIdentity {
    /// Its address.
    pub endpoint: Box<str>,
    /// The cluster behind it; nothing where it did not answer as it should, or has not formed.
    pub cluster_uuid: Option<String>,
}

impl Client {
    /// Asks every endpoint, all at once and each over a connection of its own, who it is; also the
    /// first answer in full. A renewed certificate shows only on a new connection.
    ///
    /// # Errors
    /// Why the endpoint that answered last does not say who it is.
    pub async fn identities(&self, caller: &str) -> Result<(Root, Vec<EndpointIdentity>), Error> {
        let first = self.root(caller).await?;
        let call = Read::new("root", "/", caller);
        let asked = self.endpoint_ids().map(async |id| {
            let answer = self.read_afresh_at(id, &call).await.and_then(|it| self.read_root(&it));
            EndpointIdentity {
                endpoint: self.origin(id).into(),
                cluster_uuid: answer.ok().and_then(|it| it.cluster_uuid),
            }
        });
        let asked = futures::future::join_all(asked);
        Ok((first, self.see_certificates(asked).await))
    }
}
