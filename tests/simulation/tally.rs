//! What has happened in the worlds, counted: what never happens proves nothing.

use std::{collections::BTreeMap, fmt, iter::Sum};

/// What happened, and to what.
pub type Event = (&'static str, &'static str);

/// How often each happened.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<Event, usize>);

impl Tally {
    pub fn add(&mut self, event: Event) {
        *self.0.entry(event).or_default() += 1;
    }

    pub fn of(&self, event: Event) -> usize {
        self.0.get(&event).copied().unwrap_or_default()
    }

    /// How often all of that name happened.
    pub fn all(&self, name: &str) -> usize {
        self.0.iter().filter(|it| it.0.0 == name).map(|it| it.1).sum()
    }

    /// Which of `events` happened less often than `least` times.
    pub fn rarer<'a>(&self, events: &'a [Event], least: usize) -> Vec<&'a Event> {
        events.iter().filter(|it| self.of(**it) < least).collect()
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        let mut sum = Self::default();
        for (event, count) in all.flat_map(|it| it.0) {
            *sum.0.entry(event).or_default() += count;
        }
        sum
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = "";
        for ((name, of), count) in &self.0 {
            if *name != last {
                write!(f, "\n  {name}:")?;
            }
            write!(f, " {of} {count},")?;
            last = name;
        }
        Ok(())
    }
}
