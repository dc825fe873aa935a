//! Which namespaces this process watches.

use std::fmt::Debug;

use kube::{Api, Client, Resource, core::NamespaceResourceScope};

/// The namespaces whose objects are reconciled and whose Secrets and ConfigMaps are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// All of them; needs a ClusterRole.
    All,
    /// Only these, sorted and without doubles; a Role in each is enough.
    Only(Vec<String>),
}

impl Namespaces {
    /// An empty list means all.
    #[must_use]
    pub fn new(mut names: Vec<String>) -> Self {
        names.sort();
        names.dedup();
        if names.is_empty() { Self::All } else { Self::Only(names) }
    }

    /// One handle for each watch that covers these namespaces.
    #[must_use]
    pub fn apis<K>(&self, client: &Client) -> Vec<Api<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match self {
            Self::All => vec![Api::all(client.clone())],
            Self::Only(names) => {
                names.iter().map(|it| Api::namespaced(client.clone(), it)).collect()
            }
        }
    }
}
