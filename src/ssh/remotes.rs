//! The hosts that are watched, one for each Host object.
//!
//! A remote keeps only what saves work: after a restart everything here is read again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::sync::mpsc::UnboundedSender;

use super::{
    pool::Pool,
    prober::{self, Pace},
    reach::{self, Peer, Question},
    remote::{Remote, Watch, digest},
};
use crate::{lock::locked, object_key::ObjectKey};

/// All hosts that are watched, by the object that stands for each.
pub struct Remotes {
    pool: Arc<Pool>,
    by_owner: Mutex<HashMap<ObjectKey, Arc<Remote>>>,
    /// What hosts are asked about others, whether they are watched yet or not.
    questions: Mutex<HashMap<ObjectKey, Arc<Question>>>,
    /// How those were watched that are only set aside.
    aside: Mutex<HashMap<ObjectKey, Arc<Watch>>>,
    wake: UnboundedSender<ObjectKey>,
    askers: Option<UnboundedSender<ObjectKey>>,
    pace: Pace,
}

impl Remotes {
    /// None yet. `wake` is where the names of objects go that have something new to look at.
    #[must_use]
    pub fn new(pool: Pool, wake: UnboundedSender<ObjectKey>, pace: Pace) -> Self {
        Self {
            pool: Arc::new(pool),
            by_owner: Mutex::default(),
            questions: Mutex::default(),
            aside: Mutex::default(),
            wake,
            askers: None,
            pace,
        }
    }

    /// The same; `askers` is where the names of those go whose question is answered otherwise than
    /// before, see [`Remotes::ask`].
    #[must_use]
    pub fn answering(self, askers: UnboundedSender<ObjectKey>) -> Self {
        Self { askers: Some(askers), ..self }
    }

    /// The remote of `key`.
    #[must_use]
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<Remote>> {
        locked(&self.by_owner).get(key).cloned()
    }

    /// Watches a host for `key`, instead of what was watched for it before. Where the way there is
    /// the same, its session and what is known of it stay.
    pub fn watch(&self, key: &ObjectKey, watch: Watch) {
        locked(&self.aside).remove(key);
        let mut by_owner = locked(&self.by_owner);
        let before = by_owner.get(key);
        if let Some(remote) = before
            && remote.digest() == digest(&watch.target)
        {
            remote.change(watch);
            return;
        }
        if let Some(before) = before {
            before.stop();
        }
        let remote = Arc::new(Remote::new(key.clone(), watch, self.wake.clone()));
        remote.reach().ask(locked(&self.questions).get(key).cloned());
        let probing = prober::run(Arc::clone(&remote), Arc::clone(&self.pool), self.pace);
        let (pool, every) = (Arc::clone(&self.pool), self.pace.stats);
        let reaching = reach::run(Arc::clone(&remote), pool, every, self.askers.clone());
        let task = async { tokio::join!(probing, reaching) };
        remote.started(tokio::spawn(task).abort_handle());
        by_owner.insert(key.clone(), remote);
    }

    /// Asks each of these hosts whether it reaches its peers, soon and once each stats interval, as
    /// long as it is watched; whatever else `asker` wanted to know before is no longer asked. What
    /// they tell is in [`Remote::reached`]. Of two that ask one host the later one is heard.
    pub fn ask(&self, asker: &ObjectKey, hosts: BTreeMap<ObjectKey, Vec<Peer>>) {
        let by_owner = locked(&self.by_owner);
        let mut questions = locked(&self.questions);
        questions.retain(|key, it| {
            let stays = it.asker != *asker || hosts.contains_key(key);
            if !stays && let Some(remote) = by_owner.get(key) {
                remote.reach().ask(None);
            }
            stays
        });
        for (key, peers) in hosts {
            let question = Arc::new(Question { asker: asker.clone(), peers });
            if let Some(remote) = by_owner.get(&key) {
                remote.reach().ask(Some(Arc::clone(&question)));
            }
            questions.insert(key, question);
        }
    }

    /// Lets the work of this name, for which the host of `key` is watched, be begun there until then,
    /// once; not at all where it is watched for other work by then.
    pub fn let_begin(&self, key: &ObjectKey, work: &str, until: Instant) {
        if let Some(remote) = self.get(key) {
            remote.let_begin(work, until);
        }
    }

    /// How the host of `key` was watched, where it is set aside.
    #[must_use]
    pub fn aside(&self, key: &ObjectKey) -> Option<Arc<Watch>> {
        locked(&self.aside).get(key).cloned()
    }

    /// Stops to watch for `key` and ends the session, and keeps how it was watched: nothing is asked
    /// before [`Remotes::watch`] is called again.
    pub fn set_aside(&self, key: &ObjectKey) {
        let Some(remote) = self.get(key) else { return };
        self.leave(key);
        locked(&self.aside).insert(key.clone(), remote.watch());
    }

    /// Stops to watch for `key`, ends the session, and forgets what was known.
    pub fn leave(&self, key: &ObjectKey) {
        locked(&self.aside).remove(key);
        let Some(remote) = locked(&self.by_owner).remove(key) else { return };
        remote.stop();
        let (pool, key) = (Arc::clone(&self.pool), key.to_string());
        tokio::spawn(async move { pool.disconnect(&key).await });
    }
}
