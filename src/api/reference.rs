//! References to other objects. They always point into the object's own namespace, so that nobody
//! reaches another tenant's Secrets through Drover.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What Kubernetes takes as the name of an object.
const NAME: &str = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";

/// Names another object of Drover in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// Name of the object, in the namespace of the object that refers to it.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub name: String,
}

/// Names a Secret in the same namespace whose keys are fixed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub secret_name: String,
}

/// Names a Secret in the same namespace, and the key that holds the API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyReference {
    /// Name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub secret_name: String,
    /// Key of the Secret that holds the API key in its encoded form (base64 of `id:api_key`), as
    /// Elasticsearch returns it in `encoded`. Default: `apiKey`.
    #[serde(default = "ApiKeyReference::default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl ApiKeyReference {
    fn default_key() -> String {
        "apiKey".into()
    }
}

/// Names a Secret in the same namespace, and the key that holds the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenReference {
    /// Name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub secret_name: String,
    /// Key of the Secret that holds the token. Default: `token`.
    #[serde(default = "TokenReference::default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl TokenReference {
    fn default_key() -> String {
        "token".into()
    }
}

/// Names a Secret or a ConfigMap in the same namespace that holds PEM certificates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.secretName) != has(self.configMapName)")
        .message("exactly one of `secretName`, `configMapName` must be set")
)]
pub struct CertificatesReference {
    /// Name of a Secret, in the namespace of this object. May not be set beside `configMapName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub secret_name: Option<String>,
    /// Name of a ConfigMap, in the namespace of this object. May not be set beside `secretName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub config_map_name: Option<String>,
    /// Key that holds one or more certificates in PEM form. Default: `ca.crt`.
    #[serde(default = "CertificatesReference::default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl CertificatesReference {
    fn default_key() -> String {
        "ca.crt".into()
    }
}

/// Names a Secret in the same namespace, and the key that holds a kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct KubeconfigReference {
    /// Name of the Secret, in the namespace of this object.
    #[schemars(length(min = 1, max = 253), regex(pattern = NAME))]
    pub secret_name: String,
    /// Key of the Secret that holds the kubeconfig. Default: `kubeconfig`.
    #[serde(default = "KubeconfigReference::default_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

impl KubeconfigReference {
    fn default_key() -> String {
        "kubeconfig".into()
    }
}
