//! The Elasticsearch that Drover runs itself on the hosts of a Cluster: its Secrets, who forms it, and
//! how Drover reaches it.

pub mod apply;
pub mod observe;
pub mod plan;
pub mod status;

#[cfg(test)]
mod tests;
