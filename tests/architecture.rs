//! Holds the import rules that ARCHITECTURE.md states.
#![allow(clippy::unwrap_used)]

use std::{
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
                found.push((path, without_comments_and_tests(&text)));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(under), &mut found);
    assert!(!found.is_empty(), "no source under {under}: the rule would hold nothing");
    found
}

/// Prose may name what code may not, and tests may do what code may not.
fn without_comments_and_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|it| !it.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn check(files: &[(PathBuf, String)], forbidden: &[&str]) {
    for (path, text) in files {
        for word in forbidden {
            let line = text.lines().find(|it| it.contains(word));
            assert!(line.is_none(), "{} uses '{word}': {}", path.display(), line.unwrap_or(""));
        }
    }
}

#[test]
fn the_api_imports_nothing_else_of_this_crate() {
    let words =
        ["crate::controllers", "crate::elasticsearch", "crate::kubernetes", "crate::context"];
    check(&sources("src/api"), &words);
    check(&sources("src/api"), &["crate::telemetry", "crate::gate", "crate::run", "crate::cli"]);
}

#[test]
fn decisions_are_pure() {
    let pure = [
        "plan.rs",
        "status.rs",
        "findings.rs",
        "changes.rs",
        "cluster_gate.rs",
        "decision.rs",
        "drift.rs",
        "farewell.rs",
        "owned.rs",
        "ownership.rs",
    ];
    let mut files = sources("src/controllers");
    files.retain(|(path, _)| pure.iter().any(|it| path.ends_with(it)));
    assert!(files.len() >= 12, "only {} decision files were found", files.len());
    files.extend(sources("src/elasticsearch/values"));
    let words = [
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
    check(&files, &words);
}

#[test]
fn elasticsearch_knows_no_kubernetes() {
    let words = ["kube::", "k8s_openapi", "crate::api", "crate::controllers", "crate::kubernetes"];
    check(&sources("src/elasticsearch"), &words);
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
            check(&files, &[&format!("controllers::{other}"), &format!("super::super::{other}")]);
        }
    }
}

#[test]
fn only_the_kubernetes_folder_writes_to_the_api_server() {
    let writes = [".patch(", ".patch_status(", ".replace(", ".create(", ".delete("];
    check(&sources("src/controllers"), &writes);
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
