//! What `/info` tells of the proxy itself: the section `swift`.

use super::config::ProxyConfig;
use serde_json::{Value, json};
use swiftlet_types::SwiftConf;

/// The version of Swift whose behaviour this is.
const SWIFT_VERSION: &str = "2.38.3";

/// The section `swift` of `/info`, in Swift's order.
pub fn swift_section(config: &ProxyConfig, swift: &SwiftConf) -> Value {
    let limits = &swift.constraints;
    let policies = swift.policies.iter().filter(|p| !p.is_deprecated).map(|policy| {
        let mut entry = json!({"name": policy.name(), "aliases": policy.names.join(", ")});
        if policy.is_default {
            entry["default"] = json!(true);
        }
        entry
    });
    json!({
        "version": SWIFT_VERSION,
        "strict_cors_mode": config.strict_cors_mode,
        "policies": policies.collect::<Vec<_>>(),
        "allow_account_management": config.allow_account_management,
        "account_autocreate": config.account_autocreate,
        "allow_open_expired": config.allow_open_expired,
        "max_file_size": limits.max_file_size,
        "max_meta_name_length": limits.max_meta_name_length,
        "max_meta_value_length": limits.max_meta_value_length,
        "max_meta_count": limits.max_meta_count,
        "max_meta_overall_size": limits.max_meta_overall_size,
        "max_header_size": limits.max_header_size,
        "max_request_line": limits.max_request_line,
        "max_object_name_length": limits.max_object_name_length,
        "container_listing_limit": limits.container_listing_limit,
        "account_listing_limit": limits.account_listing_limit,
        "max_account_name_length": limits.max_account_name_length,
        "max_container_name_length": limits.max_container_name_length,
        "valid_api_versions": limits.valid_api_versions,
        "extra_header_count": limits.extra_header_count,
        "auto_create_account_prefix": limits.auto_create_account_prefix,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use swiftlet_types::conf::{Ini, Options};

    #[test]
    fn tells_what_swift_tells_in_its_order() {
        let conf =
            "[swift-hash]\nswift_hash_path_suffix = a\n[storage-policy:0]\nname = gold\naliases = yellow\n";
        let swift = SwiftConf::from_ini(&Ini::parse("swift.conf", conf).unwrap()).unwrap();
        let config = ProxyConfig::from_options(&Options::new("p", "s")).unwrap();
        let json = swift_section(&config, &swift).to_string();
        let policies = r#"[{"name":"gold","aliases":"gold, yellow","default":true}]"#;
        assert!(json.starts_with(&format!(
            r#"{{"version":"2.38.3","strict_cors_mode":true,"policies":{policies},"allow_account_management":false,"#
        )));
        assert!(json.contains(r#""max_file_size":5368709122,"max_meta_name_length":128,"#), "{json}");
    }

    #[test]
    fn shows_every_constraint_as_it_is_set() {
        let numbers = [
            "max_file_size",
            "max_meta_name_length",
            "max_meta_value_length",
            "max_meta_count",
            "max_meta_overall_size",
            "max_header_size",
            "max_request_line",
            "extra_header_count",
            "max_object_name_length",
            "max_account_name_length",
            "max_container_name_length",
            "container_listing_limit",
            "account_listing_limit",
        ];
        let lines: String =
            numbers.iter().zip(11..).map(|(option, value)| format!("{option} = {value}\n")).collect();
        let conf = format!(
            "[swift-hash]\nswift_hash_path_suffix = a\n[swift-constraints]\n{lines}valid_api_versions = v0, v1\n\
             auto_create_account_prefix = ~\n"
        );
        let swift = SwiftConf::from_ini(&Ini::parse("swift.conf", &conf).unwrap()).unwrap();
        let config = ProxyConfig::from_options(&Options::new("p", "s")).unwrap();
        let shown = swift_section(&config, &swift);
        for (option, value) in numbers.iter().zip(11..) {
            assert_eq!(shown[option], Value::from(value), "{option}");
        }
        assert_eq!(shown["valid_api_versions"], json!(["v0", "v1"]));
        assert_eq!(shown["auto_create_account_prefix"], "~");
    }
}
