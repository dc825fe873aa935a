use std::{fs, os::unix::fs::symlink};

use super::stand::{BUILD, Stand};
use crate::ssh::steps::HEADER;

const SWAP: &str = concat!(include_str!("../trace.sh"), include_str!("../swap.sh"));

/// 8.18.0 runs, and 8.19.0 waits.
fn ready() -> Stand {
    let stand = Stand::new();
    for version in ["8.18.0", "8.19.0"] {
        stand.distribution(&format!("trees/{version}"), BUILD);
        stand.write(&format!("trees/{version}/.drover"), &format!("{HEADER}\n{BUILD}\n"));
    }
    symlink(stand.path("trees/8.18.0"), stand.path("trees/current")).unwrap();
    for (name, text) in [
        ("config/revision", format!("{HEADER}\nold\n")),
        ("config/elasticsearch.yml", "old".into()),
        ("config/jvm.options.d/drover.options", "old".into()),
        ("config/elasticsearch.keystore", "old".into()),
        ("units/es.service", "old".into()),
        ("config/next/revision", format!("{HEADER}\nnew\n")),
        ("config/next/elasticsearch.yml", "new".into()),
        ("config/next/drover.options", "new".into()),
        ("config/next/es.service", "new".into()),
        ("state", "active".into()),
    ] {
        stand.write(name, &text);
    }
    stand
}

fn swap(stand: &Stand, revision: &str, version: &str) -> Result<String, String> {
    swap_with(stand, SWAP, revision, version)
}

fn swap_with(stand: &Stand, script: &str, revision: &str, version: &str) -> Result<String, String> {
    let (trees, config) = (stand.path("trees"), stand.path("config"));
    let unit = stand.path("units/es.service");
    let lines =
        ["es.service", revision, version, &trees, &config, &unit, "elasticsearch", "1", "r-1"];
    let settings = stand.write("settings", &(lines.join("\n") + "\n"));
    stand.run(script, &[&settings])
}

fn check_new(stand: &Stand) {
    check_parts(stand);
    assert_eq!(stand.read("config/revision"), format!("{HEADER}\nnew\n"));
    assert_eq!(stand.read("state"), "active\n");
    for name in ["old", "new", "elasticsearch.yml", "drover.options", "es.service", "revision"] {
        assert!(!stand.has(&format!("config/next/{name}")), "{name} is left");
    }
}

/// All that the unit speaks of.
fn check_parts(stand: &Stand) {
    let current = fs::read_link(stand.0.join("trees/current")).unwrap();
    assert_eq!(current, stand.0.join("trees/8.19.0"));
    for name in
        ["config/elasticsearch.yml", "config/jvm.options.d/drover.options", "units/es.service"]
    {
        assert_eq!(stand.read(name), "new", "{name}");
    }
    assert_eq!(stand.read("config/jvm.options"), "# of trees/8.19.0");
    // Elasticsearch reads every such file below its settings, and does not start where it can't.
    let find = ["-c", "cd \"$0\" && find . -name log4j2.properties", &stand.path("config")];
    let found = std::process::Command::new("sh").args(find).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "./log4j2.properties\n");
    assert_ne!(stand.read("config/elasticsearch.keystore"), "old");
}

#[test]
fn what_waits_is_put_in_place_between_one_stop_and_one_start() {
    let stand = ready();
    assert_eq!(swap(&stand, "new", "8.19.0"), Ok("started".into()));
    check_new(&stand);
    assert_eq!(
        stand.asked(),
        [
            "stop -- es.service",
            "daemon-reload",
            "--quiet enable -- es.service",
            "reset-failed -- es.service",
            "start -- es.service",
        ]
    );
    assert_eq!(stand.read("config/elasticsearch.keystore"), "upgrade\n");
}

#[test]
fn the_first_start_makes_a_keystore() {
    let stand = ready();
    fs::remove_file(stand.0.join("config/elasticsearch.keystore")).unwrap();
    fs::remove_file(stand.0.join("trees/current")).unwrap();
    fs::remove_file(stand.0.join("config/revision")).unwrap();
    stand.write("state", "inactive");
    assert_eq!(swap(&stand, "new", "8.19.0"), Ok("started".into()));
    check_new(&stand);
    assert_eq!(stand.read("config/elasticsearch.keystore"), "create\n");
}

#[test]
fn a_restart_alone_needs_nothing_that_waits() {
    let stand = ready();
    assert_eq!(swap(&stand, "old", "8.18.0"), Ok("started".into()));
    assert_eq!(stand.read("config/elasticsearch.yml"), "old");
    assert!(stand.has("config/next/elasticsearch.yml"), "it still waits");
}

#[test]
fn elasticsearch_is_not_stopped_before_all_is_there() {
    let stand = ready();
    let refused = swap(&stand, "another", "8.19.0").unwrap_err();
    assert_eq!(refused, "the settings that are to run are not there");
    assert!(swap(&stand, "new", "9.0.0").unwrap_err().contains("9.0.0 is not there"));
    assert_eq!(stand.asked(), [""; 0]);
}

#[test]
fn what_does_not_stop_or_start_is_told_and_a_failure_in_between_starts_what_there_was() {
    let stand = ready();
    stand.write("hangs", "");
    assert_eq!(swap(&stand, "new", "8.19.0"), Err("es.service does not stop".into()));
    assert_eq!(stand.read("config/elasticsearch.yml"), "old");

    let stand = ready();
    stand.program("trees/8.19.0/bin/elasticsearch-keystore", "#!/bin/sh\necho no room\nexit 1\n");
    assert_eq!(swap(&stand, "new", "8.19.0"), Err("its keystore can't be made: no room".into()));
    assert_eq!(stand.asked(), [""; 0], "what can be known before is no reason to stop it");

    let stand = ready();
    stand.write("broken", "");
    assert_eq!(swap(&stand, "new", "8.19.0").unwrap_err(), "es.service does not start");
    fs::remove_file(stand.0.join("broken")).unwrap();
    assert_eq!(swap(&stand, "new", "8.19.0"), Ok("started".into()));
    check_new(&stand);
}

#[test]
fn what_takes_too_long_to_stop_is_told_to_start_again() {
    let stand = ready();
    stand.write("lingers", "");
    assert_eq!(swap(&stand, "new", "8.19.0"), Err("es.service does not stop".into()));
    assert_eq!(stand.asked().last().unwrap(), "start --no-block -- es.service");
    check_old(&stand);
}

#[test]
fn a_failure_half_way_puts_back_all_that_there_was_before_it_is_started() {
    let stand = ready();
    for (what, words) in [
        ("new/current", "trees/current can't be written"),
        ("new/es.service", "units/es.service can't be written"),
        ("next/revision", "config/revision can't be written"),
    ] {
        let broken = format!(
            "#!/bin/sh\ncase $* in *{what}*) exit 1 ;; esac\nPATH=${{PATH#*:}}\nexec mv \"$@\"\n"
        );
        stand.program("bin/mv", &broken);
        let refused = swap(&stand, "new", "8.19.0").unwrap_err();
        assert!(refused.ends_with(words), "{refused}");
        check_old(&stand);
        assert_eq!(stand.read("state"), "active\n");
        fs::remove_file(stand.0.join("bin/mv")).unwrap();
    }
    assert_eq!(swap(&stand, "new", "8.19.0"), Ok("started".into()));
    check_new(&stand);
}

fn check_old(stand: &Stand) {
    let current = fs::read_link(stand.0.join("trees/current")).unwrap();
    assert_eq!(current, stand.0.join("trees/8.18.0"));
    for name in [
        "config/elasticsearch.yml",
        "config/jvm.options.d/drover.options",
        "config/elasticsearch.keystore",
        "units/es.service",
    ] {
        assert_eq!(stand.read(name), "old", "{name}");
    }
    assert_eq!(stand.read("config/revision"), format!("{HEADER}\nold\n"));
    assert!(!stand.has("config/jvm.options"), "there was none");
}

/// Power may fail after any line.
#[test]
fn wherever_it_was_cut_off_the_unit_claims_nothing_untrue_and_the_next_try_completes_it() {
    let lines: Vec<&str> = SWAP.lines().collect();
    let begin = lines.iter().position(|it| it.starts_with("rm -rf -- \"$new\"")).unwrap();
    let mut cuts = 0;
    for end in begin..lines.len() {
        let cut = lines[..end].join("\n");
        let stand = ready();
        // A cut within a command is no script; the shell says so before it does anything.
        let is_whole = std::process::Command::new("/bin/sh")
            .args(["-n", "-c", &cut])
            .stderr(std::process::Stdio::null())
            .status();
        if !is_whole.unwrap().success() {
            continue;
        }
        cuts += 1;
        let _ = swap_with(&stand, &cut, "new", "8.19.0");
        if stand.read("units/es.service") == "new" {
            check_parts(&stand);
        }
        assert_eq!(swap(&stand, "new", "8.19.0"), Ok("started".into()), "cut before line {end}");
        check_new(&stand);
    }
    assert!(cuts > 20, "only {cuts} were tried");
}
