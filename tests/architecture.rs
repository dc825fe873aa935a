//! Holds the import rules that ARCHITECTURE.md states.
#![allow(clippy::unwrap_used)]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

fn sources(under: &str) -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().is_some_and(|it| it == "tests" || it == "tests.rs") {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, plain(&text)));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(under), &mut found);
    assert!(!found.is_empty(), "no source under {under}: the rule would hold nothing");
    found
}

/// What the rules are about: prose may name what code may not, and tests may do what code may not.
/// Each imported path stands on a line of its own, in full.
fn plain(text: &str) -> String {
    let code: Vec<&str> = text.lines().filter(|it| !it.trim_start().starts_with("//")).collect();
    with_whole_imports(&without_tests(&code.join("\n")))
}

/// The same without every item under `#[cfg(test)]`.
fn without_tests(text: &str) -> String {
    let mut parts = text.split("#[cfg(test)]");
    let mut code = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        code += &part[end_of_item(part)..];
    }
    code
}

/// Where the item ends that `text` begins with: at its semicolon, or where its braces are closed.
fn end_of_item(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Each `use` as one line for each path that it names.
fn with_whole_imports(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(at) = start_of_import(line) else {
            code += line;
            code += "\n";
            continue;
        };
        let mut tree = line[at..].to_owned();
        while !tree.contains(';') {
            tree += lines.next().expect("an import ends with a semicolon");
        }
        let tree: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
        for path in paths(tree.trim_end_matches(';')) {
            writeln!(code, "use {path};").unwrap();
        }
    }
    code
}

fn start_of_import(line: &str) -> Option<usize> {
    let at = line.find("use ")?;
    let before = line[..at].trim();
    // Not such as `pub fn complaint() -> Cause {`.
    let is_import = before.is_empty()
        || before == "pub"
        || (before.starts_with("pub(") && before.ends_with(')'));
    is_import.then_some(at + "use ".len())
}

/// All paths of a tree such as `crate::{a::{self, b}, c}`.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, rest)) = tree.split_once('{') else { return vec![tree.to_owned()] };
    let inner = rest.trim_end().strip_suffix('}').expect("a group is closed at its end");
    let mut depth = 0_usize;
    let members = inner.split(|letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    });
    let members = members.filter(|it| !it.trim().is_empty());
    members.flat_map(paths).map(|it| format!("{before}{it}")).collect()
}

/// The first line of `text` with one of these words.
fn hit<'a>(text: &'a str, forbidden: &[&str]) -> Option<&'a str> {
    text.lines().find(|line| forbidden.iter().any(|it| has(line, it)))
}

/// Whether `word` stands in `line`, and not only the beginning of a longer one.
fn has(line: &str, word: &str) -> bool {
    let is_open = word.ends_with(|it: char| it.is_alphanumeric());
    line.match_indices(word).any(|(at, _)| {
        let rest = &line[at + word.len()..];
        !is_open || !rest.starts_with(|it: char| it.is_alphanumeric() || it == '_')
    })
}

fn check(files: &[(PathBuf, String)], forbidden: &[&str]) {
    for (path, text) in files {
        let line = hit(text, forbidden);
        assert!(line.is_none(), "{} has {line:?}; forbidden: {forbidden:?}", path.display());
    }
}

const OUTSIDE_API: [&str; 1] = ["crate::"];
const IMPURE: [&str; 11] = [
    "async ",
    ".await",
    "kube::Client",
    "Client::",
    "reqwest",
    "russh",
    "::now()",
    "fastrand",
    "std::fs",
    "std::env",
    "tokio",
];
const KUBERNETES: [&str; 5] =
    ["kube::", "k8s_openapi", "crate::api", "crate::controllers", "crate::kubernetes"];
const WRITES: [&str; 5] = [".patch(", ".patch_status(", ".replace(", ".create(", ".delete("];

/// What a controller may not name of another one.
fn of_controller(other: &str) -> [String; 2] {
    [format!("controllers::{other}::"), format!("super::super::{other}::")]
}

#[test]
fn the_api_imports_nothing_else_of_this_crate() {
    let mut files = sources("src/api");
    for (_, text) in &mut files {
        *text = text.replace("crate::api", "");
    }
    check(&files, &OUTSIDE_API);
}

#[test]
fn decisions_are_pure() {
    let pure = [
        "plan.rs",
        "status.rs",
        "findings.rs",
        "mesh.rs",
        "changes.rs",
        "diagnostics.rs",
        "outdated.rs",
        "removal.rs",
        "cluster_gate.rs",
        "decision.rs",
        "drift.rs",
        "farewell.rs",
        "owned.rs",
        "ownership.rs",
        "deletion.rs",
        "prepared.rs",
        "treatment.rs",
        "errand.rs",
    ];
    let mut files = sources("src/controllers");
    files.retain(|(path, _)| pure.iter().any(|it| path.ends_with(it)));
    assert!(files.len() >= 12, "only {} decision files were found", files.len());
    files.extend(sources("src/elasticsearch/values"));
    files.extend(sources("src/deploy"));
    let mut flannel = sources("src/flannel");
    flannel.retain(|(path, _)| path.ends_with("config.rs"));
    assert_eq!(flannel.len(), 1);
    files.extend(flannel);
    check(&files, &IMPURE);
}

/// Scripted servers are part of the tests.
fn is_scripted(path: &Path) -> bool {
    path.components().any(|it| it.as_os_str().to_string_lossy().starts_with("scripted"))
}

#[test]
fn elasticsearch_and_hosts_know_no_kubernetes_and_not_each_other() {
    for (folder, other) in [("src/elasticsearch", "ssh::"), ("src/ssh", "elasticsearch::")] {
        let mut files = sources(folder);
        files.retain(|(path, _)| !is_scripted(path));
        check(&files, &KUBERNETES);
        check(&files, &[other]);
    }
}

#[test]
fn what_is_decided_about_hosts_is_pure() {
    let pure = [
        "ssh/command.rs",
        "ssh/families.rs",
        "ssh/host_key.rs",
        "host_key/fingerprint.rs",
        "ssh/path.rs",
        "facts/parse.rs",
        "preparation/diff.rs",
        "preparation/files.rs",
        "preparation/report.rs",
        "flanneld/diff.rs",
        "flanneld/files.rs",
        "flanneld/report.rs",
        "deploy/diff.rs",
        "deploy/files.rs",
        "deploy/job.rs",
        "deploy/layout.rs",
        "deploy/report.rs",
    ];
    let mut files = sources("src/ssh");
    files.retain(|(path, _)| pure.iter().any(|it| path.ends_with(it)));
    assert_eq!(files.len(), pure.len());
    let words = ["async ", ".await", "tokio", "Session", "::now()", "std::fs", "std::env"];
    check(&files, &words);
}

#[test]
fn what_a_shell_on_a_host_reads_is_drovers_own_text() {
    let mut files = sources("src/ssh");
    files.retain(|(path, _)| !is_scripted(path));
    // Scripts are constants, and only the command itself knows how a shell is called.
    check(&files, &["Box::leak", ".leak()"]);
    files.retain(|(path, _)| !path.ends_with("ssh/command.rs"));
    check(&files, &["\"sh\"", "\"bash\"", "quote("]);
}

#[test]
fn what_signs_knows_nobody_that_it_signs_for() {
    check(&sources("src/authority"), &KUBERNETES);
    check(&sources("src/authority"), &["crate::ssh", "crate::deploy", "async ", "::now()"]);
}

#[test]
fn flannel_knows_no_kubernetes() {
    check(&sources("src/flannel"), &KUBERNETES);
    check(&sources("src/flannel"), &["crate::elasticsearch", "crate::nodes", "crate::context"]);
}

#[test]
fn other_api_servers_know_nothing_of_drover_s_own() {
    let words = ["crate::api", "crate::controllers", "crate::kubernetes", "crate::elasticsearch"];
    check(&sources("src/nodes"), &words);
    check(&sources("src/nodes"), &["crate::context", "crate::telemetry", "Config::infer"]);
}

#[test]
fn what_all_share_knows_none_of_those_who_share_it() {
    let shared = ["src/tls", "src/transport"];
    let mut files: Vec<_> = shared.into_iter().flat_map(sources).collect();
    let single = [
        "tls.rs",
        "transport.rs",
        "chain.rs",
        "digest.rs",
        "foreign.rs",
        "gate.rs",
        "redaction.rs",
    ];
    let top = sources("src").into_iter().filter(|(path, _)| {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        single.iter().any(|it| *path == top.join(it))
    });
    files.extend(top);
    assert!(single.len() + 4 <= files.len(), "only {} files were found", files.len());
    let words = ["crate::api", "crate::controllers", "crate::elasticsearch", "crate::kubernetes"];
    check(&files, &words);
    check(&files, &["kube::", "k8s_openapi", "crate::nodes", "crate::flannel", "crate::context"]);
}

#[test]
fn controllers_do_not_import_each_other() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/controllers");
    let kinds: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.join("plan.rs").exists())
        .map(|it| it.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert!(kinds.len() >= 2);
    for kind in &kinds {
        let files = sources(&format!("src/controllers/{kind}"));
        for other in kinds.iter().filter(|it| *it != kind) {
            let words = of_controller(other);
            check(&files, &words.each_ref().map(String::as_str));
        }
    }
}

#[test]
fn only_the_kubernetes_folder_writes_to_the_api_server() {
    check(&sources("src/controllers"), &WRITES);
}

#[test]
fn the_check_finds_what_it_is_there_for() {
    let cluster = of_controller("cluster");
    let cluster = cluster.each_ref().map(String::as_str);
    let bad: [(&str, &[&str]); 9] = [
        ("use crate::{api::fields, controllers::Next};", &OUTSIDE_API),
        (
            "use crate::{\n    api::{self, fields},\n    telemetry::{\n        logs,\n    },\n};",
            &OUTSIDE_API,
        ),
        ("pub(crate) use crate::{error::Error};", &OUTSIDE_API),
        ("use crate::{chain::chain, api::index::Index};", &KUBERNETES),
        ("use kube::Client;", &KUBERNETES),
        ("#[cfg(test)]\nmod tests;\nuse tokio::time;", &IMPURE),
        ("#[cfg(test)]\nmod tests {\n    fn a() {}\n}\nasync fn look() {}", &IMPURE),
        ("use crate::controllers::{backoff, cluster::plan::Plan};", &cluster),
        ("fn f() { super::super::cluster::plan::plan(); }", &cluster),
    ];
    for (text, forbidden) in bad {
        assert!(hit(&plain(text), forbidden).is_some(), "{text}");
    }
    let good: [(&str, &[&str]); 7] = [
        ("pub fn why(&self) -> Cause {\n    cause()\n}", &["crate::"]),
        ("let waits = outcome.awaiting;", &IMPURE),
        ("pub(crate) use super::{condition, fields::{self, JsonObject}};", &OUTSIDE_API),
        ("// use crate::controllers::Next;", &OUTSIDE_API),
        ("#[cfg(test)]\nmod tests {\n    use tokio::time;\n}", &IMPURE),
        ("#[cfg(test)]\nuse tokio::{\n    time,\n};\nfn f() {}", &IMPURE),
        ("use crate::controllers::{cluster_gate, index::plan};", &cluster),
    ];
    for (text, forbidden) in good {
        assert_eq!(hit(&plain(text), forbidden), None, "{text}");
    }
}

/// The modules beside it that a file imports from.
fn siblings(text: &str, all: &[String]) -> Vec<String> {
    let imports = text.split("use super::").skip(1).filter_map(|it| it.split(';').next());
    let imports: String = imports.collect::<Vec<_>>().join("\n");
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    let named = |module: &&String| {
        let imported = imports.match_indices(module.as_str()).any(|(at, it)| {
            let (before, after) = (&imports[..at], &imports[at + it.len()..]);
            // `poller::Pace`, `poller` and `{self, poller}`, but neither a type nor a part of a path.
            !before.ends_with(is_word) && !before.ends_with("::") && !after.starts_with(is_word)
        });
        imported || text.contains(&format!("super::{module}::"))
    };
    all.iter().filter(named).cloned().collect()
}

#[test]
fn the_parts_of_the_elasticsearch_client_build_on_each_other_in_one_direction() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/elasticsearch");
    let mut files = sources("src/elasticsearch");
    files.retain(|(path, _)| path.parent() == Some(&folder) && !path.ends_with("mod.rs"));
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let all: Vec<String> = files.iter().map(|(path, _)| name(path)).collect();
    let mut left: Vec<(String, Vec<String>)> =
        files.iter().map(|(path, text)| (name(path), siblings(text, &all))).collect();
    assert!(left.iter().any(|(_, uses)| uses.len() > 3), "no import was found: {left:?}");
    // Takes away what builds on nothing that is left, until nothing goes.
    loop {
        let names: Vec<String> = left.iter().map(|(name, _)| name.clone()).collect();
        let before = left.len();
        left.retain(|(name, uses)| uses.iter().any(|it| it != name && names.contains(it)));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "these build on each other in a circle: {left:#?}");
}
