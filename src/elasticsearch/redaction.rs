//! Blots out what was secret and came back.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};

use super::{connection::Auth, names::segment};

/// What stands where a secret stood.
const BLOT: &str = "[redacted]";
/// A secret that is shorter, in bytes, is blotted out only where it stands as a word of its own: it
/// may well be a part of another word.
const SHORT: usize = 8;

/// The credentials of one connection, in every form in which a server may send them back.
pub(super) struct Secrets(Box<[SecretString]>);

impl Secrets {
    pub(super) fn of(auth: &Auth) -> Self {
        let mut plain: Vec<String> = Vec::new();
        match auth {
            Auth::Anonymous | Auth::ClientCertificate { .. } => {}
            Auth::Basic { username, password } => {
                let password = password.expose_secret();
                plain.push(STANDARD.encode(format!("{username}:{password}")));
                plain.push(STANDARD.encode(password));
                plain.push(password.to_owned());
            }
            Auth::ApiKey(key) => {
                let key = key.expose_secret();
                let decoded = STANDARD.decode(key).ok().and_then(|it| String::from_utf8(it).ok());
                plain.push(key.to_owned());
                // The first part is a name.
                plain.extend(decoded.and_then(|it| Some(it.split_once(':')?.1.to_owned())));
            }
            Auth::Bearer(token) => plain.push(token.expose_secret().to_owned()),
        }
        let mut forms: Vec<String> = plain.iter().flat_map(|it| spellings(it)).collect();
        forms.retain(|it| !it.is_empty());
        // What holds another one goes first.
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self(forms.into_iter().map(SecretString::from).collect())
    }

    /// Whether `text` holds a secret.
    pub(super) fn are_in(&self, text: &str) -> bool {
        self.0.iter().any(|it| find(text, it.expose_secret(), 0).is_some())
    }

    /// Blots the secrets out of `text`.
    pub(super) fn blot(&self, text: &mut String) {
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
    pub(super) fn blotted(&self, text: &str) -> String {
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

    const PASSWORD: &str = "pä\"ss/wörd";

    fn basic(password: &str) -> Secrets {
        Secrets::of(&Auth::Basic { username: "drover".into(), password: password.into() })
    }

    #[test]
    fn a_password_is_blotted_out_in_every_form() {
        let secrets = basic(PASSWORD);
        let forms = [
            PASSWORD.to_owned(),
            STANDARD.encode(format!("drover:{PASSWORD}")),
            STANDARD.encode(PASSWORD),
            serde_json::Value::from(PASSWORD).to_string(),
            "p\\u00e4\\\"ss/w\\u00f6rd".to_owned(),
            "p\\u00E4\\\"ss/w\\u00F6rd".to_owned(),
            "p%C3%A4%22ss%2Fw%C3%B6rd".to_owned(),
        ];
        for form in forms {
            let text = format!("Basic {form}, or so");
            assert!(secrets.are_in(&text), "{form}");
            let blotted = secrets.blotted(&text);
            assert!(blotted.contains(BLOT), "{form}: {blotted}");
            for part in ["ss/w", "rd,", &form[..4]] {
                assert!(!blotted.contains(part), "{form}: {blotted}");
            }
        }
        assert_eq!(secrets.blotted("nothing of it"), "nothing of it");
    }

    #[test]
    fn an_api_key_is_blotted_out_encoded_and_decoded() {
        let encoded = STANDARD.encode("its-id:its-secret-part");
        let secrets = Secrets::of(&Auth::ApiKey(encoded.as_str().into()));
        assert_eq!(secrets.blotted(&format!("ApiKey {encoded}")), "ApiKey [redacted]");
        assert_eq!(secrets.blotted("its-id:its-secret-part"), "its-id:[redacted]");
    }

    #[test]
    fn a_bearer_token_is_blotted_out_wherever_it_stands() {
        let secrets = Secrets::of(&Auth::Bearer("AAEAAWVsYXN0".into()));
        assert_eq!(secrets.blotted("xAAEAAWVsYXN0yAAEAAWVsYXN0"), "x[redacted]y[redacted]");
    }

    #[test]
    fn a_short_password_is_no_part_of_other_words() {
        let secrets = basic("elastic");
        assert_eq!(secrets.blotted("elasticsearch: elastic!"), "elasticsearch: [redacted]!");
        assert!(!secrets.are_in("elasticsearch"));
    }

    #[test]
    fn where_nothing_is_secret_nothing_is_blotted_out() {
        assert_eq!(Secrets::of(&Auth::Anonymous).blotted("a b"), "a b");
    }
}
