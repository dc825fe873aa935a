use std::{fs, os::unix::fs::symlink};

use super::{
    super::report::{DataDirectory, Report},
    stand::{BUILD, Stand},
};
use crate::ssh::{
    deploy::{CERTIFIED, layout},
    steps::HEADER,
};

const INSPECT: &str = include_str!("../inspect.sh");
const FORMED: &str = include_str!("../formed.sh");
const PRUNE: &str = include_str!("../prune.sh");
const REMOVE: &str = include_str!("../remove.sh");
const DATA: &str = include_str!("../../preparation/data.sh");

fn inspect(stand: &Stand) -> Report {
    let output = std::process::Command::new("/bin/sh")
        .args(["-c", INSPECT, "sh", "es.service"])
        .args(["trees", "config", "data", "config/elasticsearch.yml"].map(|it| stand.path(it)))
        .env("PATH", format!("{}:{}", stand.path("bin"), std::env::var("PATH").unwrap()))
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Report::read(std::str::from_utf8(&output.stdout).unwrap())
}

#[test]
fn a_host_on_which_nothing_is_tells_of_nothing() {
    let stand = Stand::new();
    for folder in ["trees", "config"] {
        fs::remove_dir_all(stand.0.join(folder)).unwrap();
    }
    let report = inspect(&stand);
    assert!(report.trees.is_empty() && report.files.is_empty() && report.certificate.is_empty());
    assert_eq!((&report.current, &report.revision, &report.cluster_uuid), (&None, &None, &None));
    assert_eq!(report.data, DataDirectory::Missing);
    assert!(report.free_kilobytes.unwrap() > 0 && report.fetcher.is_some());
    assert!(!report.is_active() && report.running.is_none());
}

#[test]
fn a_host_tells_on_which_port_its_settings_have_http() {
    let stand = Stand::new();
    assert_eq!(inspect(&stand).http_port, None);
    for (line, port) in [
        ("http.port: \"9201\"", 9201),
        ("http.port: 9202", 9202),
        ("transport.http.port: \"9203\"", 9200),
        ("http.port: \"9204-9210\"", 9200),
    ] {
        let text = format!("{HEADER}\ncluster.name: \"es\"\n{line}\nnode.name: \"a\"\n");
        stand.write("config/elasticsearch.yml", &text);
        assert_eq!(inspect(&stand).http_port, Some(port), "{line}");
    }
}

#[test]
fn a_host_tells_what_is_there_and_of_secrets_only_their_sums() {
    let stand = Stand::new();
    let tree = |version: &str, plugins: &[&str]| {
        stand.write(&format!("trees/{version}/.drover"), &format!("{HEADER}\n{BUILD}\n"));
        for plugin in plugins {
            let name = format!("trees/{version}/plugins/{plugin}/plugin-descriptor.properties");
            stand.write(&name, "");
        }
    };
    tree("8.18.0", &["analysis-icu", "analysis-phonetic"]);
    tree("8.19.0", &["analysis-icu"]);
    stand.write("trees/9.0.0/theirs", "");
    stand.write("trees/8.20.0.part/lib/x", "");
    symlink(stand.path("trees/8.18.0"), stand.path("trees/current")).unwrap();
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (name, text) in [
        ("config/revision", format!("{HEADER}\nold\n")),
        ("config/next/revision", format!("{HEADER}\nnew\n")),
        ("config/cluster-uuid", format!("{HEADER}\nuuid-1\n")),
        ("config/node.crt", format!("{HEADER}\n{CERTIFIED}{}\n{certificate}", "ab".repeat(32))),
        ("config/ca.crt", format!("{HEADER}\n{certificate}{certificate}")),
        ("config/elasticsearch.yml", format!("{HEADER}\ns3cret: 1\n")),
        ("data/nodes/0/x", String::new()),
        ("state", "active".into()),
    ] {
        stand.write(name, &text);
    }
    let report = inspect(&stand);
    let versions: Vec<_> = report.trees.keys().map(|it| &**it).collect();
    assert_eq!(versions, ["8.18.0", "8.19.0"], "neither a half one nor somebody else's");
    assert_eq!(report.trees["8.19.0"].built(), Some("2025-07-23T22:10:18.138212839Z"));
    assert_eq!(report.current.as_deref(), Some("8.18.0"));
    assert_eq!(report.lost_plugins("8.19.0"), ["analysis-phonetic"]);
    assert!(report.lost_plugins("9.0.0").is_empty());
    assert_eq!(report.revision.as_deref(), Some("old"));
    assert_eq!(report.next.as_deref(), Some("new"));
    assert_eq!(report.cluster_uuid.as_deref(), Some("uuid-1"));
    assert_eq!(report.certificate, certificate);
    assert_eq!(report.authorities, certificate.repeat(2));
    assert_eq!(report.certified.as_deref(), Some(&*"ab".repeat(32)));
    assert_eq!(report.data, DataDirectory::Used);
    assert!(report.is_active());
    let file = &report.files[&*stand.path("config/elasticsearch.yml")];
    assert!(file.is_ours() && file.sum.len() == 64);
    assert!(!format!("{report:?}").contains("s3cret"));
    fs::remove_dir_all(stand.0.join("data/nodes")).unwrap();
    assert_eq!(inspect(&stand).data, DataDirectory::Empty);
    fs::create_dir(stand.0.join("data/lost+found")).unwrap();
    assert_eq!(inspect(&stand).data, DataDirectory::Empty, "the file system put it there");
}

#[test]
fn data_that_can_not_be_listed_is_neither_missing_nor_empty() {
    let stand = Stand::new();
    fs::create_dir(stand.0.join("data")).unwrap();
    assert_eq!(inspect(&stand).data, DataDirectory::Empty);
    // As of a disk that does not answer.
    let failing = |what: &str| {
        let failing = format!(
            "#!/bin/sh\ncase $* in *{what}) exit 2 ;; esac\nPATH=${{PATH#*:}}\nexec ls \"$@\"\n"
        );
        stand.program("bin/ls", &failing);
    };
    failing("/data");
    assert_eq!(inspect(&stand).data, DataDirectory::Unknown);
    fs::remove_dir(stand.0.join("data")).unwrap();
    assert_eq!(inspect(&stand).data, DataDirectory::Missing);
    failing(stand.0.to_str().unwrap());
    assert_eq!(inspect(&stand).data, DataDirectory::Unknown);
    fs::remove_file(stand.0.join("bin/ls")).unwrap();
    symlink(stand.path("unplugged"), stand.path("data")).unwrap();
    assert_eq!(inspect(&stand).data, DataDirectory::Unknown, "a link that leads nowhere now");
    fs::remove_file(stand.0.join("data")).unwrap();
    stand.write("data", "no folder");
    assert_eq!(inspect(&stand).data, DataDirectory::Unknown);
}

#[test]
fn what_runs_is_known_by_its_own_environment() {
    let text = "running.DROVER_VERSION=8.19.0\nrunning.DROVER_REVISION=abc\nrunning.X=y\n";
    let running = Report::read(text).running.unwrap();
    assert_eq!((&*running.version, &*running.revision), ("8.19.0", "abc"));
    assert_eq!((layout::VERSION, layout::REVISION), ("DROVER_VERSION", "DROVER_REVISION"));
}

#[test]
fn a_host_is_a_member_of_one_cluster_for_ever() {
    let stand = Stand::new();
    let file = stand.path("config/cluster-uuid");
    let note = |uuid: &str| stand.run(FORMED, &[&file, "elasticsearch", uuid, HEADER]);
    assert_eq!(note("uuid-1"), Ok(String::new()));
    assert_eq!(note("uuid-1"), Ok(String::new()));
    let refused = note("uuid-2").unwrap_err();
    assert_eq!(refused, "this host is a member of another cluster: uuid-1");
    assert_eq!(stand.read("config/cluster-uuid"), format!("{HEADER}\nuuid-1\n"));
}

#[test]
fn a_data_folder_with_nothing_but_what_the_file_system_put_there_is_nobody_s() {
    let stand = Stand::new();
    stand.write("data/lost+found/#12", "");
    let make = || stand.run(DATA, &[&stand.path("data"), "somebody", "750"]);
    assert_eq!(make(), Ok(String::new()));
    stand.write("data/theirs", "");
    assert!(make().unwrap_err().ends_with("and is not empty"));
}

#[test]
fn old_versions_go_but_for_what_runs_what_is_wanted_and_what_is_somebody_else_s() {
    let stand = Stand::new();
    for version in ["8.17.0", "8.18.0", "8.19.0", "8.19.1"] {
        stand.write(&format!("trees/{version}/.drover"), HEADER);
    }
    stand.write("trees/9.0.0/theirs", "");
    for part in ["8.16.0.part/x", "8.16.0.tar.gz.part", "8.19.1.tar.gz.part"] {
        stand.write(&format!("trees/{part}"), "");
    }
    symlink(stand.path("trees/8.18.0"), stand.path("trees/current")).unwrap();
    stand.run(PRUNE, &[&stand.path("trees"), "8.19.1", "8.19.0"]).unwrap();
    let mut left: Vec<String> = fs::read_dir(stand.0.join("trees"))
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort_unstable();
    assert_eq!(left, ["8.18.0", "8.19.0", "8.19.1", "8.19.1.tar.gz.part", "9.0.0", "current"]);
}

#[test]
fn what_a_run_has_kept_is_told_and_goes_unless_it_is_needed_just_now() {
    let stand = Stand::new();
    let prune = || stand.run(PRUNE, &[&stand.path("trees"), "8.19.0"]);
    assert!(!inspect(&stand).keeps_before);
    for folder in ["before", "before.new"] {
        stand.write(&format!("trees/{folder}/elasticsearch.keystore"), "s3cret");
        assert!(inspect(&stand).keeps_before, "{folder}");
        prune().unwrap();
        assert!(!stand.has(&format!("trees/{folder}")), "{folder}");
        assert!(!inspect(&stand).keeps_before);
    }
    prune().unwrap();
    stand.write("trees/before/revision", "old");
    let real = stand.read("bin/systemctl");
    let works = "case $* in list-units*) echo drover-r-1-swap-1.service; exit ;; esac\n";
    stand.program("bin/systemctl", &real.replace("#!/bin/sh\n", &format!("#!/bin/sh\n{works}")));
    prune().unwrap();
    assert!(stand.has("trees/before/revision"));
}

#[test]
fn what_drover_put_there_goes_and_data_only_where_that_is_asked_for() {
    let stand = Stand::new();
    let fill = || {
        stand.write("units/es.service", &format!("{HEADER}\n[Service]\n"));
        let files = ["drover/trees/8.19.0/x", "config/users", "logs/x.log", "data/nodes/0"];
        for name in files.into_iter().chain(["data/lost+found/#12"]) {
            stand.write(name, "");
        }
        stand.write("config/elasticsearch.yml", &format!("{HEADER}\ncluster.name: \"logs\"\n"));
        stand.write("state", "active");
    };
    let remove_of = |user: &str, data: &str| {
        let paths = ["units/es.service", "drover/trees", "config", "logs"].map(|it| stand.path(it));
        let [unit, trees, config, logs] = paths.each_ref().map(String::as_str);
        let at = stand.path("data");
        let whose = ["logs", ""];
        let rest = [HEADER, &at, data, user].into_iter().chain(whose);
        let all: Vec<_> =
            ["es.service", unit, trees, config, logs].into_iter().chain(rest).collect();
        stand.run(REMOVE, &all)
    };
    let owner = std::process::Command::new("id").arg("-un").output().unwrap().stdout;
    let owner = String::from_utf8(owner).unwrap();
    let remove = |data: &str| remove_of(owner.trim(), data);
    fill();
    remove("").unwrap();
    for name in ["units/es.service", "drover", "config", "logs"] {
        assert!(!stand.has(name), "{name}");
    }
    assert!(stand.has("data/nodes/0"));
    assert_eq!(stand.read("state"), "inactive\n");
    let asked = stand.asked();
    let place = |it: &str| asked.iter().position(|line| line == it).unwrap();
    assert!(place("--quiet disable -- es.service") < place("stop -- es.service"));
    assert!(place("stop -- es.service") < place("daemon-reload"));
    remove("").unwrap();

    fill();
    fs::remove_file(stand.0.join("units/es.service")).unwrap();
    remove("").unwrap();
    assert_eq!(stand.read("state"), "inactive\n", "it ran without its file");

    fill();
    assert!(remove_of("somebody", "data").unwrap_err().contains("does not belong to somebody"));
    assert!(stand.has("data/nodes/0") && stand.has("config"));
    remove("data").unwrap();
    assert!(stand.has("data") && !stand.has("data/nodes"), "the folder may be a mount");
    assert!(stand.has("data/lost+found/#12"), "what the file system saved");

    fill();
    stand.write("units/es.service", "[Service]\n");
    assert!(remove("data").unwrap_err().contains("Drover did not make"));
    assert!(stand.has("config") && stand.has("data/nodes/0"));
    fill();
    stand.write("hangs", "");
    assert!(remove("data").is_err());
    assert!(stand.has("data/nodes/0"), "what still runs keeps all it has");
}

#[test]
fn nothing_of_another_cluster_is_stopped_or_removed() {
    let stand = Stand::new();
    let owner = std::process::Command::new("id").arg("-un").output().unwrap().stdout;
    let owner = String::from_utf8(owner).unwrap();
    let remove = |name: &str, uuid: &str| {
        let paths = ["units/es.service", "drover/trees", "config", "logs", "data"];
        let paths = paths.map(|it| stand.path(it));
        let [unit, trees, config, logs, data] = paths.each_ref().map(String::as_str);
        let user = owner.trim();
        let before = ["es.service", unit, trees, config, logs, HEADER, data, "data", user];
        let all: Vec<&str> = before.into_iter().chain([name, uuid]).collect();
        stand.run(REMOVE, &all)
    };
    stand.write("units/es.service", &format!("{HEADER}\n[Service]\n"));
    stand.write("data/nodes/0", "");
    stand.write("state", "active");
    let refused = |name: &str, uuid: &str, words: &str| {
        let why = remove(name, uuid).unwrap_err();
        assert!(why.contains(words), "{why}");
        assert!(stand.has("data/nodes/0") && stand.has("units/es.service"), "{words}");
        assert_eq!((stand.asked().len(), &*stand.read("state")), (0, "active"), "{words}");
    };
    refused("logs", "own", "nobody can tell of which cluster");
    // Until the cluster is noted the settings tell; what runs counts before what waits.
    let settings = |name: &str| format!("{HEADER}\ncluster.name: \"{name}\"\nnode.name: \"a\"\n");
    stand.write("config/next/elasticsearch.yml", &settings("another"));
    refused("logs", "own", "another cluster than logs");
    stand.write("config/elasticsearch.yml", &settings("another"));
    stand.write("config/next/elasticsearch.yml", &settings("logs"));
    refused("logs", "own", "another cluster than logs");
    refused("other", "own", "another cluster than other");
    stand.write("config/elasticsearch.yml", &settings("logs"));
    stand.write("config/cluster-uuid", &format!("{HEADER}\nanother\n"));
    refused("logs", "own", "a member of another cluster: another");
    refused("logs", "", "a member of another cluster: another");
    stand.write("config/cluster-uuid", &format!("{HEADER}\nown\n"));
    remove("logs", "own").unwrap();
    assert!(!stand.has("data/nodes/0") && !stand.has("config"));
}
