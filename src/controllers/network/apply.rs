//! Does what was decided about a Network.

use super::{key, observe::Etcd, plan::Plan};
use crate::{
    api::network::Network,
    context::Context,
    flannel::{
        config::Decision,
        error::Error,
        network::{Written, write},
    },
};

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What became of the write, where there was one to do.
    pub written: Option<Result<Written, Error>>,
}

impl Outcome {
    /// Whether somebody else wrote meanwhile.
    #[must_use]
    pub fn is_overtaken(&self) -> bool {
        matches!(self.written, Some(Ok(Written::Overtaken)))
    }

    /// Whether etcd may take the write when it is tried again.
    #[must_use]
    pub fn is_put_off(&self) -> bool {
        matches!(&self.written, Some(Err(error)) if !error.category().is_terminal())
    }
}

/// Asks the hosts, which answer later, and writes the configuration.
pub async fn run(ctx: &Context, network: &Network, plan: &Plan, etcd: Option<&Etcd>) -> Outcome {
    ctx.remotes.ask(&key(network), plan.questions.clone());
    let (Some(Decision::Write(change)), Some(etcd)) = (&plan.config, etcd) else {
        return Outcome::default();
    };
    let written = write(&etcd.client, &etcd.prefix, &etcd.seen, change).await;
    Outcome { written: Some(written) }
}
