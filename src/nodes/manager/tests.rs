use std::num::NonZeroU16;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::{
    kubernetes::scripted::api_server,
    nodes::{error::Error, probe::Permission, register::Readiness, turns::Limits},
};

struct Bed {
    manager: Manager,
    managers: UnboundedReceiver<ObjectKey>,
    hosts: UnboundedReceiver<Concern>,
}

impl Bed {
    fn new() -> Self {
        let (to_managers, managers) = unbounded_channel();
        let (to_hosts, hosts) = unbounded_channel();
        let wakers = Wakers { managers: to_managers, hosts: to_hosts };
        let key = ObjectKey { namespace: "shop".into(), name: "production".into() };
        let client = Client::scripted(api_server().0);
        let limits = Limits::of(NonZeroU16::new(16).unwrap());
        let turns = Arc::new(Turns::new(limits, wakers.hosts.clone()));
        Self { manager: Manager::new(key, client, [0; 32], wakers, turns), managers, hosts }
    }

    /// Whether the object was woken, and which Hosts: `*` stands for all.
    fn woken(&mut self) -> (bool, Vec<String>) {
        let mut hosts = Vec::new();
        while let Ok(concern) = self.hosts.try_recv() {
            match concern.uids {
                None => hosts.push("*".into()),
                Some(uids) => hosts.extend(uids.iter().map(ToString::to_string)),
            }
        }
        let mut woken = false;
        while self.managers.try_recv().is_ok() {
            woken = true;
        }
        (woken, hosts)
    }

    fn listed(&mut self, nodes: &[Listed]) -> (bool, Vec<String>) {
        self.listed_since(Instant::now(), nodes)
    }

    fn listed_since(&mut self, began: Instant, nodes: &[Listed]) -> (bool, Vec<String>) {
        let listing = Listing { nodes: nodes.to_vec(), has_more: false };
        self.manager.publish(began, Probe::default(), Some(listing));
        self.woken()
    }

    fn known(&self) -> Vec<String> {
        let nodes = self.manager.snapshot().nodes.unwrap();
        nodes.keys().map(|it| it.uid.to_string()).collect()
    }
}

fn node(uid: &str, readiness: Readiness) -> Listed {
    Listed {
        node: format!("node-{uid}").into(),
        uid: uid.into(),
        readiness,
        machine_id: None,
        is_cordoned: false,
        is_leaving: false,
    }
}

fn place(node: &Listed) -> Place {
    Place { node: node.node.clone(), uid: node.uid.clone() }
}

#[tokio::test]
async fn only_hosts_whose_nodes_changed_are_woken() {
    let mut bed = Bed::new();
    let [a, b] = ["a", "b"].map(|it| node(it, Readiness::Ready));
    assert_eq!(bed.listed(&[a.clone(), b.clone()]), (true, vec!["*".into()]), "the first look");
    assert_eq!(bed.listed(&[a.clone(), b.clone()]), (false, vec![]));
    let slow = node("b", Readiness::Unknown);
    assert_eq!(bed.listed(&[a.clone(), slow]), (false, vec!["b".into()]));
    assert_eq!(bed.listed(&[a]), (false, vec!["b".into()]), "it is gone");
}

#[tokio::test]
async fn a_fault_and_its_end_concern_everybody_and_the_nodes_stay_known() {
    let mut bed = Bed::new();
    let a = node("a", Readiness::Ready);
    bed.listed(std::slice::from_ref(&a));
    let fault = Error::Leaving { node: "any error".into() };
    for expected in [(true, vec!["*".to_owned()]), (false, vec![])] {
        let probe = Probe { fault: Some(fault.clone()), ..Probe::default() };
        bed.manager.publish(Instant::now(), probe, None);
        assert_eq!(bed.woken(), expected);
        assert!(!bed.manager.snapshot().is_usable());
        assert_eq!(bed.known(), ["a"]);
    }
    assert_eq!(bed.listed(&[a]), (true, vec!["*".into()]));
    let probe = Probe { missing: vec![Permission::LIST_NODES], ..Probe::default() };
    bed.manager.publish(Instant::now(), probe, None);
    assert_eq!(bed.woken(), (true, vec!["*".into()]), "a permission is missing");
}

#[tokio::test]
async fn a_list_that_was_begun_before_does_not_undo_what_was_noted_since() {
    let mut bed = Bed::new();
    let [a, b] = ["a", "b"].map(|it| node(it, Readiness::Ready));
    bed.listed(std::slice::from_ref(&a));
    let began = Instant::now();
    bed.manager.note(&place(&a), None);
    bed.manager.note(&place(&b), Some(b.clone()));
    assert_eq!(bed.known(), ["b"]);
    bed.listed_since(began, std::slice::from_ref(&a));
    assert_eq!(bed.known(), ["b"]);
    bed.listed(&[a]);
    assert_eq!(bed.known(), ["a"], "a later list knows better");
}

#[tokio::test]
async fn a_server_that_fails_is_worked_on_by_one_at_a_time() {
    let mut bed = Bed::new();
    let all = |bed: &Bed| (0..9).map_while(|it| bed.manager.turn(&it.to_string())).collect();
    let taken: Vec<Turn> = all(&bed);
    assert_eq!(taken.len(), 4);
    drop(taken);
    let fault = Some(Error::Leaving { node: "any error".into() });
    bed.manager.publish(Instant::now(), Probe { fault, ..Probe::default() }, None);
    let taken: Vec<Turn> = all(&bed);
    assert_eq!(taken.len(), 1);
    drop(taken);
    bed.listed(&[]);
    let taken: Vec<Turn> = all(&bed);
    assert_eq!(taken.len(), 4);
}
