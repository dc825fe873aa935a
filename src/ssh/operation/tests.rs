use super::*;
use crate::ssh::{
    command::tests::{Programs, run},
    deploy::report::Running,
    service::{Service, State},
};

const BEFORE: &str = "11111111111111111111111111111111";
const AFTER: &str = "22222222222222222222222222222222";

fn work(deed: Deed) -> Work {
    let unit = Unit::new("elasticsearch.service");
    Work::new(("r-1", 2), deed, unit, Some(BEFORE), "boot-1").unwrap()
}

fn state(active: &str) -> State {
    State { load: "loaded".into(), active: active.into(), ..State::default() }
}

fn absent() -> State {
    State { load: "not-found".into(), active: "inactive".into(), ..State::default() }
}

/// In the run `invocation`, which began so many seconds ago.
fn unit(active: &str, invocation: Option<&str>, age: u64) -> State {
    State {
        invocation: invocation.map(Into::into),
        active_since: Some((1000 - age) * 1_000_000),
        ..state(active)
    }
}

fn judge(deed: Deed, unit: State, steps: [State; 2], boot: &str, system: &str) -> Verdict {
    let look = Look {
        service: Some(Service { unit, ..Service::default() }),
        steps: steps.into(),
        system: system.into(),
        uptime: Some(1000),
    };
    let identity = Identity { boot_id: Some(boot.into()), ..Identity::default() };
    work(deed).judge(&look, &identity)
}

fn restart(unit: State, step: State) -> Verdict {
    judge(Deed::Restart, unit, [step, absent()], "boot-1", "running")
}

#[test]
fn a_restart_is_proven_by_another_run_of_the_service_that_lasts() {
    let begun = || state("active");
    assert_eq!(restart(unit("active", Some(AFTER), 5), begun()), Verdict::Done);
    assert_eq!(restart(unit("active", Some(AFTER), 1), begun()), Verdict::UnderWay);
    assert_eq!(restart(unit("active", Some(AFTER), 5), absent()), Verdict::Done, "by somebody");
    assert_eq!(restart(unit("active", Some(BEFORE), 5), state("activating")), Verdict::UnderWay);
    // It says that it is done, and nothing was.
    assert_eq!(restart(unit("active", Some(BEFORE), 500), begun()), Verdict::Failed);
}

#[test]
fn a_service_that_does_not_come_up_is_told_from_one_that_is_on_its_way() {
    assert_eq!(restart(unit("activating", Some(AFTER), 0), state("activating")), Verdict::UnderWay);
    assert_eq!(restart(unit("activating", Some(AFTER), 0), state("active")), Verdict::UnderWay);
    assert_eq!(restart(unit("failed", None, 0), state("failed")), Verdict::Failed);
    assert_eq!(restart(unit("failed", None, 0), state("active")), Verdict::Failed);
    // systemd tries again by itself.
    assert_eq!(restart(unit("activating", Some(AFTER), 0), state("failed")), Verdict::Failed);
}

#[test]
fn work_of_which_the_host_knows_nothing_was_not_begun() {
    let not_begun = |is_as_before| Verdict::NotBegun { is_as_before };
    assert_eq!(restart(unit("active", Some(BEFORE), 500), absent()), not_begun(true));
    assert_eq!(restart(unit("failed", None, 0), absent()), not_begun(false));
    assert_eq!(restart(unit("activating", Some(AFTER), 0), absent()), Verdict::UnderWay);
    let reboot = |step| {
        let unit = unit("active", Some(BEFORE), 500);
        judge(Deed::Reboot, unit, [step, absent()], "boot-1", "running")
    };
    assert_eq!(reboot(absent()), not_begun(true));
    assert_eq!(reboot(state("active")), Verdict::UnderWay);
    assert_eq!(reboot(state("failed")), Verdict::Failed);
}

#[test]
fn a_reboot_is_proven_by_another_boot_in_which_the_service_runs() {
    let back = |unit, start, system| judge(Deed::Reboot, unit, [absent(), start], "boot-2", system);
    assert_eq!(back(unit("active", Some(AFTER), 5), absent(), "running"), Verdict::Done);
    assert_eq!(back(unit("active", Some(AFTER), 0), absent(), "running"), Verdict::UnderWay);
    assert_eq!(back(unit("inactive", None, 0), absent(), "starting"), Verdict::UnderWay);
    assert_eq!(back(unit("inactive", None, 0), absent(), "degraded"), Verdict::Start);
    assert_eq!(back(unit("failed", None, 0), state("failed"), "degraded"), Verdict::Failed);
    assert_eq!(back(unit("inactive", None, 0), state("activating"), "running"), Verdict::UnderWay);
    let work = Work::new(("r-1", 1), Deed::Reboot, None, None, "boot-1").unwrap();
    let identity = Identity { boot_id: Some("boot-2".into()), ..Identity::default() };
    let look = Look { steps: vec![absent(), absent()], ..Look::default() };
    assert_eq!(work.judge(&look, &identity), Verdict::Done, "nothing ran there before");
}

#[test]
fn only_proper_names_become_units() {
    assert_eq!(unit_name("r-1", 2).as_deref(), Some("drover-r-1-2.service"));
    for run in ["", "a b", "../x", "a;b", "a\nb", "ä", &"x".repeat(65)] {
        assert_eq!(unit_name(run, 1), None, "{run:?}");
    }
    let none = Work::new(("r-1", 1), Deed::Restart, None, None, "boot-1");
    assert_eq!(none, None, "there is nothing to restart");
    assert_eq!(Work::new(("r-1", 1), Deed::Reboot, None, None, ""), None, "nothing would prove it");
}

#[test]
fn what_is_sent_names_the_unit_and_the_time_from_which_on_it_is_too_late() {
    let line = work(Deed::Restart).command("1012").line().unwrap();
    let unit = "elasticsearch.service";
    let words = format!("drover-r-1-2.service 1012 {unit} {BEFORE} systemctl restart -- {unit}");
    assert_eq!(line, format!("sh -s -- {words}"));
    let line = work(Deed::Reboot).command("9").sudo(true).line().unwrap();
    assert_eq!(line, "sudo -n -- sh -s -- drover-r-1-2.service 9 '' '' systemctl reboot");
    let line = work(Deed::Reboot).start().line().unwrap();
    let words = format!("drover-r-1-2-start.service '' '' '' systemctl start -- {unit}");
    assert_eq!(line, format!("sh -s -- {words}"));
}

mod doubts;
mod image;
mod scripts;
mod upgrade;

#[test]
fn a_host_refuses_what_comes_too_late_whatever_it_is() {
    // A second after the boot; before anything else is asked.
    let output = run(&work(Deed::Reboot).command("1"));
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "it came too late\n");
}

fn running(revision: &str) -> Running {
    Running { version: "8.19.1".into(), revision: revision.into() }
}

/// What has the host begin it, unless the service is in another run than [`BEFORE`].
fn swap_command(latest: &str) -> Command {
    let leave = Leave { latest, run: BEFORE };
    swap_work().swap.unwrap().job.begin_swap("8.19.1", "new", Some(leave)).command
}

fn swap_work() -> Work {
    Work::swap(("r-1", 2), running("new"), Some(BEFORE), "boot-1").unwrap()
}

/// How a swap is judged by the service, what that was started as, and the job.
fn swapping(unit: State, started_as: Option<&str>, step: State) -> Verdict {
    let running = started_as.map(running);
    let look = Look {
        service: Some(Service { unit, running, ..Service::default() }),
        steps: vec![step, absent()],
        system: "running".into(),
        uptime: Some(1000),
    };
    let identity = Identity { boot_id: Some("boot-1".into()), ..Identity::default() };
    swap_work().judge(&look, &identity)
}

#[test]
fn a_swap_is_proven_by_what_the_service_was_started_as() {
    let after = |age| unit("active", Some(AFTER), age);
    let before = || unit("active", Some(BEFORE), 500);
    assert_eq!(swapping(after(5), Some("new"), state("active")), Verdict::Done);
    assert_eq!(swapping(after(1), Some("new"), state("active")), Verdict::UnderWay);
    assert_eq!(swapping(after(5), Some("new"), absent()), Verdict::Done, "the job is forgotten");
    assert_eq!(swapping(before(), Some("old"), state("activating")), Verdict::UnderWay);
    // It says nothing of itself in the moment in which it is started.
    assert_eq!(swapping(after(0), None, state("active")), Verdict::UnderWay);
    let coming = unit("activating", Some(AFTER), 0);
    assert_eq!(swapping(coming, None, state("active")), Verdict::UnderWay);
}

#[test]
fn a_swap_after_which_what_ran_before_runs_again_has_failed() {
    let back = || unit("active", Some(AFTER), 5);
    assert_eq!(swapping(back(), Some("old"), state("failed")), Verdict::Failed);
    assert_eq!(swapping(back(), Some("old"), state("active")), Verdict::Failed);
    assert_eq!(swapping(back(), Some("old"), state("activating")), Verdict::UnderWay);
    assert_eq!(swapping(unit("failed", None, 0), None, state("active")), Verdict::Failed);
    // Another attempt at it was not begun, and finds what the last one left.
    let not_begun = |is_as_before| Verdict::NotBegun { is_as_before };
    assert_eq!(swapping(back(), Some("old"), absent()), not_begun(false));
    let before = unit("active", Some(BEFORE), 500);
    assert_eq!(swapping(before, Some("old"), absent()), not_begun(true));
}

#[test]
fn the_job_of_a_swap_is_its_name_and_comes_too_late_like_any_other() {
    let work = swap_work();
    assert_eq!(work.name(), "drover-r-1-swap-2.service");
    let output = run(&swap_command("1"));
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "it came too late\n");
}
