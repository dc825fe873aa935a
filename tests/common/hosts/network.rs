//! The network that joins this process's hosts with each other and with this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::super::paths;
use super::super::process::{Process, logs};
use super::super::wait::eventually;

/// Hosts are at .11 to .250.
const PLACES: u8 = 240;

/// One 10.231.N.0/24 of this process's own, behind a bridge; nothing leads beyond.
#[derive(Debug)]
pub struct HostNetwork {
    process: Process,
    dir: PathBuf,
    prefix: String,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    last: u8,
    taken: BTreeSet<u8>,
}

impl HostNetwork {
    /// The one of this process, made by whoever asks first.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<HostNetwork> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        paths::require_hosts();
        let dir = paths::scratch("host-network");
        let (script, log) = (paths::script("run-host-network.sh"), dir.join("output.log"));
        let process = Process::spawn("the hosts' network", &log, script, [&dir], &[]);
        let file = dir.join("network");
        let prefix = eventually("the hosts' network is up", Duration::from_mins(2), async || {
            if let Some(status) = process.status() {
                panic!("run-host-network.sh ended with {status}{}", logs());
            }
            std::fs::read_to_string(&file).map_err(|error| error.to_string())
        })
        .await;
        Self { process, dir, prefix: prefix.trim().to_owned(), places: Mutex::default() }
    }

    /// This machine's own address there: where servers listen that hosts shall reach.
    pub fn gateway(&self) -> String {
        format!("{}.1", self.prefix)
    }

    /// This machine's interface there.
    pub fn interface(&self) -> String {
        format!("drover{}", self.prefix.rsplit('.').next().expect("10.231.N"))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn address(&self, place: u8) -> String {
        format!("{}.{}", self.prefix, 10 + u16::from(place))
    }

    /// The next place that is free. One that was given back comes last, so that nobody who still
    /// talks to the former host meets the new one.
    pub(super) fn take_place(&self) -> u8 {
        let mut places = self.places.lock().unwrap();
        let next = (0..PLACES)
            .map(|step| (places.last + step) % PLACES + 1)
            .find(|place| !places.taken.contains(place))
            .expect("no more than 240 hosts at once");
        places.last = next;
        places.taken.insert(next);
        next
    }

    pub(super) fn give_back(&self, place: u8) {
        self.places.lock().unwrap().taken.remove(&place);
    }
}
