use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::elasticsearch::scripted::client_of_nobody;

fn key(name: &str) -> ObjectKey {
    ObjectKey { namespace: "shop".into(), name: name.into() }
}

struct Bed {
    link: Arc<Link>,
    woken: UnboundedReceiver<ObjectKey>,
}

impl Bed {
    fn new() -> Self {
        let (clusters, _) = unbounded_channel();
        let (indices, woken) = unbounded_channel();
        let wakers = Wakers { clusters, indices };
        let link = Link::new(key("es"), client_of_nobody(), [0; 32], wakers, WRITE_SLOTS);
        Self { link: Arc::new(link), woken }
    }

    /// All slots, taken by others.
    fn full() -> (Self, Vec<Slot>) {
        let bed = Self::new();
        let slots = (0..WRITE_SLOTS).map(|it| bed.take(&format!("busy-{it}"))).collect();
        (bed, slots)
    }

    #[track_caller]
    fn take(&self, name: &str) -> Slot {
        self.link.slot(&key(name)).expect("a free slot")
    }

    #[track_caller]
    fn wait(&self, name: &str) {
        assert!(self.link.slot(&key(name)).is_none(), "a slot is free");
    }

    /// The names of those who were woken since.
    fn woken(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.woken.try_recv().ok()).map(|it| it.name).collect()
    }
}

#[test]
fn a_free_slot_wakes_whoever_waits_longest() {
    let (mut bed, mut slots) = Bed::full();
    for name in ["a", "b", "a"] {
        bed.wait(name);
    }
    assert_eq!(bed.woken(), [""; 0]);
    slots.pop();
    assert_eq!(bed.woken(), ["a"]);
    let _a = bed.take("a");
    slots.pop();
    assert_eq!(bed.woken(), ["b"]);
}

#[test]
fn whoever_is_woken_and_wants_no_slot_any_more_passes_it_on() {
    let (mut bed, mut slots) = Bed::full();
    for name in ["a", "gone", "c", "d"] {
        bed.wait(name);
    }
    slots.pop();
    assert_eq!(bed.woken(), ["a"]);
    bed.link.wants_no_slot(&key("a"));
    assert_eq!(bed.woken(), ["gone"]);
    bed.link.wants_no_slot(&key("a"));
    assert_eq!(bed.woken(), [""; 0], "once");
    bed.link.forget(&key("gone"));
    assert_eq!(bed.woken(), ["c"]);
    bed.link.wants_no_slot(&key("d"));
    bed.link.wants_no_slot(&key("c"));
    assert_eq!(bed.woken(), [""; 0], "d went before its turn");
}

#[test]
fn whoever_finds_its_slot_taken_by_a_newcomer_is_the_next() {
    let (mut bed, mut slots) = Bed::full();
    bed.wait("a");
    bed.wait("b");
    slots.pop();
    let newcomer = bed.take("newcomer");
    bed.wait("a");
    assert_eq!(bed.woken(), ["a"]);
    drop(newcomer);
    assert_eq!(bed.woken(), ["a"], "before b");
}

#[test]
fn whoever_takes_a_slot_by_itself_is_not_woken_for_another() {
    let (mut bed, mut slots) = Bed::full();
    bed.wait("a");
    bed.wait("b");
    slots.pop();
    // Woken by something else at the same time, b was quicker.
    let b = bed.take("b");
    bed.wait("a");
    assert_eq!(bed.woken(), ["a"]);
    drop(b);
    assert_eq!(bed.woken(), ["a"]);
    let _a = bed.take("a");
    slots.pop();
    assert_eq!(bed.woken(), [""; 0]);
}

#[test]
fn a_link_that_ends_forgets_nobody_who_waits() {
    let (mut bed, mut slots) = Bed::full();
    for name in ["a", "b", "c"] {
        bed.wait(name);
    }
    slots.pop();
    assert_eq!(bed.woken(), ["a"]);
    bed.link.stop();
    assert_eq!(bed.woken(), ["b", "c", "a"]);
    slots.clear();
    assert_eq!(bed.woken(), [""; 0]);
}

#[test]
fn whoever_waits_for_a_reading_is_woken_by_it_also_when_nothing_changed() {
    let mut bed = Bed::new();
    let _ = bed.link.track("books", &key("a"));
    for (tell, woken) in [(true, vec!["a"]), (false, vec![])] {
        let errands = bed.link.errands(true);
        bed.link.deliver(&errands[0], IndexView::Missing, false);
        bed.woken();
        if tell {
            bed.link.outdate_and_tell("books");
        } else {
            bed.link.outdate("books");
        }
        bed.link.deliver(&bed.link.errands(true)[0], IndexView::Missing, false);
        assert_eq!(bed.woken(), woken);
    }
}

#[test]
fn as_long_as_a_request_without_an_answer_may_be_carried_out_no_look_is_the_last_one() {
    let bed = Bed::new();
    bed.link.set_examined(true);
    assert!(bed.link.is_examined());
    bed.link.doubt();
    bed.link.set_examined(true);
    assert!(!bed.link.is_examined());
}

#[test]
fn what_was_asked_for_without_an_answer_is_in_doubt_over_a_new_connection_too() {
    let (before, after, third) = (Bed::new(), Bed::new(), Bed::new());
    before.link.doubt();
    after.link.track_as(&before.link);
    after.link.set_examined(true);
    assert!(!after.link.is_examined());
    third.link.track_as(&after.link);
    third.link.set_examined(true);
    assert!(!third.link.is_examined(), "nor over the next one");
    let calm = Bed::new();
    calm.link.track_as(&Bed::new().link);
    calm.link.set_examined(true);
    assert!(calm.link.is_examined());
}
