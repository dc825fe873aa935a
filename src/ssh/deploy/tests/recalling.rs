use std::{fs, os::unix::fs::symlink, path::Path};

use super::stand::{BUILD, Stand};
use crate::ssh::steps::HEADER;

const SWAP: &str = concat!(include_str!("../trace.sh"), include_str!("../swap.sh"));
const RECALL: &str = concat!(include_str!("../trace.sh"), include_str!("../recall.sh"));

/// What runs, where the data is.
fn settings(stand: &Stand, word: &str) -> String {
    format!("path.data: \"{}\"\n# {word}\n", stand.path("data"))
}

/// `version` runs with old settings, and 8.19.0 waits with new ones.
fn ready(version: &str) -> Stand {
    let stand = Stand::new();
    for version in [version, "8.19.0"] {
        stand.distribution(&format!("trees/{version}"), BUILD);
        stand.write(&format!("trees/{version}/.drover"), &format!("{HEADER}\n{BUILD}\n"));
    }
    symlink(stand.path(&format!("trees/{version}")), stand.path("trees/current")).unwrap();
    for (name, text) in [
        ("config/revision", format!("{HEADER}\nold\n")),
        ("config/elasticsearch.yml", settings(&stand, "old")),
        ("config/jvm.options.d/drover.options", "old".into()),
        ("config/elasticsearch.keystore", "old".into()),
        ("units/es.service", "old".into()),
        ("config/next/revision", format!("{HEADER}\nnew\n")),
        ("config/next/elasticsearch.yml", settings(&stand, "new")),
        ("config/next/drover.options", "new".into()),
        ("config/next/es.service", "new".into()),
        ("data/_state/manifest-1.st", "old".into()),
        ("state", "active".into()),
    ] {
        stand.write(name, &text);
    }
    stand
}

fn swap(stand: &Stand, run: &str) -> Result<String, String> {
    let (trees, config) = (stand.path("trees"), stand.path("config"));
    let unit = stand.path("units/es.service");
    let lines = ["es.service", "new", "8.19.0", &trees, &config, &unit, "elasticsearch", "1", run];
    let settings = stand.write("settings", &(lines.join("\n") + "\n"));
    stand.run(SWAP, &[&settings])
}

fn recall(stand: &Stand, run: &str, previous: &str) -> Result<String, String> {
    recall_with(stand, RECALL, run, previous)
}

fn recall_with(stand: &Stand, script: &str, run: &str, previous: &str) -> Result<String, String> {
    let (trees, config) = (stand.path("trees"), stand.path("config"));
    let unit = stand.path("units/es.service");
    let lines = ["es.service", run, previous, "old", &trees, &config, &unit, "1"];
    let settings = stand.write("settings", &(lines.join("\n") + "\n"));
    stand.run(script, &[&settings])
}

fn check_old(stand: &Stand, version: &str) {
    let current = fs::read_link(stand.0.join("trees/current")).unwrap();
    assert_eq!(current, stand.0.join("trees").join(version));
    for name in
        ["config/jvm.options.d/drover.options", "config/elasticsearch.keystore", "units/es.service"]
    {
        assert_eq!(stand.read(name), "old", "{name}");
    }
    assert_eq!(stand.read("config/elasticsearch.yml"), settings(stand, "old"));
    assert_eq!(stand.read("config/revision"), format!("{HEADER}\nold\n"));
    assert!(!stand.has("config/jvm.options"), "there was none");
    assert_eq!(stand.read("state"), "active\n");
}

fn check_new(stand: &Stand) {
    assert_eq!(stand.read("units/es.service"), "new");
    assert_eq!(stand.read("config/revision"), format!("{HEADER}\nnew\n"));
}

#[test]
fn settings_that_do_not_start_give_way_to_those_that_ran_before_whatever_became_of_the_data() {
    let stand = ready("8.19.0");
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
    check_new(&stand);
    stand.write("data/_state/manifest-2.st", "new");
    fs::remove_file(stand.0.join("asked")).unwrap();
    assert_eq!(recall(&stand, "r-1", "8.19.0"), Ok("started".into()));
    check_old(&stand, "8.19.0");
    assert_eq!(
        stand.asked(),
        [
            "list-units --plain --no-legend --state=activating drover-r-1-swap-*",
            "stop -- es.service",
            "daemon-reload",
            "--quiet enable -- es.service",
            "reset-failed -- es.service",
            "start -- es.service",
        ]
    );
    assert_eq!(recall(&stand, "r-1", "8.19.0"), Ok("started".into()), "it is safe to repeat");
    check_old(&stand, "8.19.0");
}

#[test]
fn an_older_version_comes_back_only_to_data_that_nothing_has_opened_since_it_stopped() {
    let stand = ready("8.18.0");
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
    assert_eq!(recall(&stand, "r-1", "8.18.0"), Ok("started".into()));
    check_old(&stand, "8.18.0");

    // What is written and gone again shows as well: so does each start of a node begin.
    let stand = ready("8.18.0");
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
    fs::remove_file(stand.write("data/.es_temp_file", "")).unwrap();
    fs::remove_file(stand.0.join("asked")).unwrap();
    let refused = recall(&stand, "r-1", "8.18.0").unwrap_err();
    assert!(refused.contains("8.19.0 may have opened the data"), "{refused}");
    let changed = stand.asked().iter().any(|it| !it.starts_with("list-units"));
    assert!(!changed, "it is left as it is: {:?}", stand.asked());
    check_new(&stand);
}

#[test]
fn where_nobody_can_tell_what_became_of_the_data_an_older_version_stays_away() {
    let stand = ready("8.18.0");
    stand.program("bin/find", "#!/bin/sh\nexit 1\n");
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()), "that is no reason not to go on");
    fs::remove_file(stand.0.join("bin/find")).unwrap();
    let refused = recall(&stand, "r-1", "8.18.0").unwrap_err();
    assert!(refused.contains("nobody can tell"), "{refused}");
    check_new(&stand);
}

#[test]
fn a_version_that_is_tried_again_by_systemd_may_open_the_data_at_the_last_moment() {
    let stand = ready("8.18.0");
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
    // The unit gets that far right before it stops.
    let real = stand.read("bin/systemctl");
    let opens = "case $* in stop*) mkdir \"$(dirname \"$0\")/../data/nodes\" ;; esac\n";
    stand.program("bin/systemctl", &real.replace("#!/bin/sh\n", &format!("#!/bin/sh\n{opens}")));
    let refused = recall(&stand, "r-1", "8.18.0").unwrap_err();
    assert!(refused.contains("may have opened the data"), "{refused}");
    check_new(&stand);
    assert_eq!(stand.asked().last().unwrap(), "start --no-block -- es.service");
}

#[test]
fn only_what_this_run_took_down_while_it_was_in_service_comes_back() {
    let stand = ready("8.19.0");
    assert_eq!(recall(&stand, "r-1", "8.19.0"), Err("what ran before was not kept".into()));
    stand.write("state", "failed");
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
    assert_eq!(recall(&stand, "r-1", "8.19.0"), Err("what ran before was not kept".into()));

    let stand = ready("8.19.0");
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
    assert_eq!(recall(&stand, "r-2", "8.19.0"), Err("what ran before was not kept".into()));
    assert_eq!(recall(&stand, "r-1", "8.17.0").unwrap_err(), {
        format!("{} is not there", stand.path("trees/8.17.0"))
    });
    check_new(&stand);
}

#[test]
fn a_second_attempt_of_the_run_leaves_what_ran_before_the_first() {
    let stand = ready("8.19.0");
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
    // It does not stay up, and is tried once more with the same.
    assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
    assert_eq!(recall(&stand, "r-1", "8.19.0"), Ok("started".into()));
    check_old(&stand, "8.19.0");
}

#[test]
fn what_came_back_is_taken_down_and_comes_back_once_more() {
    let stand = ready("8.18.0");
    for _ in 0..2 {
        stand.write("config/next/revision", &format!("{HEADER}\nnew\n"));
        stand.write("config/next/es.service", "new");
        assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
        check_new(&stand);
        assert_eq!(recall(&stand, "r-1", "8.18.0"), Ok("started".into()));
        check_old(&stand, "8.18.0");
        // It runs, and so writes.
        stand.write("data/_state/manifest-2.st", "old");
    }
}

/// Power may fail after any line.
#[test]
fn wherever_it_was_cut_off_the_next_try_completes_it() {
    let lines: Vec<&str> = RECALL.lines().collect();
    let begin = lines.iter().position(|it| it.starts_with("rm -rf -- \"$back\" &&")).unwrap();
    let mut cuts = 0;
    for end in begin..lines.len() {
        let cut = lines[..end].join("\n");
        let is_whole = std::process::Command::new("/bin/sh")
            .args(["-n", "-c", &cut])
            .stderr(std::process::Stdio::null())
            .status();
        if !is_whole.unwrap().success() {
            continue;
        }
        cuts += 1;
        let stand = ready("8.18.0");
        assert_eq!(swap(&stand, "r-1"), Ok("started".into()));
        let _ = recall_with(&stand, &cut, "r-1", "8.18.0");
        assert!(Path::new(&stand.path("trees/before/run")).exists());
        assert_eq!(recall(&stand, "r-1", "8.18.0"), Ok("started".into()), "cut before line {end}");
        check_old(&stand, "8.18.0");
    }
    assert!(cuts > 12, "only {cuts} were tried");
}
