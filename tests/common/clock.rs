//! How long each test takes, which the harness does not tell.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

thread_local! {
    static CLOCK: RefCell<Option<Clock>> = RefCell::new(Clock::of_this_thread());
}

/// Runs from a test's first use of the bed until its thread ends.
struct Clock {
    test: String,
    began: Instant,
    /// How much of that the test stood in a queue.
    queued: Duration,
}

impl Clock {
    /// The harness names a test's thread by the test. Other threads use the bed as well, such as those of a runtime.
    fn of_this_thread() -> Option<Self> {
        let current = std::thread::current();
        let test = current.name().filter(|it| it.contains("::"))?.to_owned();
        Some(Self { test, began: Instant::now(), queued: Duration::ZERO })
    }
}

impl Drop for Clock {
    /// One line for each test: seconds at work, seconds in a queue, and its name. `run.sh` shows the longest.
    fn drop(&mut self) {
        let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/times");
        let queued = self.queued.as_secs();
        let at_work = self.began.elapsed().saturating_sub(self.queued).as_secs();
        // In one piece, since others write there too. A time that is not told fails no test.
        let line = format!("{at_work:5} {queued:5} {}\n", self.test);
        if let Ok(mut times) = OpenOptions::new().append(true).create(true).open(file) {
            let _ = times.write_all(line.as_bytes());
        }
    }
}

/// Starts the clock of the test that this thread runs, unless it runs already.
pub fn start() {
    CLOCK.with_borrow(|_| ());
}

/// Waits for what other tests have, without counting the time as this test's own.
pub async fn queue<T>(turn: impl Future<Output = T>) -> T {
    start();
    let began = Instant::now();
    let it = turn.await;
    CLOCK.with_borrow_mut(|clock| {
        if let Some(clock) = clock {
            clock.queued += began.elapsed();
        }
    });
    it
}
