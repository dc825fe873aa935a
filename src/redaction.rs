//! Blots out what was secret and came back.

use secrecy::{ExposeSecret as _, SecretString};

use crate::transport::segment;

/// What stands where a secret stood.
const BLOT: &str = "[redacted]";
/// A secret that is shorter, in bytes, is blotted out only where it stands as a word of its own: it
/// may well be a part of another word.
const SHORT: usize = 8;

/// The credentials of one connection, in every form in which a server may send them back.
pub(crate) struct Secrets(Box<[SecretString]>);

impl Secrets {
    /// `plain` holds each secret as it is, and encoded where it goes out so.
    pub(crate) fn new(plain: &[String]) -> Self {
        let mut forms: Vec<String> = plain.iter().flat_map(|it| spellings(it)).collect();
        forms.retain(|it| !it.is_empty());
        // What holds another one goes first.
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self(forms.into_iter().map(SecretString::from).collect())
    }

    /// Whether `text` holds a secret.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|it| find(text, it.expose_secret(), 0).is_some())
    }

    /// Blots the secrets out of `text`.
    pub(crate) fn blot(&self, text: &mut String) {
        for secret in &self.0 {
            let secret = secret.expose_secret();
            let mut from = 0;
            while let Some(at) = find(text, secret, from) {
                text.replace_range(at..at + secret.len(), BLOT);
                from = at + BLOT.len();
            }
        }
    }

    /// `text` without the secrets.
    pub(crate) fn blotted(&self, text: &str) -> String {
        let mut text = text.to_owned();
        self.blot(&mut text);
        text
    }
}

/// Where `secret` stands in `text`, at `from` or later.
fn find(text: &str, secret: &str, from: usize) -> Option<usize> {
    let is_whole = |at: usize| {
        SHORT <= secret.len()
            || !text[..at].ends_with(char::is_alphanumeric)
                && !text[at + secret.len()..].starts_with(char::is_alphanumeric)
    };
    text[from..].match_indices(secret).map(|(at, _)| from + at).find(|at| is_whole(*at))
}

/// `secret` as it is, in a text of JSON, where that may hold ASCII only, and in a URL.
fn spellings(secret: &str) -> [String; 5] {
    let json = serde_json::Value::from(secret).to_string();
    let json = json.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned();
    let ascii = |upper: bool| -> String {
        let escape = |it: u16| if upper { format!("\\u{it:04X}") } else { format!("\\u{it:04x}") };
        let mut units = [0; 2];
        let one = |it: char| match it {
            it if it.is_ascii() => it.to_string(),
            it => it.encode_utf16(&mut units).iter().map(|it| escape(*it)).collect(),
        };
        json.chars().map(one).collect()
    };
    let (lower, upper) = (ascii(false), ascii(true));
    [secret.to_owned(), json, lower, upper, segment(secret)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(secret: &str) -> Secrets {
        Secrets::new(&[secret.to_owned()])
    }

    #[test]
    fn a_token_is_blotted_out_wherever_it_stands() {
        let secrets = secrets("AAEAAWVsYXN0");
        assert_eq!(secrets.blotted("xAAEAAWVsYXN0yAAEAAWVsYXN0"), "x[redacted]y[redacted]");
    }

    #[test]
    fn a_short_password_is_no_part_of_other_words() {
        let secrets = secrets("elastic");
        assert_eq!(secrets.blotted("elasticsearch: elastic!"), "elasticsearch: [redacted]!");
        assert!(!secrets.are_in("elasticsearch"));
    }

    #[test]
    fn where_nothing_is_secret_nothing_is_blotted_out() {
        assert_eq!(Secrets::new(&[]).blotted("a b"), "a b");
    }
}
