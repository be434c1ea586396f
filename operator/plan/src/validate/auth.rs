//! Checks of `spec.auth` and the Secret that goes with it.

use super::{Desired, Findings, Subject};
use crate::resources::{AuthSpec, ExternalAuthSpec, SwauthAuthType, SwauthSpec};
use std::collections::BTreeMap;

/// The key of a swauth Secret.
const SUPER_ADMIN_KEY: &str = "superAdminKey";
/// The keys of an external service's Secret.
const SHARED_SECRET: &str = "sharedSecret";
const AUTHORITY: &str = "ca.crt";

/// Who may do what, with the secrets that it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Users by `user_<account>_<name>`: `key group…`.
    Tempauth {
        /// The users.
        users: BTreeMap<String, String>,
    },
    /// Users kept in the cluster.
    Swauth {
        /// The key of `.super_admin`.
        super_admin_key: String,
        /// What comes before the account in storage URLs; `None`: what the client asked.
        storage_url: Option<String>,
        /// How keys are stored.
        auth_type: SwauthAuthType,
    },
    /// Users known to a web service.
    External {
        /// Where it is asked.
        url: String,
        /// By which it knows us.
        shared_secret: Option<String>,
        /// The authority of its certificate, PEM.
        authority: Option<String>,
    },
}

impl Default for Auth {
    /// Nobody may do anything: what stands where a mistake was found.
    fn default() -> Self {
        Self::Tempauth { users: BTreeMap::new() }
    }
}

/// Checks it; the result is only good where no problem is found.
pub(super) fn check(desired: &Desired, subject: &Subject, findings: &mut Findings) -> Auth {
    let spec = &desired.cluster.spec.auth;
    let mut check = Check { desired, subject, findings };
    match spec {
        AuthSpec { tempauth: Some(tempauth), swauth: None, external: None } => {
            Auth::Tempauth { users: check.users(&tempauth.users_secret_name) }
        }
        AuthSpec { tempauth: None, swauth: Some(swauth), external: None } => check.swauth(swauth),
        AuthSpec { tempauth: None, swauth: None, external: Some(external) } => check.external(external),
        _ => {
            check.problem("", "InvalidAuth", "exactly one of tempauth, swauth and external is given");
            Auth::default()
        }
    }
}

struct Check<'a> {
    desired: &'a Desired,
    subject: &'a Subject,
    findings: &'a mut Findings,
}

impl Check<'_> {
    fn problem(&mut self, field: &str, reason: &'static str, message: impl Into<String>) {
        self.findings.problem(self.subject, format!("spec.auth{field}"), reason, message);
    }

    fn users(&mut self, name: &str) -> BTreeMap<String, String> {
        let path = ".tempauth.usersSecretName";
        let Some(users) = &self.desired.auth_secret else {
            let message = format!(
                "there is no Secret {name}; make one with a key a user, user_<account>_<name>: \"<key> .admin\""
            );
            self.problem(path, "UsersSecretMissing", message);
            return BTreeMap::new();
        };
        for (key, value) in users {
            let parts = key.strip_prefix("user_").or_else(|| key.strip_prefix("user64_"));
            let is_user = parts.and_then(|rest| rest.split_once('_'));
            if !is_user.is_some_and(|(account, user)| !account.is_empty() && !user.is_empty()) {
                let message =
                    format!("Secret {name} has the key {key:?}; a user's key is user_<account>_<name>");
                self.problem(path, "InvalidUser", message);
            } else if value.trim().is_empty() {
                // The value is a password: the message must not hold it.
                let message = format!("Secret {name}: {key} is empty; it holds the user's key, then groups");
                self.problem(path, "InvalidUser", message);
            } else if !is_one_line(value) {
                self.problem(path, "InvalidUser", format!("Secret {name}: {key} has more than one line"));
            }
        }
        users.clone()
    }

    fn swauth(&mut self, spec: &SwauthSpec) -> Auth {
        let (path, name) = (".swauth.superAdminSecretName", &spec.super_admin_secret_name);
        let key = self.desired.auth_secret.as_ref().and_then(|secret| secret.get(SUPER_ADMIN_KEY));
        let key = key
            .map(|key| key.trim_end_matches('\n'))
            .filter(|key| !key.trim().is_empty() && is_one_line(key));
        if key.is_none() {
            let message = format!(
                "there is no Secret {name} whose {SUPER_ADMIN_KEY} is one line; .super_admin needs a key"
            );
            self.problem(path, "SuperAdminKeyMissing", message);
        }
        if let Some(url) = spec.storage_url.as_ref().filter(|url| !is_url(url) || url.contains('#')) {
            let message = format!("{url:?}; http(s)://HOST/v1 would be right");
            self.problem(".swauth.storageUrl", "InvalidAuth", message);
        }
        Auth::Swauth {
            super_admin_key: key.unwrap_or_default().to_owned(),
            storage_url: spec.storage_url.clone(),
            auth_type: spec.auth_type,
        }
    }

    fn external(&mut self, spec: &ExternalAuthSpec) -> Auth {
        if !is_url(&spec.url) {
            let message = format!("{:?}; http(s)://HOST/PATH would be right", spec.url);
            self.problem(".external.url", "InvalidAuth", message);
        }
        let path = ".external.secretName";
        if let (Some(name), None) = (&spec.secret_name, &self.desired.auth_secret) {
            self.problem(path, "AuthSecretMissing", format!("there is no Secret {name}"));
        }
        let value = |key: &str| {
            self.desired.auth_secret.as_ref()?.get(key).filter(|value| !value.is_empty()).cloned()
        };
        let shared_secret = value(SHARED_SECRET).map(|secret| secret.trim_end_matches('\n').to_owned());
        let authority = value(AUTHORITY);
        if shared_secret.as_deref().is_some_and(|secret| !is_one_line(secret)) {
            self.problem(path, "InvalidAuth", format!("{SHARED_SECRET} has more than one line"));
        }
        if spec.url.starts_with("https:") && authority.is_none() {
            let message =
                format!("a Secret with {AUTHORITY}, the authority of the service's certificate, is needed");
            self.problem(path, "AuthSecretMissing", message);
        }
        Auth::External { url: spec.url.clone(), shared_secret, authority }
    }
}

fn is_one_line(value: &str) -> bool {
    !value.contains(['\n', '\r', '\0'])
}

fn is_url(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !url.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::super::tests::desired;
    use super::super::{Findings, Subject};
    use super::*;

    fn checked(auth: &str, secret: &[(&str, &str)]) -> (Auth, Vec<String>) {
        let mut desired = desired(|text| text);
        desired.cluster.spec.auth = serde_norway::from_str(auth).unwrap();
        let secret = secret.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        desired.auth_secret = Some(secret);
        let mut findings = Findings::default();
        let auth = check(&desired, &Subject::Cluster("c".into()), &mut findings);
        (
            auth,
            findings
                .problems
                .into_iter()
                .map(|problem| format!("{}: {}", problem.path, problem.message))
                .collect(),
        )
    }

    #[test]
    fn one_way_is_chosen_and_has_what_it_needs() {
        let swauth = "swauth: {superAdminSecretName: s, storageUrl: 'https://o.example.jp/v1'}";
        let (auth, problems) = checked(swauth, &[("superAdminKey", "k\n")]);
        assert_eq!(problems, [""; 0]);
        let Auth::Swauth { super_admin_key, auth_type, .. } = auth else { panic!("{auth:?}") };
        assert_eq!((super_admin_key.as_str(), auth_type.name()), ("k", "sha512"));
        let external = "external: {url: 'https://u.example.jp/', secretName: s}";
        assert_eq!(checked(external, &[("ca.crt", "PEM")]).1, [""; 0]);
        for (auth, problem) in [
            ("{}", "spec.auth: exactly one of"),
            ("{tempauth: {usersSecretName: u}, external: {url: 'http://u'}}", "spec.auth: exactly one of"),
            (
                "swauth: {superAdminSecretName: s}",
                "spec.auth.swauth.superAdminSecretName: there is no Secret s",
            ),
            ("external: {url: 'u.example.jp'}", "spec.auth.external.url: \"u.example.jp\"; http"),
            (external, "spec.auth.external.secretName: a Secret with ca.crt"),
        ] {
            let problems = checked(auth, &[]).1;
            assert!(problems.iter().any(|found| found.starts_with(problem)), "{auth}: {problems:?}");
        }
    }
}
