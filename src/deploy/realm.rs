//! The users that Elasticsearch reads from files: they work before there is a cluster, and while
//! its own index of users is red.

use std::num::NonZeroU32;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    digest::{SHA256, digest},
    pbkdf2::{PBKDF2_HMAC_SHA512, derive},
};
use secrecy::{ExposeSecret as _, SecretString};

/// What Elasticsearch takes by default. The passwords are random, and longer than a key.
const ROUNDS: NonZeroU32 = NonZeroU32::new(10_000).expect("it is not zero");

/// A user with a password, as the file `users` has it.
///
/// The salt comes from `realm` and the name: it has to be another one in each cluster, not a secret,
/// and the file has to be the same each time that it is made.
#[must_use]
pub fn hash(realm: &str, user: &str, password: &SecretString) -> SecretString {
    let salt = digest(&SHA256, format!("drover file realm\0{realm}\0{user}").as_bytes());
    let mut key = [0; 32];
    derive(
        PBKDF2_HMAC_SHA512,
        ROUNDS,
        salt.as_ref(),
        password.expose_secret().as_bytes(),
        &mut key,
    );
    let (salt, key) = (STANDARD.encode(salt), STANDARD.encode(key));
    format!("{{PBKDF2}}{ROUNDS}${salt}${key}").into()
}
