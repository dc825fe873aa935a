//! Somebody else's words for why something was not done, as an error keeps them.

use std::fmt;

/// Elasticsearch's reason for not doing something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// `error.type`, such as `mapper_parsing_exception`; empty when the answer tells none.
    pub kind: Box<str>,
    /// `error.reason` with the reasons of its causes, outermost first.
    pub reason: Box<str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&*self.kind, &*self.reason) {
            ("", "") => f.write_str("no reason given"),
            ("", reason) => f.write_str(reason),
            (kind, "") => f.write_str(kind),
            (kind, reason) => write!(f, "{kind}: {reason}"),
        }
    }
}

/// A privilege that the credentials lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingPrivilege {
    /// Such as `cluster:monitor/state`.
    pub action: Option<Box<str>>,
    /// `cluster` or `index`.
    pub scope: Option<Box<str>>,
    /// Any one of these would do, in Elasticsearch's order.
    pub any_of: Vec<Box<str>>,
    /// Names of the indices and aliases that it is about, separated by commas.
    pub on: Option<Box<str>>,
    /// Elasticsearch's words.
    pub reason: Box<str>,
}

impl fmt::Display for MissingPrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(scope) = self.scope.as_ref().filter(|_| !self.any_of.is_empty()) else {
            return f.write_str(&self.reason);
        };
        write!(f, "it takes one of the {scope} privileges {}", self.any_of.join(", "))?;
        match &self.on {
            Some(names) => write!(f, " on {names}"),
            None => Ok(()),
        }
    }
}

/// Which figures in a server's words move by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    /// All of them: the words tell of load, times and sizes.
    All,
    /// Those that are set against another, as in `[999]/[1000] shards`, and those that are as long
    /// as times in milliseconds are. The others are the user's own.
    Some,
}

/// What stands for a figure that moves.
const FIGURE: &str = "…";
/// The units in which Elasticsearch writes sizes and times.
const UNITS: [&str; 14] =
    ["", "b", "kb", "mb", "gb", "tb", "pb", "nanos", "micros", "ms", "s", "m", "h", "d"];
/// The number of digits of a time in milliseconds, or more.
const LONG: usize = 10;

/// `text` without figures that move: a condition that holds one would be written anew, and told
/// anew as an event, at each look. Digits in names stay.
pub(super) fn steady(text: &str, moving: Moving) -> String {
    let parts = parts(text);
    let is = |at: Option<usize>, what: fn(&str) -> bool| {
        at.and_then(|it| parts.get(it)).is_some_and(|it| what(it))
    };
    let is_against = |it: &str| matches!(it, "/" | "]/[");
    let moves = |at: usize, part: &str| {
        moving == Moving::All
            || (is(Some(at + 1), is_against) && is(Some(at + 2), is_figure))
            || (is(at.checked_sub(1), is_against) && is(at.checked_sub(2), is_figure))
            || LONG <= part.bytes().filter(u8::is_ascii_digit).count()
    };
    let part = |(at, part): (usize, &&str)| match part.split_once('@') {
        _ if is_figure(part) && moves(at, part) => FIGURE.to_owned(),
        // Java writes where an object lies in memory.
        Some((class, place)) if is_place(place) => format!("{class}@{FIGURE}"),
        _ => (*part).to_owned(),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Words and figures, and what stands between them.
fn parts(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut before) = (0, false);
    for (at, it) in text.char_indices() {
        let goes_on = text[at + it.len_utf8()..].starts_with(char::is_alphanumeric);
        let in_word = it.is_alphanumeric() || matches!(it, '_' | '-' | '@') || it == '.' && goes_on;
        if in_word != before {
            parts.push(&text[start..at]);
            (start, before) = (at, in_word);
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Whether it is a number with or without a unit, or a time.
fn is_figure(part: &str) -> bool {
    let number = part.strip_prefix('-').unwrap_or(part);
    if !number.starts_with(|it: char| it.is_ascii_digit()) {
        return false;
    }
    let unit = number.trim_start_matches(|it: char| it.is_ascii_digit() || it == '.');
    let is_time = || {
        number.contains(['T', 'Z'])
            && number.bytes().all(|it| it.is_ascii_digit() || b"-.TZ".contains(&it))
    };
    UNITS.contains(&unit) || is_time()
}

fn is_place(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(moving: Moving, text: &str, expected: &str) {
        assert_eq!(steady(text, moving), expected);
    }

    #[test]
    fn words_of_load_hold_no_figure() {
        let cases = [
            (
                "[parent] Data too large, data for [<http_request>] would be [1020054732/972.7mb], \
                 which is larger than the limit of [1020054731/972.7mb]",
                "[parent] Data too large, data for [<http_request>] would be […/…], which is larger \
                 than the limit of […/…]",
            ),
            (
                "failed to process cluster event (create-index [books-1]) within 4.5s.",
                "failed to process cluster event (create-index [books-1]) within ….",
            ),
            (
                "rejected execution of o.e.Timed$Run@1a2b3c on Executor[name = n-1/write, queue \
                 capacity = 1000, o.e.Pool@7f[Running, active threads = 4]]",
                "rejected execution of o.e.Timed$Run@… on Executor[name = n-1/write, queue capacity \
                 = …, o.e.Pool@…[Running, active threads = …]]",
            ),
            ("at 2026-01-02T03:04:05.678Z, 93.5% full", "at …:…:…, …% full"),
            ("no master", "no master"),
            ("", ""),
        ];
        for (text, expected) in cases {
            check(Moving::All, text, expected);
        }
    }

    #[test]
    fn words_about_a_spec_keep_the_figures_that_are_the_users_own() {
        let kept = [
            "Limit of total fields [1] has been exceeded",
            "unknown setting [index.a1]",
            "failed to parse value [5ms] for setting [x] must be >= [30s]",
            "index [logs-2026.01.02/aB3_4] already exists",
        ];
        for text in kept {
            check(Moving::Some, text, text);
        }
        check(
            Moving::Some,
            "Validation Failed: 1: this action would add [2] shards, but this cluster currently has \
             [999]/[1000] maximum normal shards open;",
            "Validation Failed: 1: this action would add [2] shards, but this cluster currently has \
             […]/[…] maximum normal shards open;",
        );
        check(Moving::Some, "since 1767225600000", "since …");
    }
}
