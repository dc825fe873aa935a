//! How long to wait before the next try, for each object by itself.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The first delay.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay.
const LONGEST: Duration = Duration::from_mins(5);

/// The failures in a row of each object.
#[derive(Debug)]
pub struct Backoff<K>(Mutex<HashMap<K, Failures>>);

#[derive(Debug)]
struct Failures {
    generation: Option<i64>,
    count: u32,
}

impl<K> Default for Backoff<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Backoff<K> {
    /// One more failure; returns the delay until the next try: 1 s, doubling with each failure in a
    /// row to 5 min, spread by a fifth. A new generation of the spec begins at 1 s again.
    pub fn fail(&self, key: K, generation: Option<i64>) -> Duration {
        let mut all = self.lock();
        let failures = all.entry(key).or_insert(Failures { generation, count: 0 });
        if failures.generation != generation {
            *failures = Failures { generation, count: 0 };
        }
        let delay = FIRST.saturating_mul(2_u32.saturating_pow(failures.count)).min(LONGEST);
        failures.count = failures.count.saturating_add(1);
        jittered(delay)
    }

    /// The object came through, or is gone.
    pub fn reset(&self, key: &K) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Failures>> {
        // Nothing in here panics half-way, so a poisoned map is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `delay`, shorter or longer by up to a fifth, so that many objects do not come back at once.
#[must_use]
pub fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(0.8 + 0.4 * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(delay: Duration, seconds: u64) -> bool {
        let wanted = Duration::from_secs(seconds);
        wanted.mul_f64(0.8) <= delay && delay <= wanted.mul_f64(1.2)
    }

    #[test]
    fn the_delay_doubles_from_one_second_to_five_minutes() {
        let backoff = Backoff::default();
        for seconds in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let delay = backoff.fail("a", Some(1));
            assert!(about(delay, seconds), "{delay:?} is not about {seconds} s");
        }
        assert!((0..100).all(|_| about(backoff.fail("a", Some(1)), 300)));
    }

    #[test]
    fn a_success_a_new_spec_and_another_object_begin_at_one_second() {
        let backoff = Backoff::default();
        for _ in 0..5 {
            backoff.fail("a", Some(1));
        }
        assert!(about(backoff.fail("b", Some(1)), 1));
        assert!(about(backoff.fail("a", Some(2)), 1));
        assert!(about(backoff.fail("a", Some(2)), 2));
        backoff.reset(&"a");
        assert!(about(backoff.fail("a", Some(2)), 1));
    }
}
