//! Types of a Host's fields, each with the rules that the API server checks at admission. What ends
//! up in a command, a file name or a connection on a machine is held to the characters it needs.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A host name or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address(pub String);

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 253,
            "x-kubernetes-validations": [{
                // A name of digits and dots alone is a mistyped IPv4 address.
                "rule": r"isIP(self) || (self.matches(r'^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*[.]?$') && !self.matches(r'^[0-9.]+$'))",
                "message": "must be a host name such as 'es-1.example' or an IP address: letters, digits, '.', '-', '_' and ':' alone, not beginning with '-'"
            }]
        })
    }
}

/// The name of a user on a Linux machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserName(pub String);

impl UserName {
    /// The user of a Host that names none.
    #[must_use]
    pub fn root() -> Self {
        Self("root".into())
    }
}

impl JsonSchema for UserName {
    fn schema_name() -> Cow<'static, str> {
        "UserName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 64,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^[A-Za-z0-9_][A-Za-z0-9_.@-]*$')",
                "message": "must be a user name: letters, digits, '_', '.', '@' and '-' alone, beginning with one of the first three"
            }]
        })
    }
}

/// The fingerprint of an SSH key as OpenSSH writes it: `SHA256:` and 43 characters of base64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyFingerprint(pub String);

impl JsonSchema for KeyFingerprint {
    fn schema_name() -> Cow<'static, str> {
        "KeyFingerprint".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 50,
            "x-kubernetes-validations": [{
                "rule": "self.matches('^SHA256:[A-Za-z0-9+/]{43}$')",
                "message": "must be a fingerprint as `ssh-keygen -lf` shows it: 'SHA256:' and 43 characters of base64"
            }]
        })
    }
}

/// An SSH public key in the one-line form of OpenSSH: type, base64, and maybe a comment. The base64
/// begins with the type once more, so that the two can't differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKeyLine(pub String);

impl JsonSchema for PublicKeyLine {
    fn schema_name() -> Cow<'static, str> {
        "PublicKeyLine".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": 4096,
            "x-kubernetes-validations": [{
                "rule": r"self.matches(r'^(ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}|ecdsa-sha2-nistp(256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAI|384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAI|521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAI)[A-Za-z0-9+/]+={0,2}|ssh-rsa AAAAB3NzaC1yc2E[A-Za-z0-9+/]+={0,2})( [^\x00-\x1f\x7f]*)?$')",
                "message": "must be an OpenSSH public key line, such as 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... comment', of type ssh-ed25519, ecdsa-sha2-nistp256, -384, -521 or ssh-rsa"
            }]
        })
    }
}

/// Kernel parameters by their dotted name, such as `vm.swappiness`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctls(pub BTreeMap<String, String>);

impl Sysctls {
    /// Whether none is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl JsonSchema for Sysctls {
    fn schema_name() -> Cow<'static, str> {
        "Sysctls".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "maxProperties": 64,
            "additionalProperties": {
                "type": "string",
                "minLength": 1,
                "maxLength": 256,
                "x-kubernetes-validations": [{
                    "rule": "self.matches('^(-[0-9]|[A-Za-z0-9/])[A-Za-z0-9 ,._:/%+=-]*$')",
                    "message": "must be the value of a kernel parameter: letters, digits, blanks and ',._:/%+=-' alone, beginning with a letter, a number or '/'"
                }]
            },
            "x-kubernetes-validations": [{
                "rule": "self.all(name, size(name) <= 128 && name.matches('^[a-z][a-z0-9_]*([.][A-Za-z0-9_][A-Za-z0-9_-]*)+$'))",
                "message": "must have names of kernel parameters alone, dotted, such as 'vm.swappiness'"
            }]
        })
    }
}
