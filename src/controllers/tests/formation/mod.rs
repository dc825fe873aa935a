//! How a cluster is formed, once, in a model of the world that goes wrong in every way that a seed brings:
//! caches that lag, crashes between any two writes, an operator that acts late, objects and Secrets that are
//! lost, machines that are wiped, replaced, or handed to another Cluster. What must never happen is
//! checked at every state, and when the faults end, each Cluster comes to have all its hosts in one
//! cluster, or says why it does not.
//!
//! Not covered: objects that are deleted under Delete, mode Plan, pauses, names that change, and Secrets that
//! nobody may read. Where a Cluster is refused by words for a person, it is not tried whether they help.
//!
//! A seed that fails is named; `FORMATION_SEED=<seed>` runs it alone.

mod calm;
mod cluster;
mod faults;
mod host;
mod machine;
mod world;

use self::world::World;

/// Events while things go wrong.
const TROUBLED: usize = 120;
/// Turns of everybody after that.
const CALM: usize = 24;

/// The first, and how many.
fn seeds() -> (u64, u64) {
    if let Some(seed) = std::env::var("FORMATION_SEED").ok().and_then(|it| it.parse().ok()) {
        return (seed, 1);
    }
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok());
    let soak = std::env::var_os("DROVER_SOAK").map(|_| 4_000);
    (0, asked.or(soak).unwrap_or(40))
}

fn simulate(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..TROUBLED {
        world.event();
        world.check();
    }
    world.calm();
    for _ in 0..CALM {
        world.turn();
        world.check();
    }
    world.assert_at_rest();
}

#[test]
fn whatever_goes_wrong_a_cluster_is_formed_once() {
    let (first, count) = seeds();
    for seed in first..first + count {
        simulate(seed);
    }
}
