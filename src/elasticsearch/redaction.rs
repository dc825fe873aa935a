//! What of a connection's credentials is secret, in the forms in which it goes out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::ExposeSecret as _;

use super::connection::Auth;
use crate::redaction::Secrets;

/// The secrets of `auth`.
pub(super) fn secrets(auth: &Auth) -> Secrets {
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
    Secrets::new(&plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOT: &str = "[redacted]";
    const PASSWORD: &str = "pä\"ss/wörd";

    fn basic(password: &str) -> Secrets {
        secrets(&Auth::Basic { username: "drover".into(), password: password.into() })
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
        let secrets = secrets(&Auth::ApiKey(encoded.as_str().into()));
        assert_eq!(secrets.blotted(&format!("ApiKey {encoded}")), "ApiKey [redacted]");
        assert_eq!(secrets.blotted("its-id:its-secret-part"), "its-id:[redacted]");
    }
}
