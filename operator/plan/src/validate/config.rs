//! Checks of `config`: files that exist, options the operator does not own, values that fit a line.

use super::{Findings, Subject};
use crate::resources::ConfigFiles;

/// The files `config` may speak of.
const FILES: [&str; 5] =
    ["swift.conf", "proxy-server.conf", "account-server.conf", "container-server.conf", "object-server.conf"];

/// Options that follow from the resources, wherever they are written.
const OWNED_OPTIONS: [&str; 12] = [
    "devices",
    "bind_ip",
    "bind_port",
    "swift_dir",
    "ring_ip",
    "mount_check",
    "workers",
    "servers_per_port",
    "recon_cache_path",
    "cert_file",
    "key_file",
    "tls_bind_port",
];

/// Checks `config`, found at `path`.
pub(super) fn check(config: &ConfigFiles, subject: &Subject, path: &str, findings: &mut Findings) {
    for (file, sections) in config {
        if !FILES.contains(&file.as_str()) {
            let message = format!("there is no such file; it is one of {}", FILES.join(", "));
            findings.problem(subject, format!("{path}.{file}"), "InvalidConfig", message);
            continue;
        }
        for (section, options) in sections {
            let at = format!("{path}.{file}.{section}");
            if let Some(message) = refused_section(file, section) {
                findings.problem(subject, &at, "InvalidConfig", message);
                continue;
            }
            for (option, value) in options {
                if let Some(message) = refused_option(section, option, value) {
                    findings.problem(subject, format!("{at}.{option}"), "InvalidConfig", message);
                }
            }
        }
    }
}

fn refused_section(file: &str, section: &str) -> Option<String> {
    if section.is_empty() || section.contains([']', '[', '\n', '\r']) {
        return Some("this is no section's name".to_string());
    }
    let policy = section.starts_with("storage-policy:");
    match file {
        "swift.conf" if section == "swift-hash" => {
            Some("the hash path is the Secret's that hashPathSecretName names".into())
        }
        "swift.conf" if policy => Some("policies are written in spec.policies".into()),
        _ => None,
    }
}

fn refused_option(section: &str, option: &str, value: &str) -> Option<String> {
    let bare = option.strip_prefix("set ").unwrap_or(option);
    if bare.is_empty() || option.contains(['\n', '\r', '=', ':']) || option.starts_with(['#', ';', '[', ' '])
    {
        return Some("this is no option's name".to_string());
    }
    if value.contains(['\n', '\r', '\0']) {
        return Some("the value has more than one line".to_string());
    }
    if OWNED_OPTIONS.contains(&bare) {
        return Some("this option follows from the resources and cannot be set here".to_string());
    }
    if section == "filter:tempauth" && (bare.starts_with("user_") || bare.starts_with("user64_")) {
        return Some(
            "users are kept in the Secret that spec.auth.tempauth.usersSecretName names".to_string(),
        );
    }
    None
}
