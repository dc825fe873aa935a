//! Text that a machine or a server said, made fit for a status.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// One line of at most `MAX` characters, with nothing in it that moves a terminal's cursor. What is
/// longer would have the whole status refused, so it is cut here.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line<const MAX: usize>(String);

impl<const MAX: usize> Line<MAX> {
    /// The text with each control character made a blank, trimmed, and cut.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let plain: String = text.chars().map(|it| if is_steering(it) { ' ' } else { it }).collect();
        let cut: String = plain.trim().chars().take(MAX).collect();
        Self(cut.trim_end().to_owned())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, line and paragraph separators, and those that turn the direction of writing.
fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl<const MAX: usize> fmt::Display for Line<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> JsonSchema for Line<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Line{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "maxLength": MAX })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_becomes_a_blank_and_the_ends_are_trimmed() {
        let cases = [
            ("debian\n", "debian"),
            ("a\nb", "a b"),
            ("\x1b[2Jred", "[2Jred"),
            ("a\u{202e}b\u{2028}c", "a b c"),
            ("é 日本", "é 日本"),
            ("\t \r\n", ""),
        ];
        for (text, line) in cases {
            assert_eq!(Line::<64>::new(text).as_str(), line, "{text:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut_by_characters() {
        assert_eq!(Line::<3>::new("日本語版").as_str(), "日本語");
        assert_eq!(Line::<3>::new("ab cd").as_str(), "ab");
        assert_eq!(Line::<3>::new("abc").to_string(), "abc");
    }
}
