//! The scripts on a host whose systemd is played.

use super::*;
use crate::ssh::operation::spent::Spent;

const SLEEP: (&str, &str) = ("sleep", "echo slept >>sleeps");
/// It knows what is in the file of each unit's name.
const SYSTEMCTL: &str = r#"
for unit; do :; done
case $1,$3 in
show,LoadState) if [ -e "$unit" ]; then echo loaded; else echo not-found; fi ;;
show,ActiveState) echo active ;;
show,InvocationID) cat invocation ;;
esac"#;

fn begin_on(programs: &Programs) -> (Option<i32>, String) {
    let output = programs.run(&work(Deed::Restart).command("9999999999"));
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    (output.status.code(), words)
}

fn host(systemctl: &str, systemd_run: &str) -> Programs {
    let invocation = format!("echo {BEFORE}");
    let systemctl = systemctl.replace("cat invocation", &invocation);
    Programs::new(&[SLEEP, ("systemctl", &systemctl), ("systemd-run", systemd_run)])
}

#[test]
fn work_that_systemd_took_is_begun_whatever_became_of_the_one_who_asked() {
    let taken = host(SYSTEMCTL, "echo \"$@\" >asked; >drover-r-1-2.service");
    assert_eq!(begin_on(&taken), (Some(0), String::new()));
    let asked = taken.noted("asked");
    let end = "-p RemainAfterExit=yes systemctl restart -- elasticsearch.service\n";
    assert!(asked.contains("--unit=drover-r-1-2.service") && asked.ends_with(end), "{asked}");

    let killed = host(SYSTEMCTL, ">drover-r-1-2.service; kill -9 $$");
    assert_eq!(begin_on(&killed).0, Some(0));
    // It shows only in a moment.
    let sleep = ("sleep", "[ -e asked ] && >drover-r-1-2.service");
    let systemctl = SYSTEMCTL.replace("cat invocation", &format!("echo {BEFORE}"));
    let late = ">asked; echo 'Connection timed out' >&2; exit 1";
    let late = Programs::new(&[sleep, ("systemctl", &systemctl), ("systemd-run", late)]);
    assert_eq!(begin_on(&late).0, Some(0));
}

#[test]
fn work_is_refused_only_when_systemd_says_again_and_again_that_it_has_none() {
    let refused = host(SYSTEMCTL, "echo 'Access denied' >&2; exit 1");
    assert_eq!(begin_on(&refused), (Some(1), "Access denied".into()));
    assert_eq!(refused.noted("sleeps").lines().count(), 2);
    let silent = SYSTEMCTL.replace("then echo loaded", "then :");
    let silent = host(&silent, ">drover-r-1-2.service; exit 1");
    assert_eq!(begin_on(&silent).0, Some(74));
    let complaint = || Box::from("its words");
    for (status, outcome) in [
        (0, Outcome::UnderWay),
        (75, Outcome::NotBegun { is_as_before: true }),
        (1, Outcome::Refused("its words".into())),
        (74, Outcome::Open),
        (137, Outcome::Open),
    ] {
        assert_eq!(told(&Ending::Exited(status), complaint), outcome, "{status}");
    }
    assert_eq!(told(&Ending::Unknown, complaint), Outcome::Open);
}

#[test]
fn a_service_that_is_in_another_run_by_now_is_left_alone() {
    let systemctl = SYSTEMCTL.replace("cat invocation", &format!("echo {AFTER}"));
    let restarted = host(&systemctl, "echo asked >asked");
    assert_eq!(begin_on(&restarted), (Some(0), String::new()));
    assert_eq!(restarted.noted("asked"), "");
    let down = systemctl.replace("echo active", "echo failed");
    let down = host(&down, "echo asked >asked");
    assert_eq!(begin_on(&down).0, Some(0));
    assert_eq!(down.noted("asked"), "asked\n", "what is down is started");
}

#[test]
fn what_a_run_has_left_is_taken_away_by_its_name_but_for_what_is_at_work() {
    let systemctl = r#"
for unit; do :; done
case $1,$unit in
show,drover-r-1-1.service) printf 'Job=\nLoadState=loaded\nActiveState=active\n' ;;
show,drover-r-1-1-start.service) printf 'LoadState=loaded\nActiveState=failed\nJob=0\n' ;;
show,drover-r-1-2.service) printf '%b' 'SECOND' ;;
show,*) printf 'LoadState=not-found\nActiveState=inactive\n' ;;
*) echo "$@" >>done ;;
esac"#;
    let expected = "stop -- drover-r-1-1.service\nreset-failed -- drover-r-1-1-start.service\n";
    for (second, left) in [
        (r"LoadState=not-found\nActiveState=inactive\n", "left=0\n"),
        (r"LoadState=loaded\nActiveState=activating\nJob=7\n", "left=1\n"),
        (r"LoadState=loaded\nActiveState=active\nJob=7\n", "left=1\n"),
        ("", "left=1\n"),
    ] {
        let script = systemctl.replace("SECOND", second);
        let programs = Programs::new(&[("systemctl", &script)]);
        let output = programs.run(&Spent::new("r-1", 2).unwrap().command());
        assert_eq!(String::from_utf8_lossy(&output.stdout), left, "{output:?}");
        assert_eq!(programs.noted("done"), expected);
    }
}

#[test]
fn a_run_that_swaps_leaves_neither_its_jobs_nor_their_files() {
    let systemctl = r#"
case $* in
show*swap-1*) printf 'LoadState=loaded\nActiveState=failed\n' ;;
show*swap-2*) printf 'LoadState=loaded\nActiveState=activating\n' ;;
show*stage*) printf 'LoadState=loaded\nActiveState=active\n' ;;
show*) printf 'LoadState=not-found\nActiveState=inactive\n' ;;
*) echo "$@" >>done ;;
esac"#;
    let removing = r#"for it; do case $it in -*) ;; *) echo "$it" >>removed ;; esac; done"#;
    let programs = Programs::new(&[("systemctl", systemctl), ("rm", removing)]);
    let spent = Spent::new("r-1", 2).unwrap().with_jobs("r-1", 2);
    let output = programs.run(&spent.command());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "left=1\n", "{output:?}");
    let expected = "reset-failed -- drover-r-1-swap-1.service\nstop -- drover-r-1-stage.service\n";
    assert_eq!(programs.noted("done"), expected);
    let removed = programs.noted("removed");
    for job in ["swap-1", "stage"] {
        for suffix in ["script", "settings", "log"] {
            let file = format!("/run/drover/drover-r-1-{job}.{suffix}\n");
            assert!(removed.contains(&file), "{file} {removed}");
        }
    }
    assert!(!removed.contains("swap-2"), "it is at work: {removed}");
}

#[test]
fn only_the_last_attempts_of_a_run_with_a_proper_name_are_looked_after() {
    assert_eq!(Spent::new("r-1", 0), None);
    assert_eq!(Spent::new("a b", 1), None);
    let line = Spent::new("r-1", 20).unwrap().command().line().unwrap();
    assert_eq!(line.split(' ').filter(|it| it.starts_with("drover-r-1-")).count(), 32);
    assert!(line.contains(" drover-r-1-5.service ") && !line.contains("drover-r-1-4.service"));
}

#[test]
fn what_may_be_a_secret_in_the_words_of_a_service_is_blotted_out() {
    let words = [
        ("fetching https://joe:s3cr@t@example.org/x failed", "joe"),
        ("sent Authorization: Basic czNjcjN0", "czNjcjN0"),
        ("sent \"authorization\":\"Bearer s3cr3t\" twice", "s3cr3t"),
        ("with bearer s3cr3t.abc it said no", "s3cr3t"),
        ("started with --keystore.pass=s3cr3t -x", "s3cr3t"),
        ("started with --auth s3cr3t", "s3cr3t"),
        ("proxy_pwd: s3cr3t", "s3cr3t"),
        ("-Dsigning.key=s3cr3t", "s3cr3t"),
    ];
    let lines: Vec<&str> = words.iter().map(|it| it.0).collect();
    let said = format!(
        "cat <<'END'\n{}\nthe heap of 0m is too small\npassword s3cr3t\nEND",
        lines.join("\n")
    );
    let programs = Programs::new(&[("journalctl", &said), ("systemctl", "echo 1")]);
    let output = programs.run(&work(Deed::Restart).words());
    let told = String::from_utf8_lossy(&output.stdout);
    for secret in ["s3cr", "czNjcjN0", "joe"] {
        assert!(!told.contains(secret), "{secret}: {told}");
    }
    assert_eq!(told.lines().count(), words.len() + 1, "{told}");
    for rest in
        ["example.org/x failed", "it said no", "the heap of 0m is too small", "started with"]
    {
        assert!(told.contains(rest), "{rest}: {told}");
    }
}

#[test]
fn a_swap_is_begun_with_the_same_doubts_as_a_restart() {
    let begin = |programs: &Programs| {
        let output = programs.run(&swap_command("9999999999"));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_owned())
    };
    let taken = host(SYSTEMCTL, "echo \"$@\" >asked; >drover-r-1-swap-2.service; kill -9 $$");
    assert_eq!(begin(&taken).0, Some(0), "systemd took it, and nobody heard of that");
    let asked = taken.noted("asked");
    let end = "-p TimeoutStartSec=3600 /bin/sh /run/drover/drover-r-1-swap-2.script \
               /run/drover/drover-r-1-swap-2.settings\n";
    assert!(asked.contains("--unit=drover-r-1-swap-2.service") && asked.ends_with(end), "{asked}");
    let silent = SYSTEMCTL.replace("then echo loaded", "then :");
    let silent = host(&silent, ">drover-r-1-swap-2.service; exit 1");
    assert_eq!(begin(&silent).0, Some(74));
    let refused = host(SYSTEMCTL, "echo 'Access denied' >&2; exit 1");
    assert_eq!(begin(&refused), (Some(1), "Access denied".into()));
    // What has failed is there until it is forgotten: it is not begun once more under its name.
    let asking = "echo asked >>asked; >drover-r-1-swap-2.service";
    let twice = host(SYSTEMCTL, asking);
    assert_eq!((begin(&twice).0, begin(&twice).0), (Some(0), Some(0)));
    assert_eq!(twice.noted("asked"), "asked\n");
    let other = SYSTEMCTL.replace("cat invocation", &format!("echo {AFTER}"));
    let other = host(&other, asking);
    assert_eq!((begin(&other).0, &*other.noted("asked")), (Some(0), ""), "it is another run");
}
