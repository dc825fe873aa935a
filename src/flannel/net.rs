//! Ranges of IPv4 addresses.

use std::{fmt, net::Ipv4Addr, str::FromStr};

/// A range of addresses, such as `10.5.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ipv4Net {
    address: Ipv4Addr,
    len: u8,
}

/// A text that is no range of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no range of IPv4 addresses such as 10.5.0.0/16")]
pub struct NoNet;

impl Ipv4Net {
    /// The range of `len` leading bits that holds `address`; nothing where `len` is above 32.
    #[must_use]
    pub fn new(address: Ipv4Addr, len: u8) -> Option<Self> {
        (len <= 32).then(|| Self { address: Ipv4Addr::from(u32::from(address) & mask(len)), len })
    }

    /// Its first address.
    #[must_use]
    pub fn first(self) -> Ipv4Addr {
        self.address
    }

    /// Its last address.
    #[must_use]
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) | !mask(self.len))
    }

    /// How many leading bits all of its addresses share.
    #[must_use]
    pub fn prefix_len(self) -> u8 {
        self.len
    }

    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & mask(self.len) == u32::from(self.address)
    }
}

fn mask(len: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0)
}

impl FromStr for Ipv4Net {
    type Err = NoNet;

    fn from_str(text: &str) -> Result<Self, NoNet> {
        let (address, len) = text.split_once('/').ok_or(NoNet)?;
        let plain = !len.is_empty() && len.bytes().all(|it| it.is_ascii_digit());
        let len = len.parse().ok().filter(|_| plain).ok_or(NoNet)?;
        Self::new(address.parse().map_err(|_| NoNet)?, len).ok_or(NoNet)
    }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_same_whichever_of_its_addresses_names_it() {
        let net: Ipv4Net = "10.5.3.9/16".parse().unwrap();
        assert_eq!(net, "10.5.0.0/16".parse().unwrap());
        assert_eq!(net.to_string(), "10.5.0.0/16");
        assert_eq!((net.first(), net.last()), ([10, 5, 0, 0].into(), [10, 5, 255, 255].into()));
        assert!(net.contains([10, 5, 255, 255].into()) && !net.contains([10, 6, 0, 0].into()));
        let all: Ipv4Net = "1.2.3.4/0".parse().unwrap();
        assert_eq!((all.first(), all.last()), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        let one: Ipv4Net = "1.2.3.4/32".parse().unwrap();
        assert_eq!((one.first(), one.last()), ([1, 2, 3, 4].into(), [1, 2, 3, 4].into()));
    }

    #[test]
    fn what_is_no_range_is_not_read_as_one() {
        for text in ["", "10.5.0.0", "10.5.0.0/", "10.5.0.0/33", "10.5/16", "10.5.0.0/+1", "::/8"] {
            assert_eq!(text.parse::<Ipv4Net>(), Err(NoNet), "{text}");
        }
    }
}
