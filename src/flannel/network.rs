//! A network in etcd: where it stands, what is there, and how its configuration is written.

use super::{
    client::{Client, ClusterId, EndpointId, Range, Reading, Swap},
    config::{Change, Stored},
    error::Error,
    leases::{self, Leases},
};

/// Below which key the network stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

/// A text that is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must begin with '/' and have no empty part, no '.' or '..', and only letters, digits, '-', \
     '_' and '.'"
)]
pub struct NoPrefix;

impl Prefix {
    /// What flanneld takes where nothing else is said.
    pub const DEFAULT: &'static str = "/coreos.com/network";

    /// The prefix `text`, such as `/coreos.com/network`.
    ///
    /// # Errors
    /// [`NoPrefix`] where flanneld would read it as another one.
    pub fn new(text: &str) -> Result<Self, NoPrefix> {
        let plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        let is_part = |it: &str| !matches!(it, "" | "." | "..") && it.chars().all(plain);
        let parts = text.strip_prefix('/').ok_or(NoPrefix)?;
        if text.len() <= 256 && parts.split('/').all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        Err(NoPrefix)
    }

    fn config(&self) -> String {
        format!("{}/config", self.0)
    }

    fn subnets(&self) -> String {
        format!("{}/subnets/", self.0)
    }
}

/// What stands in etcd of a network, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// Its configuration.
    pub config: Option<Stored>,
    /// Who has which part of it.
    pub leases: Leases,
    /// The etcd that it stands in.
    pub cluster: ClusterId,
    /// The member that said so, which a write goes to.
    endpoint: EndpointId,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was done.
    Done,
    /// Somebody changed the configuration, or took a lease, since it was seen: look again.
    Overtaken,
}

/// Reads what stands in etcd of a network.
///
/// # Errors
/// Why no member could be asked, or what the one that came farthest said.
pub async fn observe(client: &Client, prefix: &Prefix) -> Result<Observed, Error> {
    let subnets = prefix.subnets();
    let ranges = [Range::key(&prefix.config()), Range::below(&subnets, leases::LIMIT)];
    let Reading { endpoint, cluster, found } =
        client.read("read the network's configuration", &ranges).await?;
    // There is one answer for each range.
    let mut found = found.into_iter();
    let config = found.next().and_then(|it| it.entries.into_iter().next());
    let config = config.map(|it| Stored {
        text: String::from_utf8_lossy(&it.value).into_owned(),
        revision: it.revision,
    });
    let leases = found.next().map(|it| Leases::read(&it, &subnets)).unwrap_or_default();
    Ok(Observed { config, leases, cluster, endpoint })
}

/// Writes the configuration of a network, if etcd is still as it was seen.
///
/// # Errors
/// That etcd does not do it; where no whole answer came, it may have.
pub async fn write(
    client: &Client,
    prefix: &Prefix,
    observed: &Observed,
    change: &Change,
) -> Result<Written, Error> {
    let (config, subnets) = (prefix.config(), prefix.subnets());
    let swap = Swap {
        key: config.as_bytes(),
        seen: change.seen,
        value: &change.text,
        none_below: change.moves_addresses.then_some(subnets.as_bytes()),
    };
    let attempt = "write the network's configuration";
    let done = client.swap(observed.endpoint, attempt, &swap).await?;
    Ok(if done { Written::Done } else { Written::Overtaken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_names_one_place() {
        let good = [Prefix::DEFAULT, "/atomic01/network", "/a", "/a.b/c_d-e"];
        for text in good {
            assert!(Prefix::new(text).is_ok(), "{text}");
        }
        let bad = ["", "/", "a", "a/b", "/a/", "//a", "/a//b", "/a/../b", "/./a", "/a b", "/a\n"];
        for text in bad.map(str::to_owned).into_iter().chain([format!("/{}", "a".repeat(256))]) {
            assert_eq!(Prefix::new(&text), Err(NoPrefix), "{text}");
        }
        let prefix = Prefix::new("/net").unwrap();
        assert_eq!((&*prefix.config(), &*prefix.subnets()), ("/net/config", "/net/subnets/"));
    }
}
