//! Runs over the hosts of a cluster, against a model of the world that goes wrong in every way that
//! a seed brings: crashes between any two writes, hosts that fail, Elasticsearch that can't be asked,
//! people who change their minds. What must never happen is checked at every state, and when the
//! faults end, every run has to come to its end. Nodes are drained for hosts that leave and for roles that
//! they lose. Permits come late, and answers are lost. Not covered: other versions, a Cluster that is
//! deleted or in mode Plan, people who leave a cluster fewer than three masters, a vote that a person
//! takes of the very node that is being drained, shutdown records that Elasticsearch refuses or stalls,
//! and disks on which stale copies keep a node without data roles from starting.
#![allow(clippy::unwrap_used, clippy::panic, clippy::struct_excessive_bools)]

mod drains;
mod elasticsearch;
mod flaws;
mod hosts;
mod operator;
mod tally;
mod world;

use std::{collections::BTreeSet, io::Write as _, panic::catch_unwind, thread, time::Duration};

use flaws::FLAWS;
use tally::{Event, Tally};
use world::World;

/// Events while things go wrong, and at most as many after that.
const TROUBLED: usize = 600;
const CALM: usize = 6000;

/// What must have happened in all of the worlds together at least [`OFTEN`] times: each fault, and an
/// operator that ends on each side of each of its writes.
const OFTEN: usize = 20;
const MUST_HAPPEN: [Event; 34] = [
    ("all", "conflicts"),
    ("all", "drains"),
    ("all", "permits that come late"),
    ("run", "finished"),
    ("run", "superseded"),
    ("ends before", "status"),
    ("ends after", "status"),
    ("ends before", "protect"),
    ("ends after", "protect"),
    ("ends before", "unprotect"),
    ("ends after", "unprotect"),
    ("ends before", "announce"),
    ("ends after", "announce"),
    ("ends before", "retract"),
    ("ends after", "retract"),
    ("a host ends after", "Stage"),
    ("a host ends after", "Cordon"),
    ("a host ends after", "Stop"),
    ("a host ends after", "Uncordon"),
    ("fault", "a node crashes"),
    ("fault", "Elasticsearch does not answer"),
    ("fault", "a snapshot"),
    ("fault", "a filter"),
    ("fault", "a host can't be reached"),
    ("fault", "a host does not start Elasticsearch"),
    ("fault", "a host comes or goes"),
    ("fault", "a full disk"),
    ("fault", "maintenance"),
    ("fault", "somebody meddles"),
    ("fault", "nobody sees to a host"),
    ("fault", "all stands still"),
    ("people", "resume"),
    ("people", "edit in mid-run"),
    ("people", "other roles"),
];
/// The same of what is rarer: nodes that are taken out, and the way back to what ran before. An operator
/// that ends right after a mark is rarer still, and not asked for.
const RARE: usize = 2;
const MUST_HAPPEN_TOO: [Event; 10] = [
    ("ends before", "exclude"),
    ("ends after", "exclude"),
    ("ends before", "include"),
    ("ends after", "include"),
    ("ends before", "mark"),
    ("ends before", "silence"),
    ("ends after", "silence"),
    ("ends before", "unsilence"),
    ("ends after", "unsilence"),
    ("a host is done with", "Rollback"),
];

fn seeds() -> u64 {
    let soak = std::env::var_os("DROVER_SOAK").is_some();
    if soak { 20_000 } else { 1_400 }
}

fn simulate(mut world: World) -> Tally {
    for _ in 0..TROUBLED {
        world.event(true);
        world.check();
    }
    world.calm();
    for _ in 0..CALM {
        if world.is_at_rest() {
            return world.tally;
        }
        world.event(false);
        world.check();
    }
    panic!("seed {} does not come to rest:\n{}", world.seed, world.story());
}

#[test]
fn whatever_goes_wrong_no_data_is_at_risk_and_every_run_comes_to_its_end() {
    let threads = thread::available_parallelism().map_or(2, usize::from).min(8) as u64;
    let all = seeds();
    let tally: Tally = thread::scope(|scope| {
        let parts = (0..threads).map(|part| {
            let seeds = (part..all).step_by(threads as usize);
            scope.spawn(move || seeds.map(|it| simulate(World::new(it))).sum::<Tally>())
        });
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(|it| it.join().unwrap()).sum()
    });
    let (steps, crashes) =
        (tally.of(("all", "steps")), tally.all("ends before") + tally.all("ends after"));
    let faults = tally.all("fault");
    tell(&format!(
        "\n{all} worlds, {steps} steps, {crashes} crashes beside a write, {faults} faults{tally}\n"
    ));
    for (events, least) in [(&MUST_HAPPEN[..], OFTEN), (&MUST_HAPPEN_TOO[..], RARE)] {
        let rarer = tally.rarer(events, least);
        assert!(rarer.is_empty(), "less often than {least} times: {rarer:?}");
    }
}

#[test]
fn a_careless_operator_is_caught_by_the_check_that_is_meant_for_it() {
    for (flaw, words) in FLAWS {
        let mut others = BTreeSet::new();
        let is_caught = (0..60).any(|seed| {
            let end = catch_unwind(|| simulate(World::flawed(seed, flaw)));
            let Err(why) = end else { return false };
            let why = why.downcast_ref::<String>().cloned().unwrap_or_default();
            let headline = why.lines().next().unwrap_or_default();
            others.insert(headline.to_owned());
            headline.contains(words)
        });
        assert!(is_caught, "{flaw:?} is not caught, but for {others:?}");
    }
}

/// For whoever reads the tests' output: what is printed is kept from them where all is well.
fn tell(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// Some time in which something happens.
fn moment(rng: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(rng.u64(100..3_000))
}
