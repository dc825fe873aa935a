//! Which host has which part of the network: flanneld on each host keeps a key in etcd for it.

use std::net::Ipv4Addr;

use serde::Deserialize;

use super::{client::Found, net::Ipv4Net};
use crate::foreign::capped;

/// The most leases that are read. Beyond that only their number is known.
pub(super) const LIMIT: u32 = 4096;

/// A host's part of the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    /// The address under which the other hosts reach it.
    pub host: Ipv4Addr,
    /// The addresses that it gives to what runs on it.
    pub subnet: Ipv4Net,
    /// How it is reached, such as `vxlan`; empty where that is not told.
    pub backend: Box<str>,
}

/// The leases that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// By host; the first 4096 of them.
    pub known: Vec<Lease>,
    /// How many there are, those included that are not known or can't be read.
    pub count: u64,
}

impl Leases {
    pub(super) fn read(found: &Found, prefix: &str) -> Self {
        let lease = |key: &[u8], value: &[u8]| {
            let key = std::str::from_utf8(key).ok()?.strip_prefix(prefix)?;
            Lease::read(key, value)
        };
        let mut known: Vec<_> =
            found.entries.iter().filter_map(|it| lease(&it.key, &it.value)).collect();
        known.sort_unstable();
        Self { known, count: found.count }
    }

    /// The parts of the network that `host` has.
    pub fn of(&self, host: Ipv4Addr) -> impl Iterator<Item = Ipv4Net> {
        self.known.iter().filter(move |it| it.host == host).map(|it| it.subnet)
    }
}

impl Lease {
    /// `key` is what follows the prefix: `10.5.34.0-24`, with `&` and an IPv6 range where there is
    /// one.
    fn read(key: &str, value: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Attributes {
            #[serde(rename = "PublicIP")]
            public_ip: Ipv4Addr,
            #[serde(rename = "BackendType", default)]
            backend_type: String,
        }
        let (address, len) = key.split('&').next()?.split_once('-')?;
        let subnet = format!("{address}/{len}").parse().ok()?;
        let attributes: Attributes = serde_json::from_slice(value).ok()?;
        let backend = capped(&attributes.backend_type);
        Some(Self { host: attributes.public_ip, subnet, backend })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::flannel::client::Entry;

    fn found(entries: &[(&str, &str)], count: u64) -> Found {
        let entry = |(key, value): &(&str, &str)| Entry {
            key: key.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
            revision: 1,
        };
        Found { entries: entries.iter().map(entry).collect(), count }
    }

    pub(in crate::flannel) fn lease(host: [u8; 4], subnet: &str) -> Lease {
        Lease { host: host.into(), subnet: subnet.parse().unwrap(), backend: "vxlan".into() }
    }

    #[test]
    fn each_host_has_the_subnets_that_its_leases_say() {
        let vxlan = r#"{"PublicIP":"192.168.0.9","PublicIPv6":null,"BackendType":"vxlan",
                        "BackendData":{"VNI":1,"VtepMAC":"aa"}}"#;
        let other = r#"{"PublicIP":"192.168.0.10","BackendType":"host-gw"}"#;
        let found = found(
            &[
                ("/net/subnets/10.5.34.0-24", vxlan),
                ("/net/subnets/10.5.35.0-24", other),
                ("/net/subnets/10.5.36.0-24&fc00::-64", vxlan),
            ],
            3,
        );
        let leases = Leases::read(&found, "/net/subnets/");
        assert_eq!(leases.known[0], lease([192, 168, 0, 9], "10.5.34.0/24"));
        assert_eq!(&*leases.known[2].backend, "host-gw");
        let of =
            |host: [u8; 4]| leases.of(host.into()).map(|it| it.to_string()).collect::<Vec<_>>();
        assert_eq!(of([192, 168, 0, 9]), ["10.5.34.0/24", "10.5.36.0/24"]);
        assert_eq!(of([192, 168, 0, 10]), ["10.5.35.0/24"]);
        assert_eq!(of([192, 168, 0, 11]), [""; 0]);
    }

    #[test]
    fn what_can_not_be_read_is_counted_all_the_same() {
        let good = r#"{"PublicIP":"192.168.0.9"}"#;
        let entries = [
            ("/net/subnets/10.5.34.0-24", "no JSON"),
            ("/net/subnets/10.5.34.0-24", "{}"),
            ("/net/subnets/10.5.34.0-24", r#"{"PublicIP":"nowhere"}"#),
            ("/net/subnets/10.5.34.0", good),
            ("/net/subnets/10.5.34.0-99", good),
            ("/net/subnets/", good),
            ("/elsewhere/10.5.34.0-24", good),
            ("/net/subnets/10.5.37.0-24", good),
        ];
        let leases = Leases::read(&found(&entries, 5000), "/net/subnets/");
        assert_eq!((leases.known.len(), leases.count), (1, 5000));
    }
}
