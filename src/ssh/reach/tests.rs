//! Tries to connect from this machine's own shell, behind a scripted server.

use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

use super::*;
use crate::{
    gate::WriteGate,
    ssh::{
        facts::Places,
        prober,
        remote::Watch,
        remotes::Remotes,
        scripted::{Script, Server, key, limits, until},
        session::Meter,
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
    remotes: Remotes,
    woken: UnboundedReceiver<ObjectKey>,
    watch: Watch,
}

fn name(name: &str) -> ObjectKey {
    ObjectKey { namespace: "shop".into(), name: name.into() }
}

fn peer(address: &str, port: u16) -> Peer {
    Peer::new(address, port).unwrap()
}

impl Bed {
    async fn new(stats: Duration) -> Self {
        let user = key();
        let server = Script::for_user(&user).serve().await;
        let target = server.target(&user);
        let pool = Pool::new(limits(), WriteGate::always_open(), Arc::new(Deaf));
        let (wake, _) = unbounded_channel();
        let (wake_asker, woken) = unbounded_channel();
        let pace = prober::Pace { probe: SECOND / 20, stats };
        let remotes = Remotes::new(pool, wake, pace).answering(wake_asker);
        let machine = std::fs::read_to_string("/etc/machine-id").unwrap();
        let watch = Watch {
            target,
            machine: Some(machine.trim().into()),
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
        };
        Self { server, remotes, woken, watch }
    }

    fn ask(&self, asker: &str, peers: &[Peer]) {
        let hosts = BTreeMap::from([(name("es-1"), peers.to_vec())]);
        self.remotes.ask(&name(asker), hosts);
    }

    fn watch(&self) {
        self.remotes.watch(&name("es-1"), self.watch.clone());
    }

    /// Waits until `asker` is woken, and returns what is known then.
    async fn told(&mut self, asker: &str) -> BTreeMap<Peer, Outcome> {
        let woken = timeout(40 * SECOND, self.woken.recv()).await;
        assert_eq!(woken.expect("an answer in time"), Some(name(asker)));
        let answer = self.remotes.get(&name("es-1")).unwrap().reached().unwrap();
        answer.result.clone().unwrap()
    }

    /// The ports that the host was asked for, command by command.
    fn asked(&self) -> Vec<Vec<u16>> {
        let lines = self.server.lines();
        let asked = lines.iter().filter_map(|it| it.strip_prefix("sh -s -- 4 "));
        let ports =
            |it: &str| it.split(' ').skip(1).step_by(2).map(|it| it.parse().unwrap()).collect();
        asked.map(ports).collect()
    }

    fn times_asked(&self) -> usize {
        self.asked().len()
    }
}

/// A port that somebody listens at, and one that nobody does.
async fn ports() -> (TcpListener, u16, u16) {
    let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let port = open.local_addr().unwrap().port();
    (open, port, closed)
}

#[tokio::test]
async fn an_open_port_a_closed_one_and_no_way_at_all_are_told_apart() {
    let mut bed = Bed::new(Duration::from_hours(1)).await;
    let (_open, open, closed) = ports().await;
    let peers = [
        peer("127.0.0.1", open),
        peer("localhost", open),
        peer("127.0.0.1", closed),
        peer("no-such-host.invalid", open),
    ];
    // Asked before the host is watched at all.
    bed.ask("net", &peers);
    bed.watch();
    let told = bed.told("net").await;
    let outcomes = peers.each_ref().map(|it| told[it]);
    assert_eq!(outcomes, [Outcome::Open, Outcome::Open, Outcome::Closed, Outcome::Lost]);
    assert_eq!(outcomes.map(Outcome::is_reached), [true, true, true, false]);
    assert_eq!(bed.times_asked(), 1);
}

#[tokio::test]
async fn more_peers_than_one_command_is_about_are_asked_for_in_several() {
    let mut bed = Bed::new(Duration::from_hours(1)).await;
    let (_open, open, _) = ports().await;
    let peers: Vec<_> = (1..=130).map(|it| peer(&format!("127.0.0.{it}"), open)).collect();
    bed.ask("net", &peers);
    bed.watch();
    let told = bed.told("net").await;
    assert_eq!(told.len(), 130);
    assert_eq!(told[&peers[0]], Outcome::Open);
    assert_eq!(bed.times_asked(), 3);
}

#[tokio::test]
async fn only_what_is_new_is_asked_for_and_the_same_question_is_no_news() {
    let mut bed = Bed::new(Duration::from_hours(1)).await;
    let (_open, open, closed) = ports().await;
    bed.watch();
    // Whatever changes at once is asked in one go.
    bed.ask("net", &[peer("127.0.0.1", closed)]);
    bed.ask("net", &[peer("127.0.0.1", open)]);
    bed.told("net").await;
    bed.ask("net", &[peer("127.0.0.1", open)]);
    bed.ask("net", &[peer("127.0.0.1", open), peer("127.0.0.1", closed)]);
    let told = bed.told("net").await;
    assert_eq!(told[&peer("127.0.0.1", open)], Outcome::Open, "what is known stays");
    assert_eq!(told.len(), 2);
    assert_eq!(bed.asked(), [[open], [closed]], "only who is new is asked for");
    // Somebody else has not heard it yet.
    bed.ask("other", &[peer("127.0.0.1", open)]);
    bed.told("other").await;
    bed.remotes.ask(&name("net"), BTreeMap::new());
    assert!(bed.remotes.get(&name("es-1")).unwrap().reached().is_some(), "taken from another");
    bed.remotes.ask(&name("other"), BTreeMap::new());
    assert!(bed.remotes.get(&name("es-1")).unwrap().reached().is_none(), "still asked");
}

#[tokio::test]
async fn a_peer_that_comes_up_is_news_at_the_next_time() {
    let mut bed = Bed::new(SECOND).await;
    // Nobody else takes a port of this address in the meantime.
    let address = "127.77.0.1";
    let closed = TcpListener::bind((address, 0)).await.unwrap().local_addr().unwrap().port();
    bed.ask("net", &[peer(address, closed)]);
    bed.watch();
    assert_eq!(bed.told("net").await[&peer(address, closed)], Outcome::Closed);
    until("it is asked again", || 3 <= bed.times_asked()).await;
    assert!(bed.woken.try_recv().is_err(), "told what is not new");
    let _open = TcpListener::bind((address, closed)).await.unwrap();
    assert_eq!(bed.told("net").await[&peer(address, closed)], Outcome::Open);
}

#[tokio::test]
async fn another_machine_than_the_one_that_is_meant_is_not_asked() {
    let mut bed = Bed::new(SECOND).await;
    let (_open, open, _) = ports().await;
    bed.watch.machine = Some("0123456789abcdef0123456789abcdef".into());
    bed.ask("net", &[peer("127.0.0.1", open)]);
    bed.watch();
    until("it is probed", || 5 <= bed.server.lines().len()).await;
    assert_eq!(bed.times_asked(), 0);
}

#[test]
fn what_is_no_address_is_no_peer() {
    for address in ["", "a/b", "../../etc/passwd", "a b", "$(id)", "a;b", "'", "é"] {
        assert_eq!(Peer::new(address, 9200), None, "{address}");
    }
    for address in ["10.0.0.1", "2001:db8::1", "es-1.example", "a_b"] {
        assert!(Peer::new(address, 9200).is_some(), "{address}");
    }
}
