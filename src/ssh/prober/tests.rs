//! Probes of a scripted server whose shell is this machine's own.

use std::sync::atomic::Ordering;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::{
    gate::WriteGate,
    object_key::ObjectKey,
    ssh::{
        error::{Cause, Stage},
        facts::Places,
        host_key::Refusal,
        preparation::Preparation,
        remotes::Remotes,
        scripted::{Hang, Script, Server, key, limits, until},
        session::Meter,
        target::{Limits, Target},
        treatment::{Deed, Treatment},
    },
};

const SECOND: Duration = Duration::from_secs(1);

struct Deaf;

impl Meter for Deaf {
    fn connection(&self, _: &'static str) {}
    fn command(&self, _: &'static str, _: &'static str, _: f64) {}
}

struct Bed {
    server: Server,
    target: Target,
    remotes: Remotes,
    woken: UnboundedReceiver<ObjectKey>,
}

fn name() -> ObjectKey {
    ObjectKey { namespace: "shop".into(), name: "es-1".into() }
}

fn other() -> ObjectKey {
    ObjectKey { name: "es-2".into(), ..name() }
}

fn watch_of(target: Target) -> Watch {
    Watch {
        target,
        machine: None,
        sudo: false,
        places: Places::default(),
        treatment: None,
        work: None,
        installation: None,
        unit: None,
        wish: None,
        spent: None,
        occasion: None,
        glance: None,
    }
}

/// One connects at a time, and no other waits long for that.
fn one_turn() -> Limits {
    let authenticate = Duration::from_mins(1);
    Limits { opening: 1, connect: SECOND / 5, authenticate, ..limits() }
}

impl Bed {
    async fn new(probe: Duration) -> Self {
        Self::with(probe, limits()).await
    }

    async fn with(probe: Duration, limits: Limits) -> Self {
        let user = key();
        let server = Script::for_user(&user).serve().await;
        let target = server.target(&user);
        let pool = Pool::new(limits, WriteGate::always_open(), Arc::new(Deaf));
        let (wake, woken) = unbounded_channel();
        let pace = Pace { probe, stats: Duration::from_hours(1) };
        Self { server, target, remotes: Remotes::new(pool, wake, pace), woken }
    }

    fn watch(&self, change: impl FnOnce(&mut Watch)) {
        let mut watch = watch_of(self.target.clone());
        change(&mut watch);
        self.remotes.watch(&name(), watch);
    }

    /// Another host takes a turn to connect, and hangs with it.
    async fn take_turn(&self) -> Server {
        let user = key();
        let server = Script { hang: Hang::Authenticate, ..Script::for_user(&user) }.serve().await;
        self.remotes.watch(&other(), watch_of(server.target(&user)));
        until("it hangs", || server.seen.attempts.load(Ordering::SeqCst) == 1).await;
        server
    }

    /// Waits for news, and returns what is known then.
    async fn news(&mut self) -> View {
        let waiting = timeout(20 * SECOND, self.woken.recv()).await;
        assert_eq!(waiting.expect("news in time"), Some(name()));
        self.remotes.get(&name()).unwrap().view()
    }

    fn connections(&self) -> usize {
        self.server.seen.connections.load(Ordering::SeqCst)
    }

    fn commands(&self) -> usize {
        self.server.lines().len()
    }
}

#[tokio::test]
async fn a_host_is_asked_again_and_again_in_one_session_and_tells_only_what_is_new() {
    let mut bed = Bed::new(Duration::from_millis(20)).await;
    bed.watch(|_| {});
    let view = bed.news().await;
    assert!(view.asked && view.fault.is_none() && view.answered.is_some());
    assert_eq!(view.host_key(), Some(bed.server.fingerprint));
    assert!(view.identity.unwrap().boot_id.is_some());
    assert_eq!(view.checked, None, "looked into without being asked to");
    until("it is asked again", || 5 <= bed.commands()).await;
    assert_eq!(bed.connections(), 1);
    assert!(bed.woken.try_recv().is_err(), "told what is not new");
    let asked = bed.server.lines();
    assert!(asked.iter().all(|it| it.contains("probe")), "{asked:?}");
}

#[tokio::test]
async fn a_machine_that_is_not_meant_is_not_looked_into() {
    let mut bed = Bed::new(Duration::from_millis(20)).await;
    bed.watch(|it| it.machine = Some("0123456789abcdef0123456789abcdef".into()));
    let view = bed.news().await;
    assert_eq!(view.checked, None);
    until("it is asked again", || 3 <= bed.commands()).await;
    let asked = bed.server.lines();
    assert!(asked.iter().all(|it| it.contains("probe")), "{asked:?}");
}

#[tokio::test]
async fn only_the_machine_that_is_meant_is_compared_and_that_once_and_not_at_every_probe() {
    let is_compared = |line: &String| line.contains("zz-drover.conf");
    // The shell is this machine's own: nothing may be changed.
    let preparation = Preparation::of_sysctls([("kernel.ostype", "another")]).unwrap();
    let treatment =
        Treatment { preparation, flanneld: None, elasticsearch: None, deed: Deed::Compare };
    let mut bed = Bed::new(Duration::from_millis(20)).await;
    bed.watch(|it| {
        it.machine = Some("0123456789abcdef0123456789abcdef".into());
        it.treatment = Some(treatment.clone());
    });
    let machine = bed.news().await.identity.unwrap().machine_id;
    until("it is asked again", || 3 <= bed.commands()).await;
    assert!(!bed.server.lines().iter().any(is_compared), "another machine was looked into");

    bed.watch(|it| (it.machine, it.treatment) = (machine, Some(treatment)));
    let checked = bed.news().await.checked.unwrap();
    if checked.root.is_err() {
        assert_eq!(checked.treated, None, "nothing is done without the rights of root");
        return;
    }
    let treated = checked.treated.as_ref().unwrap().as_ref().unwrap();
    let live: Vec<&str> = treated.left.iter().map(|it| &*it.live).collect();
    assert!(treated.before == treated.left && live.contains(&"Linux"), "{treated:?}");
    let asked = bed.commands();
    until("it is asked again", || asked + 5 <= bed.commands()).await;
    assert_eq!(bed.server.lines().into_iter().filter(is_compared).count(), 1);
}

#[tokio::test]
async fn what_has_no_time_to_lose_is_told_before_everything_is_looked_into() {
    let mut bed = Bed::new(Duration::from_millis(20)).await;
    bed.watch(|_| {});
    let machine = bed.news().await.identity.unwrap().machine_id;
    let before = bed.commands();
    bed.watch(|it| (it.machine, it.glance) = (machine.clone(), Some("r-1/1".into())));
    let view = bed.news().await;
    let glanced = view.glanced.unwrap();
    assert_eq!((&*glanced.glance, view.identity.as_ref()), ("r-1/1", Some(&glanced.identity)));
    until("it is asked again", || before + 4 <= bed.commands()).await;
    let asked = &bed.server.lines()[before..];
    assert!(asked.iter().all(|it| it.contains("probe")), "{asked:?}");
    // Once nobody waits for that any more there is time.
    bed.watch(|it| it.machine = machine);
    assert!(bed.news().await.checked.is_some());
}

#[tokio::test]
async fn a_session_that_breaks_is_opened_anew_and_is_no_news() {
    let mut bed = Bed::new(Duration::from_millis(20)).await;
    bed.watch(|_| {});
    bed.news().await;
    bed.server.cut();
    until("it is connected to anew", || bed.connections() == 2).await;
    let before = bed.commands();
    until("it is asked again", || before + 2 <= bed.commands()).await;
    assert!(bed.woken.try_recv().is_err(), "a broken session is no news of the host");
}

#[tokio::test]
async fn what_a_host_failed_at_is_told_though_others_take_all_the_turns_to_ask_again() {
    let user = key();
    // Its session opens, and takes no command.
    let server = Script { channels: 0, ..Script::for_user(&user) }.serve().await;
    let pool = Arc::new(Pool::new(one_turn(), WriteGate::always_open(), Arc::new(Deaf)));
    let watch = watch_of(server.target(&user));
    let remote = Remote::new(name(), watch.clone(), unbounded_channel().0);
    pool.session(&name().to_string(), &watch.target).await.unwrap();
    let hanging = Script { hang: Hang::Authenticate, ..Script::for_user(&user) }.serve().await;
    let stuck = tokio::spawn({
        let (pool, target) = (Arc::clone(&pool), hanging.target(&user));
        async move { pool.session("stuck", &target).await.map(|_| ()) }
    });
    until("it hangs", || hanging.seen.attempts.load(Ordering::SeqCst) == 1).await;
    let pace = Pace { probe: SECOND, stats: SECOND };
    let (remote, pool) = (&remote, &*pool);
    let prober = Prober {
        remote,
        pool,
        pace,
        last_check: None,
        failures: 0,
        waits: 0,
        in_vain: 0,
        installing: Tries::default(),
        installs: false,
        hasty: None,
    };
    let before = View { asked: true, ..View::default() };
    let error = prober.identify(&watch, &before).await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error:?}");
    stuck.abort();
}

#[tokio::test]
async fn a_host_that_never_gets_its_turn_is_not_known_about() {
    let mut bed = Bed::with(SECOND / 50, one_turn()).await;
    let _hanging = bed.take_turn().await;
    bed.watch(|_| {});
    let view = bed.news().await;
    let fault = view.fault.expect("nothing was asked");
    assert_eq!(fault.category(), Category::Busy, "{fault:?}");
    assert_eq!(view.tried, None, "it was no try");
    assert_eq!(bed.connections(), 0);
    bed.remotes.leave(&other());
    assert!(bed.news().await.fault.is_none());
}

#[tokio::test]
async fn a_key_that_is_refused_is_not_asked_for_again_until_something_else_is_declared() {
    let mut bed = Bed::new(Duration::from_millis(20)).await;
    bed.watch(|it| it.target.host.host_key.fingerprints.clear());
    let view = bed.news().await;
    let Some(Error::HostKey { refusal, .. }) = view.fault.as_deref() else {
        panic!("{:?}", view.fault)
    };
    let presented = bed.server.fingerprint;
    assert!(matches!(**refusal, Refusal::UnknownKey { presented: it, .. } if it == presented));
    assert_eq!(bed.server.seen.attempts.load(Ordering::SeqCst), 0, "a credential was sent");
    assert_eq!(bed.connections(), 1);
    // Another wish is something else.
    bed.watch(|it| {
        it.target.host.host_key.fingerprints.clear();
        it.wish = Some("now".into());
    });
    until("it is asked again", || bed.connections() == 2).await;
    assert!(bed.woken.try_recv().is_err(), "told twice");
    // What is known of one way to a host says nothing of another.
    bed.watch(|_| {});
    let view = bed.news().await;
    assert!(view.fault.is_none());
}

#[tokio::test]
async fn who_is_no_longer_watched_is_left() {
    let mut bed = Bed::new(Duration::from_millis(20)).await;
    bed.watch(|_| {});
    bed.news().await;
    bed.remotes.leave(&name());
    assert!(bed.remotes.get(&name()).is_none());
    let before = bed.commands();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(bed.commands() <= before + 1, "still asked");
}

#[test]
fn a_host_that_does_not_answer_is_asked_soon_and_one_that_refuses_less_and_less_often() {
    let host = || "h1:22".into();
    let minute = Duration::from_mins(1);
    let slow = Error::Slow { host: host(), stage: Stage::Connect, limit: SECOND };
    let pauses: Vec<_> = (1..8).map(|it| put_off(&slow, it, minute).unwrap().as_secs()).collect();
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60, 60]);
    assert_eq!(put_off(&slow, 1, SECOND), Some(SECOND), "never later than a probe");
    let refused = Error::Unauthorized { host: host(), user: "root".into(), hint: "" };
    let pauses: Vec<_> =
        (1..8).map(|it| put_off(&refused, it, minute).unwrap().as_secs() / 60).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    assert_eq!(put_off(&Error::Busy { host: host() }, 9, minute), Some(TURN));
    let cause = Cause::new("why");
    let handshake = Error::Handshake { host: host(), cause };
    assert_eq!(put_off(&handshake, 99, minute), Some(minute));
}

#[test]
fn what_a_host_does_not_let_be_done_is_tried_less_and_less_often() {
    let minute = Duration::from_mins(1);
    let pace = Pace { probe: minute, stats: 5 * minute };
    let failed = |deed| Treated {
        deed,
        before: Vec::new(),
        left: Vec::new(),
        lost: vec![],
        failures: vec![Error::Busy { host: "h1:22".into() }],
        flanneld: None,
        elasticsearch: None,
        began: Timestamp::UNIX_EPOCH,
        ended: Timestamp::UNIX_EPOCH,
    };
    let pauses = |deed| {
        let failed = failed(deed);
        (1..6).map(|it| pause_after(&failed, it, pace).as_secs() / 60).collect::<Vec<_>>()
    };
    assert_eq!(pauses(Deed::Prepare), [1, 2, 4, 5, 5]);
    assert_eq!(pauses(Deed::Reset), [0; 5], "whose tries are counted");
    let whole = Treated { failures: Vec::new(), ..failed(Deed::Prepare) };
    assert_eq!(pause_after(&whole, 9, pace), Duration::ZERO);
}

#[test]
fn what_does_not_come_to_a_host_is_begun_less_and_less_often() {
    let minute = Duration::from_mins(1);
    let pace = Pace { probe: minute, stats: 5 * minute };
    assert!(Tries::default().is_due(pace), "by a new process at once");
    for (number, pause) in [(1, 1), (2, 2), (3, 4), (4, 5), (99, 5)] {
        let since = |minutes: u32| {
            let last = Instant::now().checked_sub(minutes * minute);
            Tries { number, last }.is_due(pace)
        };
        assert!(since(pause) && !since(pause - 1), "after {number} tries");
    }
}
