use super::*;
use crate::rollout::hosts::{Answer, Progress};

/// What becomes of `a`, at whose stop the run is, where it answers this.
fn answered(run: &Run, progress: Progress, now: Timestamp) -> Run {
    let evidence = evidence();
    let of_host = |name: &str| Member { nodes: Match::unit([name.into()]), ..member(name) };
    let mut members = [of_host("a"), of_host("b")];
    let HostRun { step, attempt, .. } = run.hosts[0];
    members[0].answer = Some(Answer { run: run.id.clone(), step, attempt, progress });
    let permitted = Permitted { unavailable: 1, downtime: false, single_copies: false };
    let pace = Pace {
        pause_after: PauseAfter::Never,
        host_timeout: Duration::from_mins(20),
        min_ready: Duration::ZERO,
        on_failure: OnFailure::Pause,
    };
    let decision = next(&World {
        evidence: Ok(&evidence),
        owner: "uid",
        members: &members,
        permitted: &permitted,
        pace: &pace,
        protection: Protection::AllocationSettings,
        wanted: None,
        hold: None,
        is_given_up: false,
        drain: None,
        resume: None,
        run: Some(run),
        now,
    });
    decision.run.unwrap()
}

/// The host comes back to its turn, and to its stop after that.
fn until_the_next_stop(mut run: Run, now: Timestamp) -> Run {
    for _ in 0..3 {
        run = answered(&run, Progress::Working { touched: false }, now);
    }
    assert_eq!(run.hosts[0].step, Step::Waiting);
    run.hosts[0].enter(Step::Stop, now);
    run
}

fn late() -> Progress {
    Progress::Late { reason: "the permit was too old".into() }
}

#[test]
fn a_permit_that_comes_too_late_is_given_anew_and_no_person_is_asked_however_often() {
    let mut run = run(Kind::ElasticsearchRestart, &[("a", Step::Stop), ("b", Step::Done)]);
    for attempt in 1..20 {
        assert_eq!(run.hosts[0].attempt, attempt);
        run = answered(&run, late(), NOW);
        let trouble = run.hosts[0].trouble.as_deref();
        assert_eq!(trouble, Some("Stop failed: the permit was too old"), "it is told");
        assert_eq!((run.hosts[0].step, &run.pause), (Step::Unprotect, &None));
        run = until_the_next_stop(run, NOW);
        assert_eq!(run.pause, None);
    }
    // What fails there has its three attempts still.
    for attempt in 1..=3 {
        let reason = "the disk is full".into();
        run = answered(&run, Progress::Failed { reason, touched: false }, NOW);
        assert_eq!(run.pause.is_some(), attempt == 3, "{attempt}");
        if attempt < 3 {
            run = until_the_next_stop(run, NOW);
        }
    }
}

#[test]
fn a_host_that_had_failed_before_is_tried_again_after_a_permit_that_came_too_late() {
    let mut run = run(Kind::HostRestart, &[("a", Step::Stop), ("b", Step::Done)]);
    run.hosts[0].attempt = 7;
    for touched in [false, true] {
        run.hosts[0].touched = touched;
        let run = answered(&run, late(), NOW);
        assert_eq!((run.hosts[0].step, run.pause), (Step::Unprotect, None));
        assert!(!run.hosts[0].touched, "it is up, and comes to the gates");
    }
}
