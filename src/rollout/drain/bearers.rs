//! Which nodes bear the name of a host that is drained: a node is taken out by its name, and Elasticsearch lets
//! several have the same.

use super::{Leaving, Scene};
use crate::elasticsearch::evidence::Evidence;

impl Scene<'_> {
    /// Why the node of that name is not taken to be that of the host, or not alone.
    pub(super) fn mistaken(&self, of: &Leaving, evidence: &Evidence) -> Option<String> {
        let name = of.node();
        let mut bearers = evidence.nodes.values().filter(|it| *it.name == *name);
        let node = bearers.next()?;
        if bearers.next().is_some() {
            return Some(format!(
                "several nodes have the name {name}, and nodes are taken out by name: stop those that are \
                 not of this host, or give them another node.name"
            ));
        }
        let known = self.hosts.get(name).filter(|it| !it.is_empty())?;
        (!known.contains(&node.address)).then(|| {
            format!(
                "the node with the name {name} is at {}, which is no address of this host: stop it, or give \
                 it another node.name",
                node.address
            )
        })
    }
}
