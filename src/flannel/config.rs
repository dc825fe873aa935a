//! The network's configuration, compared by meaning with what stands in etcd. Rules and defaults are
//! those of flanneld (`pkg/subnet/config.go`), which reads keys whatever their case.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

use super::{
    leases::{Lease, Leases},
    net::Ipv4Net,
};
use crate::foreign::capped;

/// The most leases that a refusal names.
const NAMED: usize = 10;

/// What is declared of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// All addresses.
    pub network: Ipv4Net,
    /// The leading bits of each host's part; absent: 24, or two more than the network's where that
    /// is above 22.
    pub subnet_len: Option<u8>,
    /// The first part that is given to a host; absent: the second in the network.
    pub subnet_min: Option<Ipv4Addr>,
    /// The last part that is given to a host; absent: the last in the network.
    pub subnet_max: Option<Ipv4Addr>,
    /// How hosts reach each other, such as `vxlan`. Always written: documentation and code of
    /// flanneld differ in what it is otherwise.
    pub backend: String,
    /// More settings of the backend, such as `VNI`.
    pub backend_options: Map<String, Value>,
}

/// What is wrong with a [`Config`]: flanneld would not start with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The parts of hosts would be too large or too small.
    #[error("`subnetLen` must be at least two more than the network's prefix, and at most 30")]
    SubnetLen,
    /// There is no room for four hosts, or it is all addresses that there are.
    #[error("`network` must have a prefix from 1 to 28")]
    Network,
    /// An end of what is given to hosts.
    #[error("`{0}` must be the first address of a part of the network")]
    End(&'static str),
    /// The ends are the wrong way round.
    #[error("`subnetMin` must not be above `subnetMax`")]
    Ends,
    /// No backend is named.
    #[error("`backend` must name a type")]
    Backend,
    /// The type stands among the options.
    #[error("the options of the backend may not hold `Type`")]
    Type,
}

/// The configuration as it stands in etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its text.
    pub text: String,
    /// Changes with each write.
    pub revision: i64,
}

/// What is to become of the configuration in etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It says what is declared.
    InPlace,
    /// It is to be written.
    Write(Change),
    /// It is left as it is.
    Refused(Refusal),
}

/// A write, done only if etcd is as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The new text.
    pub text: String,
    /// The revision that it replaces; nothing where there was none.
    pub seen: Option<i64>,
    /// Whether it changes which addresses hosts have, so that there may be no lease.
    pub moves_addresses: bool,
}

/// Why the configuration is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Hosts have addresses that the change would take from under them.
    InUse {
        /// The first ten of their leases.
        leases: Vec<Lease>,
        /// How many there are.
        count: u64,
    },
    /// What stands in etcd is nothing that flanneld could read; somebody else may need it.
    Unreadable(Box<str>),
}

/// Which addresses hosts get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    network: Ipv4Net,
    subnet_len: u8,
    min: Ipv4Addr,
    max: Ipv4Addr,
}

impl Config {
    /// That flanneld would take it.
    ///
    /// # Errors
    /// [`ConfigError`], with the name of the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let prefix = self.network.prefix_len();
        if !(1..=28).contains(&prefix) {
            return Err(ConfigError::Network);
        }
        if self.subnet_len.is_some_and(|it| it < prefix + 2 || 30 < it) {
            return Err(ConfigError::SubnetLen);
        }
        let range = self.range();
        for (name, end) in [("subnetMin", range.min), ("subnetMax", range.max)] {
            let part = Ipv4Net::new(end, range.subnet_len);
            let begins = part.is_some_and(|it| it.first() == end);
            // To flanneld 0.0.0.0 says that none is given.
            if !begins || end.is_unspecified() || !self.network.contains(end) {
                return Err(ConfigError::End(name));
            }
        }
        let types = |it: &String| it.eq_ignore_ascii_case("type");
        match self {
            _ if range.max < range.min => Err(ConfigError::Ends),
            it if it.backend.is_empty() => Err(ConfigError::Backend),
            it if it.backend_options.keys().any(types) => Err(ConfigError::Type),
            _ => Ok(()),
        }
    }

    /// What is to become of `stored`, given the leases that there are.
    #[must_use]
    pub fn decide(&self, stored: Option<&Stored>, leases: &Leases) -> Decision {
        let there = match stored.map(|it| read(&it.text)).transpose() {
            Ok(there) => there,
            Err(problem) => return Decision::Refused(Refusal::Unreadable(problem)),
        };
        if there.as_ref().is_some_and(|it| self.is_said_by(it)) {
            return Decision::InPlace;
        }
        let range = self.range();
        let moves_addresses = there.as_ref().and_then(Range::read) != Some(range);
        let is_lost = |it: &&Lease| !range.gives(it.subnet);
        let taken: Vec<&Lease> = match &there {
            // Somebody removed the configuration under the hosts: theirs may come back.
            None => leases.known.iter().filter(is_lost).collect(),
            Some(_) => leases.known.iter().collect(),
        };
        let unknown = leases.count.saturating_sub(leases.known.len() as u64);
        let count = taken.len() as u64 + unknown;
        if moves_addresses && 0 < count {
            let leases = taken.into_iter().take(NAMED).cloned().collect();
            return Decision::Refused(Refusal::InUse { leases, count });
        }
        Decision::Write(Change {
            text: Value::Object(self.written_over(there.unwrap_or_default())).to_string(),
            seen: stored.map(|it| it.revision),
            moves_addresses: moves_addresses && leases.count == 0,
        })
    }

    fn range(&self) -> Range {
        Range::of(self.network, self.subnet_len, self.subnet_min, self.subnet_max)
    }

    fn is_said_by(&self, there: &Map<String, Value>) -> bool {
        let once = ["Network", "SubnetLen", "SubnetMin", "SubnetMax", "Backend", "EnableIPv4"];
        let is_plain = once.iter().all(|it| spellings(there, it).count() < 2);
        let ipv4 = get(there, "EnableIPv4") != Some(&json!(false));
        let Some(Value::Object(backend)) = get(there, "Backend") else { return false };
        let same = |(key, value): (&String, &Value)| get(backend, key) == Some(value);
        is_plain
            && ipv4
            && Range::read(there) == Some(self.range())
            && self.is_backend_of(backend)
            && self.backend_options.iter().all(same)
    }

    fn is_backend_of(&self, backend: &Map<String, Value>) -> bool {
        let found = get(backend, "Type").and_then(Value::as_str);
        found.is_some_and(|it| it.eq_ignore_ascii_case(&self.backend))
    }

    /// `there` with what is declared put in; all else that others set stays.
    fn written_over(&self, mut there: Map<String, Value>) -> Map<String, Value> {
        // Settings of another backend would mean something else to this one.
        let mut backend = match get(&there, "Backend") {
            Some(Value::Object(backend)) if self.is_backend_of(backend) => backend.clone(),
            _ => Map::new(),
        };
        for (key, value) in &self.backend_options {
            set(&mut backend, key, Some(value.clone()));
        }
        set(&mut backend, "Type", Some(json!(self.backend)));
        set(&mut there, "Network", Some(json!(self.network.to_string())));
        set(&mut there, "SubnetLen", self.subnet_len.map(|it| json!(it)));
        set(&mut there, "SubnetMin", self.subnet_min.map(|it| json!(it)));
        set(&mut there, "SubnetMax", self.subnet_max.map(|it| json!(it)));
        set(&mut there, "Backend", Some(Value::Object(backend)));
        if get(&there, "EnableIPv4") == Some(&json!(false)) {
            set(&mut there, "EnableIPv4", Some(json!(true)));
        }
        there
    }
}

impl Range {
    /// With flanneld's defaults for what is absent.
    fn of(
        network: Ipv4Net,
        subnet_len: Option<u8>,
        min: Option<Ipv4Addr>,
        max: Option<Ipv4Addr>,
    ) -> Self {
        let prefix = network.prefix_len();
        let subnet_len = subnet_len.unwrap_or(if prefix <= 22 { 24 } else { prefix + 2 });
        let size = 1_u32.checked_shl(32_u32.saturating_sub(subnet_len.into())).unwrap_or(0);
        let second = u32::from(network.first()).wrapping_add(size);
        let last = u32::from(network.last()).wrapping_add(1).wrapping_sub(size);
        Self {
            network,
            subnet_len,
            min: min.unwrap_or_else(|| second.into()),
            max: max.unwrap_or_else(|| last.into()),
        }
    }

    /// Nothing where flanneld would find none.
    fn read(there: &Map<String, Value>) -> Option<Self> {
        let network = get(there, "Network")?.as_str()?.parse().ok()?;
        let len = match get(there, "SubnetLen") {
            None | Some(Value::Null) => 0,
            Some(len) => len.as_u64()?,
        };
        let len = u8::try_from(len).ok()?;
        let end = |name: &str| match get(there, name) {
            None | Some(Value::Null) => Some(Ipv4Addr::UNSPECIFIED),
            Some(end) => end.as_str()?.parse::<Ipv4Addr>().ok(),
        };
        let given = |it: Ipv4Addr| (!it.is_unspecified()).then_some(it);
        let (min, max) = (given(end("SubnetMin")?), given(end("SubnetMax")?));
        Some(Self::of(network, (len != 0).then_some(len), min, max))
    }

    /// Whether a host may have `subnet`.
    fn gives(&self, subnet: Ipv4Net) -> bool {
        let first = subnet.first();
        subnet.prefix_len() == self.subnet_len && self.min <= first && first <= self.max
    }
}

fn read(text: &str) -> Result<Map<String, Value>, Box<str>> {
    match serde_json::from_str(text) {
        Ok(Value::Object(there)) => Ok(there),
        Ok(_) => Err("it is no JSON object".into()),
        Err(error) => Err(capped(&error.to_string())),
    }
}

fn spellings<'a>(map: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a String> {
    map.keys().filter(move |it| it.eq_ignore_ascii_case(key))
}

/// The value under `key`, as it is spelled or else in another case.
fn get<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).or_else(|| map.get(spellings(map, key).next()?))
}

/// Puts `value` under `key`, in the place of every spelling of it.
fn set(map: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    map.retain(|it, _| !it.eq_ignore_ascii_case(key));
    if let Some(value) = value {
        map.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
