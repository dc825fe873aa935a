//! The kept sessions, one for each host, and how many are opened at once.
//!
//! A session is kept only to save work: after a restart all are opened again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{
    connect,
    error::Error,
    session::{Meter, Session},
    target::{Limits, Target},
};
use crate::{gate::WriteGate, lock::locked};

/// So long a host is given to take a farewell.
const FAREWELL: Duration = Duration::from_secs(2);

/// All sessions, by a key of the caller's: two hosts never share one.
pub struct Pool {
    limits: Limits,
    gate: WriteGate,
    meter: Arc<dyn Meter>,
    opening: Arc<Semaphore>,
    by_jump_host: Mutex<HashMap<Box<str>, Arc<Semaphore>>>,
    by_key: Mutex<HashMap<Box<str>, Arc<Place>>>,
}

/// Where the session of one key is, or is to be.
#[derive(Debug, Default)]
struct Place(tokio::sync::Mutex<Option<Kept>>);

#[derive(Debug)]
struct Kept {
    digest: [u8; 32],
    session: Arc<Session>,
}

impl Pool {
    /// No session yet.
    #[must_use]
    pub fn new(limits: Limits, gate: WriteGate, meter: Arc<dyn Meter>) -> Self {
        Self {
            opening: Arc::new(Semaphore::new(limits.opening)),
            limits,
            gate,
            meter,
            by_jump_host: Mutex::default(),
            by_key: Mutex::default(),
        }
    }

    /// The session of `key` with `target`: the one that is kept, if it still lives and was opened
    /// with the same inputs, or a new one. Whoever asks while it is being opened waits for that.
    ///
    /// # Errors
    /// Why there is none. The next call tries again: pace and patience are the caller's.
    pub async fn session(&self, key: &str, target: &Target) -> Result<Arc<Session>, Error> {
        let place = Arc::clone(locked(&self.by_key).entry(key.into()).or_default());
        let mut kept = place.0.lock().await;
        let digest = target.digest();
        if let Some(Kept { digest: opened_with, session }) = &*kept {
            let same = *opened_with == digest;
            let accepted = target.hops().zip(session.host_keys());
            let contradicted = accepted.into_iter().any(|(hop, it)| hop.host_key.contradicts(&it));
            if same && !contradicted && !session.is_spent() {
                return Ok(Arc::clone(session));
            }
        }
        // The old one goes when the last command in it has ended.
        *kept = None;
        // Rare and large, so it is no part of the future that asks again and again.
        let result = Box::pin(self.open(target)).await;
        let word = result.as_ref().map_or_else(|error| error.category().as_str(), |_| "success");
        self.meter.connection(word);
        let session = Arc::new(result?);
        *kept = Some(Kept { digest, session: Arc::clone(&session) });
        Ok(session)
    }

    /// Ends the session of `key`, once the commands in it have ended, and forgets it.
    pub async fn disconnect(&self, key: &str) {
        let Some(place) = locked(&self.by_key).remove(key) else { return };
        // While it is being opened it is waited for: whoever opens it may still use it.
        let kept = place.0.lock().await.take();
        if let Some(session) = kept.and_then(|it| Arc::into_inner(it.session)) {
            session.close(FAREWELL).await;
        }
    }

    /// How many sessions are kept, or being opened.
    #[must_use]
    pub fn len(&self) -> usize {
        locked(&self.by_key).len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn open(&self, target: &Target) -> Result<Session, Error> {
        let host = target.host.name();
        let mut turns = Vec::new();
        for jump in &target.jump_hosts {
            let turn = self.turn(self.gateway(&jump.name()), &host).await?;
            turns.push(turn);
        }
        // Last, so that nobody holds one of these while waiting for a jump host.
        turns.push(self.turn(Arc::clone(&self.opening), &host).await?);
        let connections = connect::connect(target.clone(), self.limits).await?;
        let session =
            Session::new(connections, &self.limits, self.gate.clone(), Arc::clone(&self.meter));
        session.ok_or(Error::Fault { host })
    }

    /// The turns at one jump host. Nobody is there without at least one that waits or holds.
    fn gateway(&self, jump: &str) -> Arc<Semaphore> {
        let mut gateways = locked(&self.by_jump_host);
        gateways.retain(|name, it| &**name == jump || 1 < Arc::strong_count(it));
        let made = || Arc::new(Semaphore::new(self.limits.opening_by_jump_host));
        Arc::clone(gateways.entry(jump.into()).or_insert_with(made))
    }

    async fn turn(&self, turns: Arc<Semaphore>, host: &str) -> Result<OwnedSemaphorePermit, Error> {
        match timeout(self.limits.connect, turns.acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            // The semaphores are never closed.
            Ok(Err(_)) | Err(_) => Err(Error::Busy { host: host.into() }),
        }
    }
}
