//! The auth filter of a proxy's pipeline and its section.

use super::ini::IniFile;
use super::proxy::ProxyPlace;
use crate::validate::Auth;

/// Where the authority of an external service's certificate lies in `swift_dir`.
pub(super) const AUTHORITY_FILE: &str = "external-auth-ca.pem";

/// The word and section name of the filter.
pub(super) fn word(auth: &Auth) -> &'static str {
    match auth {
        Auth::Tempauth { .. } => "tempauth",
        Auth::Swauth { .. } => "swauth",
        Auth::External { .. } => "external_auth",
    }
}

/// What `use` says.
pub(super) fn entry_point(auth: &Auth) -> &'static str {
    match auth {
        Auth::Tempauth { .. } => "egg:swift#tempauth",
        Auth::Swauth { .. } => "egg:swauth#swauth",
        Auth::External { .. } => "egg:swiftlet#external_auth",
    }
}

/// Writes what `config` may override.
pub(super) fn defaults(file: &mut IniFile, auth: &Auth) {
    if let Auth::Swauth { storage_url, auth_type, .. } = auth {
        let cluster = format!("local#{}", storage_url.as_deref().unwrap_or("$HOST/v1"));
        let options = [("default_swift_cluster", cluster.as_str()), ("auth_type", auth_type.name())];
        file.set_all("filter:swauth", &options);
    }
}

/// Writes what follows from the resources.
pub(super) fn owned(file: &mut IniFile, auth: &Auth, place: &ProxyPlace) {
    let section = format!("filter:{}", word(auth));
    if let (Some(path), false) = (&place.token_key_path, matches!(auth, Auth::Swauth { .. })) {
        file.set(&section, "token_key_path", path);
    }
    match auth {
        Auth::Tempauth { users } => {
            for (user, key_and_groups) in users {
                file.set(&section, user, key_and_groups);
            }
        }
        Auth::Swauth { super_admin_key, .. } => {
            file.set(&section, "super_admin_key", super_admin_key);
        }
        Auth::External { url, shared_secret, authority } => {
            file.set(&section, "url", url);
            if let Some(secret) = shared_secret {
                file.set(&section, "shared_secret", secret);
            }
            if authority.is_some() {
                file.set(&section, "ca_file", format!("{}/{AUTHORITY_FILE}", place.swift_dir));
            }
        }
    }
}
