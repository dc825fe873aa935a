//! What to do about the Lease, from what was seen of it. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// The Lease as this process saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Who holds it; empty when it was given back.
    pub holder: String,
    /// How long it holds without a renewal, by the holder's own word.
    pub duration: Duration,
    /// When this process first saw it as it stands now.
    pub since: Instant,
    /// Whether it was there at the last look.
    pub present: bool,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Make the Lease: there is none.
    Create,
    /// Write this process into it, on the condition that nobody wrote meanwhile.
    Write,
    /// It may be taken after this time at the earliest.
    Wait(Duration),
    /// This process held it and does no more.
    Lost,
}

/// What to do at `now`; `held_until` is set in a process that holds the Lease.
#[must_use]
pub fn decide(
    view: Option<&View>,
    me: &str,
    held_until: Option<Instant>,
    now: Instant,
) -> Decision {
    if held_until.is_some_and(|it| it <= now) {
        return Decision::Lost;
    }
    let Some(view) = view else { return Decision::Create };
    let take = if view.present { Decision::Write } else { Decision::Create };
    if view.holder == me {
        return take;
    }
    if held_until.is_some() {
        return Decision::Lost;
    }
    let end = view.since + view.duration;
    if view.holder.is_empty() || end <= now { take } else { Decision::Wait(end - now) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    struct Case {
        view: Option<View>,
        held_for: Option<Duration>,
        after: Duration,
    }

    fn seen(holder: &str) -> Case {
        let view =
            View { holder: holder.into(), duration: TEN, since: Instant::now(), present: true };
        Case { view: Some(view), held_for: None, after: Duration::ZERO }
    }

    impl Case {
        fn held_for(mut self, span: Duration) -> Self {
            self.held_for = Some(span);
            self
        }

        fn after(mut self, span: Duration) -> Self {
            self.after = span;
            self
        }

        fn deleted(mut self) -> Self {
            if let Some(view) = &mut self.view {
                view.present = false;
            }
            self
        }

        fn decide(self) -> Decision {
            let start = self.view.as_ref().map_or_else(Instant::now, |it| it.since);
            let held_until = self.held_for.map(|it| start + it);
            decide(self.view.as_ref(), "me", held_until, start + self.after)
        }
    }

    #[test]
    fn a_lease_that_is_not_there_is_made() {
        assert_eq!(decide(None, "me", None, Instant::now()), Decision::Create);
    }

    #[test]
    fn a_lease_that_was_given_back_is_taken_at_once() {
        assert_eq!(seen("").decide(), Decision::Write);
    }

    #[test]
    fn a_lease_of_another_is_taken_only_when_it_stood_still_for_its_whole_duration() {
        assert_eq!(seen("other").after(TEN / 2).decide(), Decision::Wait(TEN / 2));
        assert_eq!(seen("other").after(TEN).decide(), Decision::Write);
    }

    #[test]
    fn a_deleted_lease_counts_as_held_until_its_time_is_up() {
        assert_eq!(seen("other").deleted().after(TEN / 2).decide(), Decision::Wait(TEN / 2));
        assert_eq!(seen("other").deleted().after(TEN).decide(), Decision::Create);
    }

    #[test]
    fn the_holder_renews_and_puts_back_what_was_deleted() {
        assert_eq!(seen("me").held_for(TEN).decide(), Decision::Write);
        assert_eq!(seen("me").held_for(TEN).deleted().decide(), Decision::Create);
    }

    #[test]
    fn the_holder_gives_up_when_another_took_it_or_it_was_late() {
        assert_eq!(seen("other").held_for(TEN).decide(), Decision::Lost);
        assert_eq!(seen("").held_for(TEN).decide(), Decision::Lost);
        assert_eq!(seen("me").held_for(TEN).after(TEN).decide(), Decision::Lost);
    }

    #[test]
    fn a_lease_that_was_taken_without_hearing_of_it_is_written_again() {
        assert_eq!(seen("me").decide(), Decision::Write);
    }
}
