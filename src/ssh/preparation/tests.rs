use super::{
    report::{Directory, File},
    *,
};
use crate::ssh::{
    command::tests::run,
    steps::{HEADER, Step},
};

mod back;

fn preparation() -> Preparation {
    let data = RemotePath::new("/srv/data").unwrap();
    Preparation::new([], Some(data), Some("elasticsearch.service")).unwrap()
}

/// A host that lacks everything.
fn bare() -> Report {
    Report::read(
        "sysctl.vm.max_map_count=65530\nsysctl.vm.swappiness=60\nswaps=0\n\
         unit.LoadState=loaded\nunit.LimitNOFILE=1024\nunit.LimitNPROC=63432\n\
         unit.LimitMEMLOCK=8388608\nunit.LimitFSIZE=infinity\n\
         unit.LimitAS=18446744073709551615\n",
    )
}

fn file(text: &str) -> File {
    let lines = text.lines().map(Into::into).collect();
    File { state: files::STATE.into(), lines }
}

/// What steps do, one word or a file each.
fn words(steps: Vec<Step>) -> Vec<String> {
    let word = |step| match step {
        Step::Run(command) => command.line().unwrap(),
        Step::Write(upload) => {
            let text = secrecy::ExposeSecret::expose_secret(&upload.content).to_vec();
            format!("{}: {}", upload.path, String::from_utf8(text).unwrap())
        }
    };
    steps.into_iter().map(word).collect()
}

/// A host on which steps are carried out as they say.
fn carry_out(report: &Report, steps: Vec<Step>) -> Report {
    let mut after = report.clone();
    for word in words(steps) {
        if let Some(text) = word.strip_prefix("/etc/sysctl.d/zz-drover.conf: ") {
            after.sysctl_file = Some(file(text));
        } else if let Some(text) =
            word.strip_prefix("/etc/systemd/system/elasticsearch.service.d/zz-drover.conf: ")
        {
            after.limits_file = Some(file(text));
        } else if word.contains("daemon-reload") {
            let lines = after.limits_file.iter().flat_map(|it| it.lines.clone());
            for (name, value) in lines
                .filter_map(|it| Some(it.split_once('=')?).map(|it| (it.0.into(), it.1.into())))
            {
                after.unit.insert(name, value);
            }
        } else if word.starts_with("sh -s -- /etc/sysctl.d/") {
            after.sysctl_file = None;
        } else if word == "sh -s -- elasticsearch" {
            (after.user, after.group) = (true, true);
        } else if word == "sh -s -- /srv/data elasticsearch 750" {
            let owner: Box<str> = ACCOUNT_NAME.into();
            let (user, group) = (owner.clone(), owner);
            after.data = Some(Directory { kind: "directory".into(), mode: 0o750, user, group });
        } else if let Some(rest) = word
            .strip_prefix("sh -s -- ")
            .filter(|it| it.starts_with("vm.") || it.starts_with("net."))
        {
            let rest = rest.replace('\'', "");
            let mut rest = rest.split(' ');
            while let (Some(name), Some(value)) = (rest.next(), rest.next()) {
                after.sysctls.insert(name.into(), value.into());
            }
        }
    }
    after
}

fn steps(preparation: &Preparation, report: &Report) -> Vec<Step> {
    preparation.steps(report, &preparation.findings(report)).concat()
}

fn drift(preparation: &Preparation, report: &Report) -> Vec<String> {
    let drift = preparation.drift(report).into_iter();
    drift.map(|it| format!("{}: {} -> {}", it.path, it.live, it.desired)).collect()
}

#[test]
fn a_bare_host_lacks_all_and_after_the_steps_nothing() {
    let preparation = preparation();
    assert_eq!(
        drift(&preparation, &bare()),
        [
            "/etc/sysctl.d/zz-drover.conf: missing -> as Drover writes it",
            "sysctls.vm.max_map_count: 65530 -> 1048576",
            "/etc/systemd/system/elasticsearch.service.d/zz-drover.conf: missing -> as Drover writes it",
            "elasticsearch.service.LimitNOFILE: 1024 -> 65535",
            "elasticsearch.service.LimitMEMLOCK: 8388608 -> infinity",
            "user: missing -> elasticsearch",
            "/srv/data: missing -> directory, 750 elasticsearch:elasticsearch",
        ]
    );
    let steps = steps(&preparation, &bare());
    assert_eq!(
        words(steps.clone()),
        [
            &format!(
                "/etc/sysctl.d/zz-drover.conf: {HEADER}\n# before: vm.max_map_count = 65530\n\
                 vm.max_map_count = 1048576\n"
            ),
            "sh -s -- vm.max_map_count 1048576",
            "sh -s -- /etc/systemd/system/elasticsearch.service.d",
            &format!(
                "/etc/systemd/system/elasticsearch.service.d/zz-drover.conf: {HEADER}\n[Service]\n\
                 LimitNOFILE=65535\nLimitNPROC=4096\nLimitMEMLOCK=infinity\nLimitFSIZE=infinity\n\
                 LimitAS=infinity\n"
            ),
            "systemctl daemon-reload",
            "sh -s -- elasticsearch",
            "sh -s -- /srv/data elasticsearch 750",
        ]
    );
    let after = carry_out(&bare(), steps);
    assert_eq!(drift(&preparation, &after), [""; 0]);
    assert!(super::tests::steps(&preparation, &after).is_empty(), "a second time changes nothing");
}

#[test]
fn only_what_differs_is_changed() {
    let preparation = preparation();
    let ready = carry_out(&bare(), steps(&preparation, &bare()));
    let mut after_reboot = ready.clone();
    after_reboot.sysctls.insert("vm.max_map_count".into(), "262144".into());
    let words_of = |report: &Report| words(steps(&preparation, report));
    assert_eq!(words_of(&after_reboot), ["sh -s -- vm.max_map_count 1048576"]);
    let mut open = ready.clone();
    open.data.as_mut().unwrap().mode = 0o755;
    assert_eq!(words_of(&open), ["sh -s -- /srv/data elasticsearch 750"]);
    let mut not_loaded = ready.clone();
    not_loaded.unit.insert("LimitNOFILE".into(), "1024".into());
    assert_eq!(words_of(&not_loaded), ["systemctl daemon-reload"]);
    let mut edited = ready.clone();
    edited.sysctl_file.as_mut().unwrap().lines.push("vm.overcommit_memory = 2".into());
    assert_eq!(words_of(&edited).len(), 1);
    assert_eq!(drift(&preparation, &carry_out(&edited, steps(&preparation, &edited))), [""; 0]);
    // More than is wanted is good, and so is the mode of Elasticsearch's packages.
    let mut more = ready;
    more.sysctls.insert("vm.max_map_count".into(), "2097152".into());
    more.data.as_mut().unwrap().mode = 0o2750;
    assert_eq!(drift(&preparation, &more), [""; 0]);
}

#[test]
fn swappiness_matters_only_where_there_is_swap() {
    let preparation = Preparation::new([], None, None).unwrap();
    let mut report = carry_out(&bare(), steps(&preparation, &bare()));
    report.user = true;
    report.group = true;
    assert_eq!(drift(&preparation, &report), [""; 0]);
    report.swaps = true;
    assert!(drift(&preparation, &report).contains(&"sysctls.vm.swappiness: 60 -> 1".to_owned()));
    let swapping = carry_out(&report, steps(&preparation, &report));
    assert_eq!(drift(&preparation, &swapping), [""; 0]);
    // When the swap is gone, so is the reason.
    let off = Report { swaps: false, ..swapping };
    let off = carry_out(&off, steps(&preparation, &off));
    assert_eq!(off.sysctls["vm.swappiness"], "60".into());
    assert_eq!(drift(&preparation, &off), [""; 0]);
}

#[test]
fn a_host_without_elasticsearch_gets_the_parameters_that_are_asked_for_and_nothing_else() {
    let names = ["vm.max_map_count", "vm.swappiness"];
    let of =
        |values: [&'static str; 2]| Preparation::of_sysctls(names.into_iter().zip(values)).unwrap();
    let low = of(["1000", "10"]);
    let report = Report { swaps: true, ..bare() };
    let found = steps(&low, &report);
    let file = format!(
        "/etc/sysctl.d/zz-drover.conf: {HEADER}\n# before: vm.max_map_count = 65530\n\
         # before: vm.swappiness = 60\nvm.max_map_count = 1000\nvm.swappiness = 10\n"
    );
    let set = "sh -s -- vm.max_map_count 1000 vm.swappiness 10".to_owned();
    assert_eq!(words(found.clone()), [file, set]);
    let after = carry_out(&report, found);
    assert_eq!(drift(&low, &after), [""; 0]);
    // What is better for Elasticsearch is none the less not what was asked for.
    assert_eq!(drift(&of(["500", "20"]), &after).len(), 3);
    // Nothing is asked for any more: all goes back, and the file goes last.
    let none = Preparation::of_sysctls([]).unwrap();
    assert_eq!(
        words(steps(&none, &after)),
        [
            &format!(
                "/etc/sysctl.d/zz-drover.conf: {HEADER}\n# before: vm.max_map_count = 65530\n\
                 # before: vm.swappiness = 60\n"
            ),
            "sh -s -- vm.max_map_count 65530 vm.swappiness 60",
            &format!("sh -s -- /etc/sysctl.d/zz-drover.conf '{HEADER}' ''"),
        ]
    );
    assert!(steps(&none, &report).is_empty(), "nothing of Drover's is there");
}

#[test]
fn a_parameter_that_is_left_alone_is_told_and_not_set() {
    let names = ["vm.max_map_count", "vm.swappiness"];
    let all = Preparation::of_sysctls(names.into_iter().zip(["1000", "10"])).unwrap();
    let mut report = carry_out(&bare(), steps(&all, &bare()));
    for name in names {
        report.sysctls.insert(name.into(), "7".into());
    }
    let some = all.leaving(["vm.swappiness"]);
    assert_eq!(words(steps(&some, &report)), ["sh -s -- vm.max_map_count 1000"]);
    let after = carry_out(&report, steps(&some, &report));
    assert_eq!(drift(&some, &after), ["sysctls.vm.swappiness: 7 -> 10"]);
}

#[test]
fn what_somebody_else_made_in_drovers_place_is_told_and_left_alone() {
    let preparation = preparation();
    let mut report = bare();
    report.sysctl_file = Some(file("# mine\nvm.max_map_count = 7\n"));
    report.limits_file = Some(file("[Service]\n"));
    let kind = "regular file".into();
    let (user, group) = ("root".into(), "root".into());
    report.data = Some(Directory { kind, mode: 0o644, user, group });
    assert!(drift(&preparation, &report)[0].contains("made by somebody else"));
    assert_eq!(words(steps(&preparation, &report)), ["sh -s -- elasticsearch"]);
    assert!(preparation.steps_back(&report).concat().is_empty());
}

#[test]
fn a_unit_that_grants_enough_or_is_not_there_gets_no_file() {
    let preparation = preparation();
    let mut report = bare();
    report.unit.insert("LimitNOFILE".into(), "524288".into());
    report.unit.insert("LimitMEMLOCK".into(), "infinity".into());
    let about_limits = |report: &Report| {
        drift(&preparation, report)
            .into_iter()
            .filter(|it| it.contains("elasticsearch.service"))
            .count()
    };
    assert_eq!(about_limits(&report), 0);
    let mut absent = bare();
    absent.unit.insert("LoadState".into(), "not-found".into());
    assert_eq!(about_limits(&absent), 0);
    assert_eq!(about_limits(&bare()), 3);
}

#[test]
fn what_can_not_be_prepared_is_named() {
    let new = |name, value| Preparation::new([(name, value)], None, None);
    for name in ["vm", "", "vm..x", "../../etc.passwd", "vm.x=1", "vm.a b", "-w.x", "vm./x"] {
        let expected = PreparationError::SysctlName(name.into());
        let result = new(name, "1");
        // A name that begins with a dash is a name: it goes into a path, not to a program.
        assert!(result == Err(expected) || name == "-w.x", "{name}");
    }
    for value in ["", " ", "1\u{7}", "\u{e9}"] {
        assert_eq!(new("vm.x", value), Err(PreparationError::SysctlValue("vm.x".into())));
    }
    assert_eq!(new("vm.max_map_count", "262143"), Err(PreparationError::MapCount));
    assert!(new("vm.max_map_count", "262144").is_ok());
    for unit in
        ["elasticsearch", ".service", "a/b.service", "-a.service", "a b.service", "../x.service"]
    {
        let error = Preparation::new([], None, Some(unit)).unwrap_err();
        assert_eq!(error, PreparationError::Unit(unit.into()));
    }
}

#[test]
fn the_file_of_parameters_cannot_be_made_to_write_elsewhere() {
    let preparation = Preparation::new([], None, None).unwrap();
    let mut report = bare();
    report.sysctl_file = Some(file(&format!(
        "{HEADER}\n# before: ../../etc/passwd = x\n# before: vm.x/y = 1\n# before: vm.good = 1\n"
    )));
    for name in ["../../etc/passwd", "vm.x/y", "vm.good"] {
        report.sysctls.insert(name.into(), "7".into());
    }
    assert_eq!(words(preparation.steps_back(&report).concat())[1], "sh -s -- vm.good 1");
}

#[test]
fn the_script_that_looks_reads_what_is_there() {
    // The files of this machine stand in for a host's; nothing is changed.
    let unit = "no-such-unit.service";
    let data = RemotePath::new("/proc/sys").unwrap();
    let preparation =
        Preparation::new([("kernel.ostype", "Linux")], Some(data), Some(unit)).unwrap();
    let output = run(&preparation.look());
    assert!(output.status.success());
    let report = Report::read(std::str::from_utf8(&output.stdout).unwrap());
    assert_eq!(report.sysctls["kernel.ostype"], "Linux".into());
    assert!(report.sysctls["vm.max_map_count"].parse::<u64>().is_ok());
    let directory = report.data.unwrap();
    assert_eq!((&*directory.kind, &*directory.user), ("directory", "root"));
}
