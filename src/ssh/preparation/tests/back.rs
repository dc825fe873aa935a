//! What was set goes back.

use super::*;

#[test]
fn a_parameter_that_is_no_longer_asked_for_goes_back_to_what_it_was() {
    let name = "net.ipv4.tcp_retries2";
    let with = Preparation::new([(name, "5")], None, None).unwrap();
    let mut report = bare();
    report.sysctls.insert(name.into(), "15".into());
    let report = carry_out(&report, steps(&with, &report));
    assert_eq!(report.sysctls[name], "5".into());
    let without = Preparation::new([], None, None).unwrap();
    let report = carry_out(&report, steps(&without, &report));
    assert_eq!(report.sysctls[name], "15".into());
    assert!(!report.sysctl_file.unwrap().lines.iter().any(|it| it.contains(name)));
}

#[test]
fn a_parameter_that_is_gone_from_the_kernel_can_not_go_back_and_holds_up_no_other() {
    let with = Preparation::new([("net.gone", "5")], None, None).unwrap();
    let mut report = bare();
    report.sysctls.insert("net.gone".into(), "15".into());
    let mut report = carry_out(&report, steps(&with, &report));
    report.sysctls.remove("net.gone");
    let without = Preparation::new([], None, None).unwrap();
    assert!(!words(steps(&without, &report)).iter().any(|it| it.starts_with("sh -s")));
    assert!(!words(with.steps_back(&report).concat()).iter().any(|it| it.contains("net.gone")));
    let report = carry_out(&report, steps(&without, &report));
    assert!(!drift(&without, &report).iter().any(|it| it.contains("sysctl")));
}

#[test]
fn what_an_elasticsearch_of_drovers_needs_stays_as_long_as_that_is_there() {
    let swapping = Report { swaps: true, ..bare() };
    let there = carry_out(&swapping, steps(&preparation(), &swapping));
    let home = Report { home: Some(HEADER.into()), ..there.clone() };
    let plain = || Preparation::of_sysctls([]).unwrap();
    assert_eq!(words(steps(&plain(), &home)), [""; 0]);
    assert!(drift(&plain(), &home).is_empty() && plain().steps_back(&home).concat().is_empty());
    // Beside what is asked for, too.
    let mut home = home;
    home.sysctls.insert("net.ipv4.tcp_retries2".into(), "15".into());
    let other = Preparation::of_sysctls([("net.ipv4.tcp_retries2", "5")]).unwrap();
    let after = carry_out(&home, steps(&other, &home));
    let value = |report: &Report, name: &str| report.sysctls[name].to_string();
    assert_eq!(value(&after, files::MAP_COUNT), "1048576");
    assert_eq!(value(&after, files::SWAPPINESS), "1");
    assert_eq!(value(&after, "net.ipv4.tcp_retries2"), "5");
    assert_eq!(drift(&other, &after), [""; 0]);
    // Once it is gone, so is what it needed.
    let gone = Report { home: None, ..after };
    let back = carry_out(&gone, steps(&plain(), &gone));
    assert_eq!(value(&back, files::MAP_COUNT), "65530");
    assert_eq!(value(&back, files::SWAPPINESS), "60");
}

#[test]
fn what_is_told_of_the_unit_says_whose_the_elasticsearch_is() {
    assert!(Report::read(&format!("home={HEADER}\n")).is_home());
    assert!(!Report::read("home=[Unit]\n").is_home() && !bare().is_home());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ssh/preparation/inspect.sh");
    let told = run(&Command::script("inspect", INSPECT, ["", "", "", "", ACCOUNT_NAME, file]));
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.lines().any(|it| it.starts_with("home=# Prints how far")), "{told}");
}

#[test]
fn a_reset_takes_back_what_drover_changed_and_nothing_else() {
    let preparation = preparation();
    let ready = carry_out(&bare(), steps(&preparation, &bare()));
    let back = words(preparation.steps_back(&ready).concat());
    assert_eq!(
        back,
        [
            &format!(
                "/etc/sysctl.d/zz-drover.conf: {HEADER}\n# before: vm.max_map_count = 65530\n"
            ),
            "sh -s -- vm.max_map_count 65530",
            &format!("sh -s -- /etc/sysctl.d/zz-drover.conf '{HEADER}' ''"),
            &format!(
                "sh -s -- /etc/systemd/system/elasticsearch.service.d/zz-drover.conf '{HEADER}' \
                 directory"
            ),
            "systemctl daemon-reload",
        ]
    );
    assert!(preparation.steps_back(&bare()).concat().is_empty());
}

#[test]
fn a_value_that_drover_itself_has_set_is_never_taken_for_one_of_before() {
    let value = |name: &'static str, value: &'static str| [(name, value)];
    let asking = |it: &'static str| Preparation::of_sysctls(value("vm.swappiness", it)).unwrap();
    let none = || Preparation::of_sysctls([]).unwrap();
    let known = |it: Preparation| it.having_set(value("vm.swappiness", "7")).unwrap();
    let there = carry_out(&bare(), steps(&asking("7"), &bare()));
    assert_eq!(known(none()).lost(&there), [""; 0].map(Into::into), "the file tells");

    // Somebody removes the file. It is written anew, also for another value, and tells nothing.
    let gone = Report { sysctl_file: None, ..there.clone() };
    for preparation in [known(asking("7")), known(asking("8"))] {
        let after = carry_out(&gone, steps(&preparation, &gone));
        let text = format!("{:?}", after.sysctl_file);
        assert!(text.contains("vm.swappiness") && !text.contains("before"), "{text}");
        assert!(preparation.lost(&after).is_empty(), "it is asked for");
        assert!(steps(&preparation, &after).is_empty(), "a second time changes nothing");
        // What others set since then is a difference, and nothing of before either.
        let mut drifted = after.clone();
        drifted.sysctls.insert("vm.swappiness".into(), "33".into());
        assert_eq!(drift(&preparation, &drifted).len(), 1, "the file is as it should be");
    }

    // It is no longer asked for, and nobody knows what it was.
    let foreign = Report { sysctl_file: Some(file("# mine\n")), ..there.clone() };
    let after = carry_out(&gone, steps(&known(asking("7")), &gone));
    for report in [gone.clone(), foreign, after] {
        assert_eq!(known(none()).lost(&report), ["vm.swappiness".into()]);
    }
    // Unless it is not as Drover has set it any more, or not there at all.
    let mut rebooted = gone.clone();
    rebooted.sysctls.insert("vm.swappiness".into(), "60".into());
    assert!(known(none()).lost(&rebooted).is_empty());
    let after = carry_out(&rebooted, steps(&known(asking("7")), &rebooted));
    assert!(format!("{:?}", after.sysctl_file).contains("# before: vm.swappiness = 60"));
    rebooted.sysctls.remove("vm.swappiness");
    assert!(known(none()).lost(&rebooted).is_empty());
}

/// Steps on a host where `stuck` can't be set any more: a failure ends its chain.
fn carry_out_but(stuck: &str, report: &Report, chains: Vec<Vec<Step>>) -> Report {
    let mut after = report.clone();
    for step in chains {
        for step in step {
            let word = words(vec![step.clone()]).remove(0);
            if word.starts_with("sh -s -- ") && word.contains(stuck) {
                break;
            }
            after = carry_out(&after, vec![step]);
        }
    }
    after
}

#[test]
fn a_parameter_that_can_not_go_back_holds_up_no_other_and_is_over_with_the_next_boot() {
    let of = |all: &[(&'static str, &'static str)]| {
        Preparation::of_sysctls(all.iter().copied()).unwrap()
    };
    let (stuck, other) = ("vm.one_way", ("vm.swappiness", "7"));
    let mut report = bare();
    report.sysctls.insert(stuck.into(), "1".into());
    let set = of(&[(stuck, "3")]);
    let report = carry_out(&report, steps(&set, &report));
    assert_eq!(report.sysctls[stuck], "3".into());
    let chains = |it: &Preparation, report: &Report| it.steps(report, &it.findings(report));
    let lines = |report: &Report| report.sysctl_file.clone().unwrap().lines.join("\n");

    let (next, none) = (of(&[other]), of(&[]));
    let before = "# before: vm.one_way = 1";
    for (preparation, text) in [
        (&next, format!("{HEADER}\n{before}\n# before: vm.swappiness = 60\nvm.swappiness = 7")),
        (&none, format!("{HEADER}\n{before}")),
    ] {
        let after = carry_out_but(stuck, &report, chains(preparation, &report));
        assert_eq!(lines(&after), text, "set no more, and remembered");
        assert_eq!(drift(preparation, &after), ["sysctls.vm.one_way: 3 -> 1"]);
        let again = carry_out_but(stuck, &after, chains(preparation, &after));
        assert_eq!(again, after, "a second try writes nothing");
        // The next boot sets what the file says.
        let mut booted = after;
        booted.sysctls.insert(stuck.into(), "1".into());
        let booted = carry_out(&booted, steps(preparation, &booted));
        assert!(!format!("{:?}", booted.sysctl_file).contains("one_way"), "{booted:?}");
    }
    let after = carry_out_but(stuck, &report, chains(&next, &report));
    assert_eq!(after.sysctls[other.0], "7".into());
    // Nor does what undoes all leave a file behind that would set it again.
    let after = carry_out_but(stuck, &report, set.steps_back(&report));
    assert_eq!(lines(&after), format!("{HEADER}\n{before}"));
}
