use secrecy::ExposeSecret as _;

use super::super::{
    files::waiting_place,
    job::{Job, Progress},
    report::Running,
    *,
};
use crate::ssh::{steps::File as Seen, upload::sum_of};

const SECRET: &str = "s3cret-key";

fn deployment(revision: &str) -> Deployment {
    let readable = |path, text: &str| File::readable(path, text.as_bytes().to_vec());
    Deployment {
        version: "8.19.0".into(),
        data: RemotePath::new("/var/lib/drover-elasticsearch").unwrap(),
        at_start: vec![
            readable(layout::SETTINGS, revision),
            readable(layout::JAVA_OPTIONS, revision),
            File::of_systemd(layout::UNIT_FILE, revision.as_bytes().to_vec()),
        ],
        live: vec![readable(layout::SEEDS, "seeds"), File::pem(layout::KEY, SECRET.as_bytes())],
        revision: revision.into(),
    }
}

fn word(step: &Step) -> String {
    match step {
        Step::Run(command) => {
            let line = command.line().unwrap();
            line.split_once("-- /opt").map_or_else(|| line.clone(), |_| "make folders".into())
        }
        Step::Write(upload) => format!("{} {:o} {}", upload.path, upload.mode, upload.owner),
    }
}

fn words(steps: &[Step]) -> Vec<String> {
    steps.iter().map(word).collect()
}

fn see(report: &mut Report, step: &Step) {
    let Step::Write(upload) = step else { return };
    let content = upload.content.expose_secret();
    let owner = upload.owner.replace(':', "|");
    let file = Seen {
        state: format!("regular file|{:o}|{owner}", upload.mode).into(),
        first: std::str::from_utf8(content).unwrap().lines().next().unwrap().into(),
        sum: sum_of(content).into(),
    };
    if upload.path.as_str() == waiting_place(layout::REVISION_FILE) {
        let text = std::str::from_utf8(content).unwrap();
        report.next = text.lines().nth(1).map(Into::into);
    }
    report.files.insert(upload.path.as_str().into(), file);
}

/// A host on which the swap was done.
fn swapped(deployment: &Deployment, report: &Report) -> Report {
    let mut after = report.clone();
    for file in &deployment.at_start {
        let waiting = after.files.remove(&*waiting_place(file.path)).unwrap();
        after.files.insert(file.path.into(), waiting);
    }
    after.revision = after.next.take();
    after.current = Some(deployment.version.clone());
    let (version, revision) = (deployment.version.clone(), deployment.revision.clone());
    after.running = Some(Running { version, revision });
    for (name, value) in [("ActiveState", "active"), ("UnitFileState", "enabled")] {
        after.unit.insert(name.into(), value.into());
    }
    after
}

fn settled() -> (Deployment, Report) {
    let deployment = deployment("one");
    let mut report = Report::default();
    for step in deployment.waiting(&report.clone()) {
        see(&mut report, &step);
    }
    for step in deployment.steps(&report.clone()) {
        see(&mut report, &step);
    }
    report.trees.insert("8.19.0".into(), report::Tree::default());
    assert!(deployment.is_staged(&report) && !deployment.is_running(&report));
    let report = swapped(&deployment, &report);
    assert_eq!(deployment.drift(&report), []);
    assert!(deployment.is_staged(&report) && deployment.is_running(&report));
    assert!(deployment.steps(&report).is_empty());
    (deployment, report)
}

#[test]
fn on_a_bare_host_what_needs_no_start_is_written_and_the_rest_waits() {
    let (deployment, bare) = (deployment("one"), Report::default());
    let paths: Vec<Box<str>> = deployment.drift(&bare).into_iter().map(|it| it.path).collect();
    assert_eq!(paths, [layout::SEEDS, layout::KEY].map(Into::into));
    assert_eq!(
        words(&deployment.steps(&bare)),
        [
            "make folders",
            "/etc/drover-elasticsearch/unicast_hosts.txt 640 root:elasticsearch",
            "/etc/drover-elasticsearch/node.key 640 root:elasticsearch",
        ]
    );
    assert_eq!(
        words(&deployment.waiting(&bare)),
        [
            "make folders",
            "/etc/drover-elasticsearch/next/elasticsearch.yml 640 root:elasticsearch",
            "/etc/drover-elasticsearch/next/drover.options 640 root:elasticsearch",
            "/etc/drover-elasticsearch/next/drover-elasticsearch.service 644 root:root",
            "/etc/drover-elasticsearch/next/revision 640 root:elasticsearch",
        ]
    );
}

#[test]
fn settings_of_the_next_start_never_get_under_a_running_node() {
    let (_, report) = settled();
    let next = deployment("two");
    assert_eq!(next.drift(&report), [], "a restart is no drift");
    assert!(!next.is_running(&report) && !next.is_staged(&report));
    let steps = next.waiting(&report);
    assert!(words(&steps).iter().skip(1).all(|it| it.contains("/next/")), "{steps:?}");
    let mut after = report.clone();
    for step in &steps {
        see(&mut after, step);
    }
    assert!(next.is_staged(&after) && !next.is_running(&after));
    assert_eq!(words(&next.waiting(&after)), ["make folders"], "once is enough");
    assert!(next.is_running(&swapped(&next, &after)));
    // Whatever write was the last, it is not taken for all of them.
    for done in 0..steps.len() {
        let mut cut = report.clone();
        steps[..done].iter().for_each(|it| see(&mut cut, it));
        assert!(!next.is_staged(&cut), "after {done}");
    }
}

#[test]
fn what_somebody_changed_is_put_back_in_place() {
    let (deployment, report) = settled();
    let mut edited = report.clone();
    edited.files.get_mut(layout::SETTINGS).unwrap().sum = "another".into();
    edited.files.get_mut(layout::KEY).unwrap().state = "regular file|644|root|root".into();
    edited.files.remove(layout::SEEDS);
    edited.unit.insert("UnitFileState".into(), "disabled".into());
    let drift = deployment.drift(&edited);
    let told: Vec<_> = drift.iter().map(|it| format!("{}: {}", it.path, it.live)).collect();
    assert_eq!(
        told,
        [
            "/etc/drover-elasticsearch/unicast_hosts.txt: missing",
            "/etc/drover-elasticsearch/node.key: with another owner or mode",
            "/etc/drover-elasticsearch/elasticsearch.yml: made by somebody else",
            "drover-elasticsearch.service: disabled",
        ]
    );
    let words = words(&deployment.steps(&edited));
    assert_eq!(words.last().unwrap(), "systemctl --quiet enable -- drover-elasticsearch.service");
    assert!(words.iter().all(|it| !it.contains("restart") && !it.contains("stop")), "{words:?}");
    let mut unit = report.clone();
    unit.files.get_mut(layout::UNIT_FILE).unwrap().sum = "another".into();
    let words = self::words(&deployment.steps(&unit));
    assert_eq!(words.last().unwrap(), "systemctl daemon-reload");
}

#[test]
fn another_version_or_settings_that_run_are_not_as_they_shall_be() {
    let (deployment, report) = settled();
    let mut other = report.clone();
    other.running.as_mut().unwrap().version = "8.18.0".into();
    assert!(!deployment.is_running(&other));
    let mut stopped = report.clone();
    stopped.unit.insert("ActiveState".into(), "failed".into());
    assert!(!deployment.is_running(&stopped));
    let mut gone = report;
    gone.trees.clear();
    assert!(!deployment.is_staged(&gone));
}

#[test]
fn no_secret_is_in_an_argument_a_difference_or_a_debug_text() {
    let deployment = deployment("one");
    let bare = Report::default();
    let steps = deployment.steps(&bare);
    let shown =
        format!("{deployment:?} {steps:?} {:?} {:?}", words(&steps), deployment.drift(&bare));
    assert!(!shown.contains(SECRET) && !shown.contains("115, 51, 99, 114"), "{shown}");
}

#[test]
fn a_password_leaves_no_trace_in_the_digest_and_is_written_all_the_same() {
    let (mut deployment, report) = settled();
    let digest = deployment.digest();
    let users = |hash: &str| File::readable(layout::USERS, hash.as_bytes().to_vec());
    for hash in ["one", "two"] {
        deployment.live.retain(|it| it.path != layout::USERS);
        deployment.live.push(users(hash));
        assert_eq!(deployment.digest(), digest);
    }
    let mut before = report;
    before.put(layout::USERS, &users("one"));
    assert_eq!(&*deployment.drift(&before)[0].path, layout::USERS);
    deployment.live.push(File::readable(layout::USERS_ROLES, b"roles".to_vec()));
    assert_ne!(deployment.digest(), digest);
}

#[test]
fn a_job_has_a_name_that_is_its_lock_and_its_settings_go_in_a_file() {
    let source = Source {
        url: "https://m.example/$(touch canary)%h\n/es.tar.gz".into(),
        sha512: "ab".repeat(64).into(),
        java_home: None,
        family: Some(Family::Rhel),
    };
    let job = Job::stage("run-1");
    let steps = job.begin_stage("8.19.0", &source).steps();
    let words = words(&steps);
    assert_eq!(
        words[1..],
        [
            "/run/drover/drover-run-1-stage.script 600 root:root",
            "/run/drover/drover-run-1-stage.settings 600 root:root",
            "sh -s -- drover-run-1-stage.service '' '' '' -p 'UMask=0022' -p 'TimeoutStartSec=14400' \
             /bin/sh /run/drover/drover-run-1-stage.script /run/drover/drover-run-1-stage.settings",
        ]
    );
    let Step::Write(script) = &steps[1] else { panic!("{words:?}") };
    let begin = b"exec >\"${1%.settings}.log\" 2>&1\n";
    assert!(
        script.content.expose_secret().starts_with(begin),
        "whoever is second leaves its words"
    );
    let Step::Write(settings) = &steps[2] else { panic!("{words:?}") };
    let text = std::str::from_utf8(settings.content.expose_secret()).unwrap();
    assert_eq!(text.lines().count(), 9, "{text}");
    assert!(text.ends_with("install one of them, such as by `yum -y install curl`\n"), "{text}");
    assert_eq!(Job::swap("a/../b;c", 2).unit(), "drover-abc-swap-2.service");
}

#[test]
fn how_far_a_job_is_comes_from_its_unit_and_why_it_failed_from_its_last_words() {
    let read = Progress::read;
    assert_eq!(
        read("LoadState=not-found\nActiveState=inactive\nResult=success\n"),
        Progress::Unknown
    );
    assert_eq!(read(""), Progress::Unknown);
    assert_eq!(read("ActiveState=activating\nResult=success\n"), Progress::Working);
    assert_eq!(read("ActiveState=active\nResult=success\nsaid=staged\n"), Progress::Done);
    let failed = "ActiveState=failed\nResult=exit-code\nsaid=first\nsaid=the disk is full\n";
    assert_eq!(read(failed), Progress::Failed("the disk is full".into()));
    let late = "ActiveState=failed\nResult=timeout\nsaid=x\n";
    assert_eq!(read(late), Progress::Failed("it took too long".into()));
    let silent = "ActiveState=failed\nResult=signal\n";
    assert_eq!(read(silent), Progress::Failed("it ended without a word".into()));
}
