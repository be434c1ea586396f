//! `spec.auth`: who may do what, in one of three ways.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may do what: exactly one way of telling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "[has(self.tempauth), has(self.swauth), has(self.external)].filter(given, given).size() == 1",
     "message": "exactly one of tempauth, swauth and external is given"},
]))]
pub struct AuthSpec {
    /// Users kept in a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tempauth: Option<TempauthSpec>,
    /// Accounts and users kept in the cluster itself, administered by the swauth commands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swauth: Option<SwauthSpec>,
    /// Users known to a web service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalAuthSpec>,
}

impl AuthSpec {
    /// The Secret that goes with the way that is chosen, where there is one.
    pub fn secret_name(&self) -> Option<&str> {
        let of_tempauth = self.tempauth.as_ref().map(|tempauth| tempauth.users_secret_name.as_str());
        let of_swauth = || self.swauth.as_ref().map(|swauth| swauth.super_admin_secret_name.as_str());
        let of_external = || self.external.as_ref().and_then(|external| external.secret_name.as_deref());
        of_tempauth.or_else(of_swauth).or_else(of_external)
    }
}

/// Swift's tempauth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TempauthSpec {
    /// The Secret with one key a user, in tempauth's own words: `user_test_tester: "testing .admin"`.
    #[schemars(length(min = 1, max = 253))]
    pub users_secret_name: String,
}

/// swauth: after the cluster is ready, `swauth-prep`, then accounts and users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwauthSpec {
    /// The Secret whose key `superAdminKey` is the key of `.super_admin`.
    #[schemars(length(min = 1, max = 253))]
    pub super_admin_secret_name: String,
    /// What comes before the account in the storage URLs of new accounts, such as
    /// `https://objstore.example.jp/v1`. Left out: what the client asked, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^https?://[^\s#]+$"))]
    pub storage_url: Option<String>,
    /// How users' keys are stored.
    #[serde(default)]
    pub auth_type: SwauthAuthType,
}

/// How swauth stores users' keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SwauthAuthType {
    /// As they are.
    Plaintext,
    /// As salted SHA-1.
    Sha1,
    /// As salted SHA-512.
    #[default]
    Sha512,
}

impl SwauthAuthType {
    /// Its name in swauth's options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Sha1 => "sha1",
            Self::Sha512 => "sha512",
        }
    }
}

/// A web service that knows the users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAuthSpec {
    /// Where it is asked.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^https?://[^\s]+$"))]
    pub url: String,
    /// The Secret with `ca.crt`, the authority of the service's certificate (needed for https), and `sharedSecret`, by
    /// which the service knows us (may be left out).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}
