use super::{diff::Item, *};
use crate::ssh::{
    command::tests::run,
    steps::{File, HEADER, Step},
    upload::{Upload, sum_of},
};

mod foreign;

const SECRET: &str = "s3cret-key";

fn settings() -> Settings {
    Settings {
        endpoints: ["https://a.example:2379", "https://b.example:2379"].map(Into::into).into(),
        prefix: "/net".into(),
        ca: Some(b"an authority\n".to_vec()),
        certificate: Some((b"a certificate".to_vec(), SECRET.as_bytes().to_vec().into())),
        address: Some([192, 168, 0, 9].into()),
    }
}

fn fedora() -> Flanneld {
    Flanneld::runs(Family::Fedora, &settings())
}

/// A host that never heard of flannel.
fn bare() -> Report {
    Report::read("unit.LoadState=not-found\nunit.ActiveState=inactive\nunit.UnitFileState=\n")
}

/// One with the package, and nothing done about it.
fn installed() -> Report {
    Report::read(
        "unit.LoadState=loaded\nunit.ActiveState=inactive\nunit.UnitFileState=disabled\n\
         unit.NeedDaemonReload=no\n",
    )
}

fn text(upload: &Upload) -> String {
    String::from_utf8(upload.content.expose_secret().to_vec()).unwrap()
}

/// What a step does, in one line; of a file, its place and its mode.
fn word(step: &Step) -> String {
    match step {
        Step::Run(command) => command.line().unwrap().replace(HEADER, "HEADER"),
        Step::Write(upload) => format!("{} {:o}", upload.path, upload.mode),
    }
}

fn words(steps: &[Step]) -> Vec<String> {
    steps.iter().map(word).collect()
}

/// A host on which steps are carried out as they say.
fn carry_out(report: &Report, steps: &[Step]) -> Report {
    let mut after = report.clone();
    let set = |report: &mut Report, name: &str, value: &str| {
        report.unit.insert(name.into(), value.into());
    };
    for step in steps {
        if let Step::Write(upload) = step {
            let content = text(upload);
            let file = File {
                state: format!("regular file|{:o}|root|root", upload.mode).into(),
                first: content.lines().next().unwrap().into(),
                sum: sum_of(content.as_bytes()).into(),
            };
            if upload.path.as_str() == files::ENVIRONMENT {
                let memory = content.lines().find(|it| it.starts_with("# before: "));
                after.memory = memory.unwrap_or_default().into();
                let variables = content.lines().filter(|it| !it.starts_with('#'));
                let pairs = variables.filter_map(|it| it.split_once('='));
                // What the next start will have.
                after.unit.extend(
                    pairs.map(|(name, value)| {
                        (format!("next.{name}").into_boxed_str(), value.into())
                    }),
                );
            }
            if upload.path.as_str() == files::UNIT_FILE {
                set(&mut after, "LoadState", "loaded");
                set(&mut after, "UnitFileState", "disabled");
            }
            after.files.insert(upload.path.as_str().into(), file);
            set(&mut after, "NeedDaemonReload", "yes");
            continue;
        }
        let line = word(step);
        if line.contains("drover-install-flannel.service") {
            after.has_program = true;
            if !line.contains("zypper") {
                set(&mut after, "LoadState", "loaded");
                set(&mut after, "UnitFileState", "disabled");
            }
        } else if line == "systemctl daemon-reload" {
            set(&mut after, "NeedDaemonReload", "no");
        } else if let Some(path) = line.strip_suffix(" HEADER directory") {
            after.files.remove(path.strip_prefix("sh -s -- ").unwrap());
        } else if line.contains("HEADER") {
            after.files.remove(line.split(' ').nth(3).unwrap());
        } else if line.contains("restart") || line.contains("start") {
            set(&mut after, "ActiveState", "active");
            if line.contains("enable") {
                set(&mut after, "UnitFileState", "enabled");
            }
            let next = after.unit.iter().filter_map(|(name, value)| {
                Some((name.strip_prefix("next.")?.into(), value.clone()))
            });
            after.running = next.collect();
        } else if line.contains("flanneld.service") {
            set(&mut after, "ActiveState", "inactive");
            after.running.clear();
            if line.contains("disable") {
                set(&mut after, "UnitFileState", "disabled");
            }
        }
    }
    after
}

fn drift(flanneld: &Flanneld, report: &Report) -> Vec<String> {
    let word = |it: Drift| format!("{}: {} -> {}", it.path, it.live, it.desired);
    flanneld.drift(report).into_iter().map(word).collect()
}

fn settled(flanneld: &Flanneld) -> Report {
    let report = carry_out(&bare(), &flanneld.steps(&bare()));
    assert_eq!(drift(flanneld, &report), [""; 0]);
    assert_eq!(flanneld.standing(&report), Standing::Ours);
    report
}

fn only_step(flanneld: &Flanneld, report: &Report) -> String {
    let words = words(&flanneld.steps(report));
    words.last().unwrap().rsplit_once("-- ").unwrap().1.to_owned()
}

#[test]
fn on_a_bare_host_it_is_installed_told_and_started_and_then_nothing_is_left_to_do() {
    let flanneld = fedora();
    assert_eq!(
        drift(&flanneld, &bare()),
        [
            "flanneld.package: missing -> flannel",
            "flanneld.files: environment missing, ca.pem missing, client.pem missing, \
             client-key.pem missing, zz-drover.conf missing -> as Drover writes them",
            "flanneld.service: missing -> enabled, and running with Drover's settings",
        ]
    );
    let steps = flanneld.steps(&bare());
    assert_eq!(
        words(&steps),
        [
            "sh -s -- /etc/drover-flanneld",
            "sh -s -- /etc/systemd/system/flanneld.service.d",
            "/etc/drover-flanneld/environment 600",
            "/etc/drover-flanneld/ca.pem 600",
            "/etc/drover-flanneld/client.pem 600",
            "/etc/drover-flanneld/client-key.pem 600",
            "/etc/systemd/system/flanneld.service.d/zz-drover.conf 644",
            "sh -s -- drover-install-flannel.service '' env 'LC_ALL=C' dnf -y install flannel",
            "systemctl daemon-reload",
            "sh -s -- flanneld.service restart enable",
        ]
    );
    let after = carry_out(&bare(), &steps);
    assert!(flanneld.steps(&after).is_empty(), "a second time changes nothing");
    assert_eq!(flanneld.standing(&after), Standing::Ours);
}

#[test]
fn it_is_told_by_its_own_variables_and_by_those_that_packages_make_flags_of() {
    let flanneld = fedora();
    let steps = flanneld.steps(&bare());
    let environment = steps.iter().find_map(|it| match it {
        Step::Write(upload) if upload.path.as_str() == files::ENVIRONMENT => Some(text(upload)),
        _ => None,
    });
    let endpoints = "https://a.example:2379,https://b.example:2379";
    let revision = flanneld.revision().unwrap();
    assert_eq!(
        environment.unwrap(),
        format!(
            "{HEADER}\nFLANNELD_ETCD_ENDPOINTS={endpoints}\nFLANNEL_ETCD_ENDPOINTS={endpoints}\n\
             FLANNELD_ETCD_PREFIX=/net\nFLANNEL_ETCD_PREFIX=/net\nFLANNEL_ETCD_KEY=/net\n\
             FLANNELD_PUBLIC_IP=192.168.0.9\n\
             FLANNELD_ETCD_CAFILE=/etc/drover-flanneld/ca.pem\n\
             FLANNELD_ETCD_CERTFILE=/etc/drover-flanneld/client.pem\n\
             FLANNELD_ETCD_KEYFILE=/etc/drover-flanneld/client-key.pem\n\
             DROVER_REVISION={revision}\n"
        )
    );
}

#[test]
fn no_secret_is_in_an_argument_a_difference_or_a_debug_text() {
    let flanneld = fedora();
    let steps = flanneld.steps(&bare());
    let shown = format!("{flanneld:?} {steps:?} {:?}", drift(&flanneld, &bare()));
    assert!(!shown.contains(SECRET) && !shown.contains("115, 51, 99, 114"), "{shown}");
    let keys = steps.iter().filter(|it| match it {
        Step::Write(upload) => text(upload).contains(SECRET) && upload.mode == 0o600,
        Step::Run(command) => command.line().unwrap().contains(SECRET),
    });
    assert_eq!(keys.count(), 1, "the key's own file and nothing else");
}

#[test]
fn where_the_package_brings_no_unit_drover_does() {
    let flanneld = Flanneld::runs(Family::Suse, &settings());
    let steps = flanneld.steps(&bare());
    let all = words(&steps);
    let install = "sh -s -- drover-install-flannel.service '102 103' env 'LC_ALL=C' zypper \
                   --non-interactive install --no-recommends flannel";
    assert!(all.iter().any(|it| it == install), "{all:?}");
    assert!(all.contains(&"/etc/systemd/system/flanneld.service 644".to_owned()), "{all:?}");
    let after = carry_out(&bare(), &steps);
    assert_eq!(drift(&flanneld, &after), [""; 0]);
    let back = carry_out(&after, &Flanneld::gone().steps(&after));
    assert!(back.files.is_empty(), "{:?}", back.files);
}

#[test]
fn only_what_differs_is_changed_and_it_is_restarted_only_for_that() {
    let flanneld = fedora();
    let ready = settled(&flanneld);
    let mut stopped = ready.clone();
    stopped.unit.insert("ActiveState".into(), "failed".into());
    stopped.running.clear();
    assert_eq!(drift(&flanneld, &stopped).len(), 1);
    assert_eq!(
        words(&flanneld.steps(&stopped)),
        ["systemctl daemon-reload", "sh -s -- flanneld.service restart ''"]
    );
    let mut disabled = ready.clone();
    disabled.unit.insert("UnitFileState".into(), "disabled".into());
    assert_eq!(only_step(&flanneld, &disabled), "flanneld.service start enable");
    // It waits for etcd, and is not disturbed.
    let mut waiting = ready.clone();
    waiting.unit.insert("ActiveState".into(), "activating".into());
    assert_eq!(only_step(&flanneld, &waiting), "flanneld.service start ''");
    let mut other = ready.clone();
    other.running.insert("FLANNELD_ETCD_ENDPOINTS".into(), "http://elsewhere:2379".into());
    assert!(drift(&flanneld, &other)[0].contains("running with other settings"));
    assert_eq!(only_step(&flanneld, &other), "flanneld.service restart ''");
    let mut edited = ready.clone();
    edited.files.get_mut(files::CA).unwrap().sum = "another".into();
    assert_eq!(
        drift(&flanneld, &edited),
        ["flanneld.files: ca.pem with another text -> as Drover writes them"]
    );
    let words = words(&flanneld.steps(&edited));
    assert_eq!(words[1], "/etc/drover-flanneld/ca.pem 600");
    assert_eq!(words.last().unwrap(), "sh -s -- flanneld.service restart ''");
    let mut open = ready.clone();
    open.files.get_mut(files::KEY).unwrap().state = "regular file|644|root|root".into();
    assert!(drift(&flanneld, &open)[0].contains("client-key.pem with another owner or mode"));
    for report in [stopped, disabled, waiting, other, edited, open] {
        let after = carry_out(&report, &flanneld.steps(&report));
        assert_eq!(drift(&flanneld, &after), [""; 0]);
    }
}

#[test]
fn another_certificate_is_another_revision_and_restarts_it_once() {
    let flanneld = fedora();
    let ready = settled(&flanneld);
    let certificate = Some((b"another".to_vec(), b"another key".to_vec().into()));
    let rotated = Flanneld::runs(Family::Fedora, &Settings { certificate, ..settings() });
    assert_ne!(rotated.revision(), flanneld.revision());
    assert_ne!(rotated, flanneld);
    assert_eq!(fedora(), flanneld);
    let steps = rotated.steps(&ready);
    assert_eq!(
        words(&steps),
        [
            "sh -s -- /etc/drover-flanneld",
            "/etc/drover-flanneld/environment 600",
            "/etc/drover-flanneld/client.pem 600",
            "/etc/drover-flanneld/client-key.pem 600",
            "systemctl daemon-reload",
            "sh -s -- flanneld.service restart ''",
        ]
    );
    let after = carry_out(&ready, &steps);
    assert!(rotated.steps(&after).is_empty());
    // Without one, the files of before go.
    let bare = Flanneld::runs(Family::Fedora, &Settings { certificate: None, ..settings() });
    let found = drift(&bare, &after);
    assert!(found[0].contains("client.pem left over, client-key.pem left over"), "{found:?}");
    let after = carry_out(&after, &bare.steps(&after));
    assert_eq!(drift(&bare, &after), [""; 0]);
    assert!(!after.files.contains_key(files::KEY));
}

#[test]
fn whatever_step_was_the_last_the_next_look_completes_it_or_takes_it_back() {
    for family in [Family::Fedora, Family::Suse] {
        let flanneld = Flanneld::runs(family, &settings());
        let steps = flanneld.steps(&bare());
        let ready = carry_out(&bare(), &steps);
        for done in 0..=steps.len() {
            let cut = carry_out(&bare(), &steps[..done]);
            let after = carry_out(&cut, &flanneld.steps(&cut));
            assert_eq!(drift(&flanneld, &after), [""; 0], "{family}, after {done}");
            let back = carry_out(&cut, &Flanneld::gone().steps(&cut));
            assert_eq!(Flanneld::gone().standing(&back), Standing::Gone, "{family}, after {done}");
        }
        let steps = Flanneld::gone().steps(&ready);
        for done in 0..=steps.len() {
            let cut = carry_out(&ready, &steps[..done]);
            let after = carry_out(&cut, &Flanneld::gone().steps(&cut));
            assert_eq!(Flanneld::gone().standing(&after), Standing::Gone, "{family}, after {done}");
            assert!(after.files.is_empty() && after.rests());
        }
    }
}

#[test]
fn what_drover_did_is_taken_back_the_package_and_what_was_enabled_before_stay() {
    let flanneld = fedora();
    let ready = settled(&flanneld);
    let gone = Flanneld::gone();
    assert_eq!(gone.standing(&ready), Standing::Lacking);
    assert_eq!(
        words(&gone.steps(&ready)),
        [
            "sh -s -- flanneld.service disable",
            "sh -s -- /etc/drover-flanneld/ca.pem 'HEADER' ''",
            "sh -s -- /etc/drover-flanneld/client.pem 'HEADER' ''",
            "sh -s -- /etc/drover-flanneld/client-key.pem 'HEADER' ''",
            "sh -s -- /etc/systemd/system/flanneld.service.d/zz-drover.conf 'HEADER' directory",
            "systemctl daemon-reload",
            "sh -s -- /etc/drover-flanneld/environment 'HEADER' directory",
        ]
    );
    assert!(gone.steps(&bare()).is_empty() && gone.steps(&installed()).is_empty());

    let mut enabled = installed();
    enabled.unit.insert("UnitFileState".into(), "static".into());
    let ready = carry_out(&enabled, &flanneld.steps(&enabled));
    assert_eq!(drift(&flanneld, &ready), [""; 0], "what it remembers is no difference");
    assert_eq!(words(&gone.steps(&ready))[0], "sh -s -- flanneld.service ''");
}

#[test]
fn what_is_left_alone_or_has_no_package_is_told_and_not_changed() {
    let alone = fedora().left_alone();
    assert_eq!(drift(&alone, &bare()).len(), 3);
    assert!(alone.steps(&bare()).is_empty());
    assert!(alone.is_same(&fedora()) && alone != fedora());
    let debian = Flanneld::runs(Family::Debian, &settings());
    assert!(!debian.is_provided() && debian.revision().is_none());
    assert_eq!(debian.standing(&bare()), Standing::Lacking);
    assert_eq!(drift(&debian, &bare()), [""; 0]);
}

#[test]
fn the_script_that_looks_tells_nothing_of_what_is_not_there() {
    let output = run(&Flanneld::runs(Family::Suse, &settings()).look());
    assert!(output.status.success());
    let report = Report::read(std::str::from_utf8(&output.stdout).unwrap());
    assert!(report.files.is_empty() && report.running.is_empty() && !report.has_program);
}
