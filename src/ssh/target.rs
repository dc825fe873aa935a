//! Where a host is and who Drover is to it.

use std::time::Duration;

use super::{credentials::Credentials, host_key::HostKeyPolicy};
use crate::digest::Digest;

/// One SSH server.
#[derive(Clone, Debug)]
pub struct Hop {
    /// A DNS name or an IP address; for a host behind a jump host, as that one sees it.
    pub address: Box<str>,
    /// Usually 22.
    pub port: u16,
    /// The user to be there.
    pub user: Box<str>,
    /// What proves that the server is the one that was meant.
    pub host_key: HostKeyPolicy,
    /// What proves that Drover is the user.
    pub credentials: Credentials,
}

/// A host, and the way to it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The host.
    pub host: Hop,
    /// To be gone through, in this order. Each sees only that a connection to the next is asked
    /// for, not what goes through it.
    pub jump_hosts: Vec<Hop>,
}

/// How long and how much at once.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For decrypting all private keys that are needed, again for a TCP connection, and again for the
    /// key exchange over it. 10 s.
    pub connect: Duration,
    /// For the server's word on the user. 15 s.
    pub authenticate: Duration,
    /// An idle session is asked this often whether it still lives. 15 s.
    pub keepalive: Duration,
    /// So many questions without an answer end it. 3.
    pub keepalives: u8,
    /// Commands under way on one host. 4: sshd allows 10 in one session (`MaxSessions`).
    pub commands: usize,
    /// Sessions being opened. 64: a blackhole must not keep other hosts waiting.
    pub opening: usize,
    /// Sessions being opened through one jump host. 4: sshd begins to drop at 10 (`MaxStartups`).
    pub opening_by_jump_host: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            authenticate: Duration::from_secs(15),
            keepalive: Duration::from_secs(15),
            keepalives: 3,
            commands: 4,
            opening: 64,
            opening_by_jump_host: 4,
        }
    }
}

impl Hop {
    /// Address and port, as errors name it.
    pub(super) fn name(&self) -> Box<str> {
        let Self { address, port, .. } = self;
        if address.contains(':') {
            format!("[{address}]:{port}").into()
        } else {
            format!("{address}:{port}").into()
        }
    }

    fn feed(&self, digest: &mut Digest) {
        digest.field(self.address.as_bytes());
        digest.field(&self.port.to_be_bytes());
        digest.field(self.user.as_bytes());
        self.host_key.feed(digest);
        self.credentials.feed(digest);
    }
}

impl Target {
    /// All hops in the order in which they are connected to.
    pub(super) fn hops(&self) -> impl Iterator<Item = &Hop> {
        self.jump_hosts.iter().chain([&self.host])
    }

    /// All hops in that order, as errors name them.
    pub fn names(&self) -> impl Iterator<Item = Box<str>> {
        self.hops().map(Hop::name)
    }

    /// A SHA-256 that changes whenever anything here does, secrets included, but for what was seen
    /// at first use.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Digest::new();
        digest.count(self.jump_hosts.len());
        self.hops().for_each(|it| it.feed(&mut digest));
        digest.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh::host_key::{Authority, Otherwise};

    fn hop() -> Hop {
        Hop {
            address: "h1".into(),
            port: 22,
            user: "root".into(),
            host_key: HostKeyPolicy::default(),
            credentials: Credentials::new("a key".into()),
        }
    }

    #[test]
    fn the_digest_changes_with_every_part_of_a_target_but_what_was_seen() {
        let print = format!("SHA256:{}", "A".repeat(43)).parse().unwrap();
        let key = |change: &dyn Fn(&mut HostKeyPolicy)| {
            let mut hop = hop();
            change(&mut hop.host_key);
            hop
        };
        let credentials = |change: &dyn Fn(&mut Credentials)| {
            let mut hop = hop();
            change(&mut hop.credentials);
            hop
        };
        let authority = |names: &[&str]| {
            let authority = Authority::new(&format!("{print}"), names.iter().copied()).unwrap();
            key(&|it| it.authorities = vec![authority.clone()])
        };
        let trusting = |seen| key(&|it| it.otherwise = Otherwise::TrustOnFirstUse { seen });
        let mut hops = vec![
            hop(),
            Hop { address: "h2".into(), ..hop() },
            Hop { port: 23, ..hop() },
            Hop { user: "admin".into(), ..hop() },
            key(&|it| it.fingerprints = vec![print]),
            key(&|it| it.revoked = vec![print]),
            authority(&[]),
            authority(&["a"]),
            authority(&["a", "b"]),
            trusting(None),
            credentials(&|it| it.key = "another".into()),
            credentials(&|it| it.passphrase = Some("".into())),
            credentials(&|it| it.certificate = Some("a certificate".into())),
        ];
        let digest = |host: &Hop, jump_hosts: &[Hop]| {
            Target { host: host.clone(), jump_hosts: jump_hosts.to_vec() }.digest()
        };
        assert_eq!(digest(&trusting(Some(print)), &[]), digest(&trusting(None), &[]));
        let mut digests: Vec<_> = hops.iter().map(|it| digest(it, &[])).collect();
        digests.push(digest(&hop(), &[hop()]));
        digests.push(digest(&hop(), &[hops.remove(1)]));
        let count = digests.len();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn no_secret_shows_in_debug_output() {
        let mut hop = hop();
        hop.credentials.passphrase = Some("s3cret".into());
        let target = Target { host: hop.clone(), jump_hosts: vec![hop] };
        let text = format!("{target:?}");
        assert!(!text.contains("a key") && !text.contains("s3cret"), "{text}");
    }

    #[test]
    fn an_address_that_holds_colons_is_set_apart_from_the_port() {
        assert_eq!(&*hop().name(), "h1:22");
        let address = "2001:db8::1".into();
        assert_eq!(&*Hop { address, ..hop() }.name(), "[2001:db8::1]:22");
    }
}
