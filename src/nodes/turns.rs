//! Who may work on a Node now: so many at once on one server, and on all servers together, that one
//! that hangs holds up neither the others nor the Hosts that need none.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    num::NonZeroU16,
    sync::{Arc, Mutex},
};

use tokio::sync::mpsc::UnboundedSender;

use super::manager::Concern;
use crate::{lock::locked, object_key::ObjectKey};

/// The most Nodes of one server that are worked on at once, however many workers there are.
const MOST: usize = 8;

/// The turns of all servers.
#[derive(Debug)]
pub struct Turns {
    limits: Limits,
    shared: Mutex<Shared>,
    hosts: UnboundedSender<Concern>,
}

/// How many turns there are at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// At one server.
    each: usize,
    /// At all of them together.
    all: usize,
}

#[derive(Debug, Default)]
struct Shared {
    taken: HashMap<ObjectKey, usize>,
    /// The servers that did not answer when they were last asked.
    sick: HashSet<ObjectKey>,
    /// Who wants a turn, in the order of asking: the server, and the uid of the Host.
    waiting: VecDeque<(ObjectKey, Box<str>)>,
}

/// Leave to work on one Node, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Arc<Turns>,
    server: ObjectKey,
}

impl Limits {
    /// A quarter of the workers for each server, and one quarter that no server ever takes; of a
    /// single worker nothing can be left.
    pub(super) fn of(workers: NonZeroU16) -> Self {
        let workers = usize::from(workers.get());
        let quarter = (workers / 4).max(1);
        Self { each: quarter.min(MOST), all: (workers - quarter).max(1) }
    }
}

impl Turns {
    /// Whoever waited for a turn is woken through `hosts`.
    pub(super) fn new(limits: Limits, hosts: UnboundedSender<Concern>) -> Self {
        Self { limits, shared: Mutex::default(), hosts }
    }

    /// A turn at `server` for the Host with `uid`; where there is none it is woken once there is.
    pub(super) fn take(self: &Arc<Self>, server: &ObjectKey, uid: &str) -> Option<Turn> {
        let mut shared = locked(&self.shared);
        let is_it = |it: &(ObjectKey, Box<str>)| it.0 == *server && *it.1 == *uid;
        if shared.has_room(self.limits, server) {
            shared.waiting.retain(|it| !is_it(it));
            *shared.taken.entry(server.clone()).or_default() += 1;
            return Some(Turn { turns: Arc::clone(self), server: server.clone() });
        }
        if !shared.waiting.iter().any(is_it) {
            shared.waiting.push_back((server.clone(), uid.into()));
        }
        None
    }

    /// Takes note of whether `server` answers: one that does not gets a single turn.
    pub(super) fn judge(&self, server: &ObjectKey, is_sick: bool) {
        let mut shared = locked(&self.shared);
        if is_sick {
            shared.sick.insert(server.clone());
        } else {
            shared.sick.remove(server);
        }
    }

    /// Nobody works at `server` any more, but for those who have a turn still.
    pub(super) fn forget(&self, server: &ObjectKey) {
        let mut shared = locked(&self.shared);
        shared.sick.remove(server);
        shared.waiting.retain(|it| it.0 != *server);
    }

    fn end(&self, server: &ObjectKey) {
        let mut shared = locked(&self.shared);
        if let Some(taken) = shared.taken.get_mut(server) {
            *taken -= 1;
            if *taken == 0 {
                shared.taken.remove(server);
            }
        }
        let next = shared.waiting.iter().position(|it| shared.has_room(self.limits, &it.0));
        if let Some((manager, uid)) = next.and_then(|at| shared.waiting.remove(at)) {
            // A closed channel means that the process is ending.
            let _ = self.hosts.send(Concern { manager, uids: Some([uid].into()) });
        }
    }
}

impl Shared {
    fn has_room(&self, limits: Limits, server: &ObjectKey) -> bool {
        let each = if self.sick.contains(server) { 1 } else { limits.each };
        let taken = self.taken.get(server).copied().unwrap_or_default();
        taken < each && self.taken.values().sum::<usize>() < limits.all
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.end(&self.server);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    fn turns(workers: u16) -> (Arc<Turns>, UnboundedReceiver<Concern>) {
        let (hosts, woken) = unbounded_channel();
        let limits = Limits::of(NonZeroU16::new(workers).unwrap());
        (Arc::new(Turns::new(limits, hosts)), woken)
    }

    fn key(name: &str) -> ObjectKey {
        ObjectKey { namespace: "shop".into(), name: name.into() }
    }

    /// As many as there are.
    fn all(turns: &Arc<Turns>, server: &str) -> Vec<Turn> {
        (0..100).map_while(|it| turns.take(&key(server), &format!("{server}-{it}"))).collect()
    }

    fn names(woken: &mut UnboundedReceiver<Concern>) -> Vec<String> {
        let mut names = Vec::new();
        while let Ok(concern) = woken.try_recv() {
            names.extend(concern.uids.into_iter().flatten().map(String::from));
        }
        names
    }

    #[test]
    fn servers_that_hang_leave_workers_to_others_however_few_there_are() {
        for (workers, each, two, rest) in
            [(16, 4, 8, 4), (64, 8, 16, 8), (8, 2, 4, 2), (4, 1, 2, 1), (2, 1, 1, 0), (1, 1, 1, 0)]
        {
            let (turns, _woken) = turns(workers);
            let first = all(&turns, "hangs");
            assert_eq!(first.len(), each, "of {workers} workers");
            let second = all(&turns, "hangs too");
            assert_eq!(first.len() + second.len(), two, "of {workers} workers");
            assert_eq!(all(&turns, "well").len(), rest, "of {workers} workers");
        }
        for workers in 2..40 {
            let (turns, _woken) = turns(workers);
            let taken = (0..50).map(|it| all(&turns, &it.to_string())).collect::<Vec<_>>();
            assert!(taken.iter().map(Vec::len).sum::<usize>() < usize::from(workers));
        }
    }

    #[test]
    fn a_server_that_does_not_answer_gets_one_turn_until_it_does() {
        let (turns, _woken) = turns(16);
        turns.judge(&key("a"), true);
        assert_eq!(all(&turns, "a").len(), 1);
        turns.judge(&key("a"), false);
        assert_eq!(all(&turns, "a").len(), 4);
    }

    #[test]
    fn whoever_had_to_stand_back_is_woken_in_turn_for_a_server_that_has_room() {
        let (turns, mut woken) = turns(4);
        let [mut a, b, c] = ["a", "b", "c"].map(|it| all(&turns, it));
        assert_eq!([a.len(), b.len(), c.len()], [1, 1, 1]);
        // `a-1`, `b-1` and `c-1` wait since; asking again does not put anybody back.
        assert!(turns.take(&key("a"), "late").is_none());
        assert!(turns.take(&key("a"), "a-1").is_none());
        assert_eq!(names(&mut woken), [""; 0]);
        drop(b);
        assert_eq!(names(&mut woken), ["b-1"], "there is no room at the others");
        a.clear();
        assert_eq!(names(&mut woken), ["a-1"]);
        let turn = turns.take(&key("a"), "a-1");
        assert!(turn.is_some());
        turns.forget(&key("c"));
        drop((turn, c));
        assert_eq!(names(&mut woken), ["late"], "nobody is left of a server that is gone");
    }
}
