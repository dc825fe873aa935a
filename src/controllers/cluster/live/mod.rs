//! Settings of a managed Cluster that Elasticsearch takes while it runs: they are changed there, in place of a
//! restart of each node. What they are is asked of Elasticsearch itself. In the status is what is to be set
//! before it is set, and elasticsearch.yml stays as it is until a run comes for another reason.

pub mod apply;
pub mod changes;
pub mod findings;
pub mod observe;
pub mod plan;

use std::time::Duration;

/// How long until a setting is looked at again that is to be set or taken back.
pub const PACE: Duration = Duration::from_secs(2);
