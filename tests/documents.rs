//! Holds the documents against the code: what people meet in a status, an answer or /metrics is to be found there.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The code of a file without its comments and its own tests.
fn code(path: &str) -> String {
    let text = read(path);
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|it| !it.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The words that an enum has in its `as_str`, which names each of its variants. The first enum of the file that
/// has one is meant, or the one in `part` of it.
fn words(path: &str, part: &str) -> BTreeSet<String> {
    let text = code(path);
    let (_, rest) = text.split_once(part).unwrap();
    let (_, rest) = rest.split_once("fn as_str(self)").unwrap();
    let arms = rest.split("\n    }").next().unwrap();
    let arms = arms.lines().filter_map(|it| it.split_once("=> \"")?.1.split('"').next());
    arms.map(str::to_owned).collect()
}

/// What stands in quotes right after one of these beginnings, whatever blanks are between.
fn quoted_after(text: &str, beginning: &str) -> BTreeSet<String> {
    let rests = text.split(beginning).skip(1).map(str::trim_start);
    let quoted = rests.filter_map(|it| it.strip_prefix('"')?.split('"').next());
    quoted.map(str::to_owned).collect()
}

/// Whether `word` stands in `text`, and not only as a part of a longer one.
fn has(text: &str, word: &str) -> bool {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_word) && !text[at + word.len()..].starts_with(is_word)
    })
}

fn assert_told(page: &str, names: &BTreeSet<String>, least: usize) {
    assert!(least <= names.len(), "only {names:?} were found in the code");
    let text = read(page);
    let untold: Vec<&String> = names.iter().filter(|it| !has(&text, it)).collect();
    assert!(untold.is_empty(), "{page} does not tell of {untold:?}");
}

/// The rows of each table of a page whose first cell is this word, by cells.
fn rows<'a>(text: &'a str, first: &str) -> Vec<Vec<&'a str>> {
    let rows = text.lines().filter_map(|it| it.strip_prefix('|')?.strip_suffix('|'));
    let rows = rows.map(|it| it.split('|').map(str::trim).collect::<Vec<_>>());
    rows.filter(|it| it[0] == first).collect()
}

#[test]
fn each_gate_has_a_row_that_tells_what_shuts_it_and_what_opens_it() {
    let gates = words("src/rollout/gate.rs", "impl Gate");
    assert!(18 <= gates.len(), "{gates:?}");
    let page = read("docs/rolls.md");
    let (_, page) = page.split_once("\n## What keeps a host up\n").unwrap();
    let table = page.split("\n## ").next().unwrap();
    for gate in &gates {
        let rows = rows(table, gate);
        assert_eq!(rows.len(), 1, "{gate}");
        assert!(rows[0].len() == 3 && rows[0].iter().all(|it| !it.is_empty()), "{gate}: {rows:?}");
    }
    let told = table.lines().filter(|it| it.starts_with("| ")).count() - 1;
    assert_eq!(told, gates.len(), "the table tells of gates that there are not");
}

#[test]
fn each_step_of_a_host_is_told() {
    assert_told("docs/rolls.md", &words("src/rollout/run.rs", "impl Step"), 14);
}

#[test]
fn each_reason_of_a_condition_is_told() {
    assert_told("docs/status.md", &words("src/api/condition.rs", "impl Reason"), 50);
}

#[test]
fn each_annotation_by_which_a_person_decides_is_told() {
    let text = code("src/api/mod.rs");
    let consts = text.lines().filter(|it| it.starts_with("pub const "));
    let values = consts.filter_map(|it| it.split_once(": &str = \"")?.1.split('"').next());
    let names = values.filter(|it| it.starts_with("drover.dev/") && !it.ends_with("/finalizer"));
    assert_told("docs/status.md", &names.map(str::to_owned).collect(), 7);
}

#[test]
fn each_metric_is_told() {
    let mut names = quoted_after(&code("src/telemetry/metrics.rs"), "registry.register(");
    let objects = code("src/telemetry/objects.rs");
    names.extend(quoted_after(&objects, ".encode_descriptor("));
    let of_kind = quoted_after(&objects, "format!(");
    let of_kind = of_kind.iter().filter_map(|it| it.strip_prefix("{kind}_"));
    assert_eq!(of_kind.clone().count(), 4, "ready, health, state and certificates");
    names.extend(of_kind.map(|it| match it {
        "state" => "host_state".to_owned(),
        other => format!("cluster_{other}"),
    }));
    let names: BTreeSet<String> = names.iter().map(|it| format!("drover_{it}")).collect();
    assert!(20 <= names.len(), "{names:?}");
    // Counters, and what only informs, end otherwise for whoever reads them.
    let page = read("docs/status.md");
    let ends = ["", "_total", "_info"];
    let is_told = |it: &str| ends.iter().any(|end| has(&page, &format!("{it}{end}")));
    let untold: Vec<&String> = names.iter().filter(|it| !is_told(it)).collect();
    assert!(untold.is_empty(), "docs/status.md does not tell of {untold:?}");
}

#[test]
fn each_rule_of_a_diagnostic_is_told() {
    let mut rules = BTreeSet::new();
    for path in [
        "src/controllers/cluster/diagnostics.rs",
        "src/controllers/cluster/live/findings.rs",
        "src/controllers/cluster/rollout/findings.rs",
    ] {
        let text = code(path);
        for beginning in ["rule:", "warning(", "const ALLOCATION: &str ="] {
            rules.extend(quoted_after(&text, beginning));
        }
    }
    assert_told("docs/status.md", &rules, 9);
}

fn pages() -> Vec<PathBuf> {
    let of = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let all = of(root().to_owned()).chain(of(root().join("docs")));
    all.filter(|it| it.extension().is_some_and(|it| it == "md")).collect()
}

/// How a heading is named in a link to it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|it| it.is_alphanumeric() || " -_".contains(*it));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn each_link_leads_to_a_file_and_a_heading_that_are_there() {
    let mut count = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).filter_map(|it| it.split(')').next());
        for link in links.filter(|it| !it.contains("://")) {
            count += 1;
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let there = fs::read_to_string(&target).unwrap();
                let headings = there.lines().filter(|it| it.starts_with('#'));
                let mut anchors = headings.map(|it| anchor(it.trim_start_matches('#')));
                assert!(anchors.any(|it| it == heading), "{}: {link}", page.display());
            }
        }
    }
    assert!(30 <= count, "only {count} links were found");
}
