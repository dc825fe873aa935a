//! The files that Drover keeps on a host: pure text.

use std::{collections::BTreeMap, fmt::Write};

use super::{Limit, UNIT_LIMITS, is_sysctl, report::File};
use crate::ssh::steps::HEADER;

/// What comes before a value that was there before Drover.
const BEFORE: &str = "# before: ";
/// 1 keeps memory from being swapped out but where there is no other way.
pub(super) const SWAPPINESS: &str = "vm.swappiness";
/// How many areas of memory a process may map.
pub(super) const MAP_COUNT: &str = "vm.max_map_count";

/// How a file of Drover's is to be, besides its text.
pub(super) const STATE: &str = "regular file|644|root|root";

/// The values that kernel parameters had before Drover, as its file remembers them.
pub(super) fn before(file: Option<&File>) -> BTreeMap<&str, &str> {
    let lines = file.filter(|it| is_ours(it)).map(|it| &*it.lines).unwrap_or_default();
    lines
        .iter()
        .filter_map(|it| it.strip_prefix(BEFORE)?.split_once(" = "))
        .filter(|(name, value)| is_sysctl(name) && !value.is_empty())
        .collect()
}

/// The values that its file gives kernel parameters.
pub(super) fn set(file: Option<&File>) -> BTreeMap<&str, &str> {
    let lines = file.filter(|it| is_ours(it)).map(|it| &*it.lines).unwrap_or_default();
    let pairs = lines.iter().filter_map(|it| it.split_once(" = "));
    pairs.filter(|(name, value)| is_sysctl(name) && !value.is_empty()).collect()
}

/// The file of kernel parameters.
pub(super) fn sysctls(wanted: &BTreeMap<&str, &str>, before: &BTreeMap<&str, &str>) -> String {
    let mut text = format!("{HEADER}\n");
    // Writing to a String can't fail.
    for (name, value) in before {
        let _ = writeln!(text, "{BEFORE}{name} = {value}");
    }
    for (name, value) in wanted {
        let _ = writeln!(text, "{name} = {value}");
    }
    text
}

/// The file of a unit's limits.
pub(super) fn limits() -> String {
    let mut text = format!("{HEADER}\n[Service]\n");
    for (name, limit) in UNIT_LIMITS {
        let _ = match limit {
            Limit::AtLeast(number) => writeln!(text, "{name}={number}"),
            Limit::Infinity => writeln!(text, "{name}=infinity"),
        };
    }
    text
}

pub(super) fn is_ours(file: &File) -> bool {
    file.lines.first().is_some_and(|it| &**it == HEADER)
}

/// Whether `file` has this text, and the state that Drover gives it.
pub(super) fn is(file: Option<&File>, text: &str) -> bool {
    file.is_some_and(|it| &*it.state == STATE && it.lines.iter().map(|it| &**it).eq(text.lines()))
}

/// What a file is, for people.
pub(super) fn describe(file: Option<&File>) -> &'static str {
    match file {
        None => "missing",
        Some(file) if !is_ours(file) => "made by somebody else",
        Some(file) if &*file.state != STATE => "with another owner or mode",
        Some(_) => "with another text",
    }
}
