//! Runs over the hosts of a cluster, against a model of the world that goes wrong in every way that
//! a seed brings: crashes between any two writes, hosts that fail, Elasticsearch that can't be asked,
//! people who change their minds. What must never happen is checked at every state, and when the
//! faults end, every run has to come to its end. Nodes are drained for hosts that leave and for roles that
//! they lose. Not covered: people who leave a cluster fewer than three masters, protection by shutdown
//! records, a vote that a person takes of the very node that is being drained, and disks on which stale
//! copies keep a node without data roles from starting.
#![allow(clippy::unwrap_used, clippy::panic, clippy::struct_excessive_bools)]

mod drains;
mod elasticsearch;
mod hosts;
mod operator;
mod world;

use std::{thread, time::Duration};

use world::{Totals, World};

/// Events while things go wrong, and at most as many after that.
const TROUBLED: usize = 600;
const CALM: usize = 6000;

fn seeds() -> u64 {
    let soak = std::env::var_os("DROVER_SOAK").is_some();
    if soak { 20_000 } else { 1_000 }
}

fn simulate(seed: u64) -> Totals {
    let mut world = World::new(seed);
    for _ in 0..TROUBLED {
        world.event(true);
        world.check();
    }
    world.calm();
    for _ in 0..CALM {
        if world.is_at_rest() {
            return world.totals;
        }
        world.event(false);
        world.check();
    }
    panic!("seed {seed} does not come to rest:\n{}", world.story());
}

#[test]
fn whatever_goes_wrong_no_data_is_at_risk_and_every_run_comes_to_its_end() {
    let threads = thread::available_parallelism().map_or(2, usize::from).min(8) as u64;
    let all = seeds();
    let totals: Totals = thread::scope(|scope| {
        let parts = (0..threads).map(|part| {
            scope.spawn(move || (part..all).step_by(threads as usize).map(simulate).sum::<Totals>())
        });
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(|it| it.join().unwrap()).sum()
    });
    let Totals { events, runs, drains, crashes, faults } = totals;
    println!(
        "{all} worlds, {events} events, {runs} runs, {drains} drains, {crashes} crashes, {faults} faults"
    );
}

/// Some time in which something happens.
fn moment(rng: &mut fastrand::Rng) -> Duration {
    Duration::from_millis(rng.u64(100..3_000))
}
