//! The options of `[app:proxy-server]`, and of `[proxy-server:policy:<index>]` where a policy differs.

use super::affinity::{ReadAffinity, WriteAffinity};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;
use swiftlet_types::Policies;
use swiftlet_types::conf::{ConfError, Ini, NodeCount, OptionError, Options};
use thiserror::Error;

/// Why the proxy's configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// An option cannot be right.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// A section could not be read.
    #[error(transparent)]
    Conf(#[from] ConfError),
    /// A policy's section names a policy that is not there.
    #[error("{path} [{section}]: there is no storage policy of that index")]
    UnknownPolicy {
        /// The file.
        path: String,
        /// The section.
        section: String,
    },
}

/// Options of dlo that once stood in `[app:proxy-server]`, and may still.
pub const OLD_DLO_OPTIONS: [&str; 3] =
    ["rate_limit_after_segment", "rate_limit_segments_per_sec", "max_get_time"];

/// In which order the primaries of a partition are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortingMethod {
    /// By chance.
    Shuffle,
    /// The one that connected fastest of late first.
    Timing,
    /// The nearest by `read_affinity` first.
    Affinity,
}

/// Options that a policy may set for itself. Swift's names.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // Swift's own option names
pub struct PolicyOptions {
    pub sorting_method: SortingMethod,
    pub read_affinity: ReadAffinity,
    /// `None`: writes go anywhere.
    pub write_affinity: Option<WriteAffinity>,
    pub write_affinity_node_count: NodeCount,
    /// `None`: as many as there are primaries that are not local.
    pub write_affinity_handoff_delete_count: Option<usize>,
    pub rebalance_missing_suppression_count: usize,
    pub concurrent_gets: bool,
    pub concurrency_timeout: Duration,
    pub concurrent_ec_extra_requests: usize,
}

/// Every option of the proxy application. Swift's names, its defaults, and its units in the types.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // Swift's own option names
pub struct ProxyConfig {
    pub swift_dir: PathBuf,
    pub node_timeout: Duration,
    pub recoverable_node_timeout: Duration,
    pub conn_timeout: Duration,
    pub post_quorum_timeout: Duration,
    pub client_timeout: Duration,
    pub object_chunk_size: usize,
    pub client_chunk_size: usize,
    pub trans_id_suffix: String,
    pub error_suppression_interval: Duration,
    pub error_suppression_limit: u32,
    pub recheck_account_existence: u64,
    pub recheck_container_existence: u64,
    pub recheck_updating_shard_ranges: u64,
    pub recheck_listing_shard_ranges: u64,
    pub account_existence_skip_cache_pct: f64,
    pub container_existence_skip_cache_pct: f64,
    pub container_updating_shard_ranges_skip_cache_pct: f64,
    pub container_listing_shard_ranges_skip_cache_pct: f64,
    pub namespace_cache_tokens_per_session: u32,
    pub namespace_avg_backend_fetch_time: Duration,
    pub request_node_count: NodeCount,
    pub timing_expiry: Duration,
    pub allow_account_management: bool,
    pub account_autocreate: bool,
    pub max_containers_per_account: u64,
    pub max_containers_whitelist: Vec<String>,
    pub deny_host_headers: Vec<String>,
    pub allow_open_expired: bool,
    pub log_handoffs: bool,
    /// Whether fragments are written such that liberasurecode before 1.6 reads them.
    pub write_legacy_ec_crc: bool,
    pub cors_allow_origin: Vec<String>,
    pub cors_expose_headers: Vec<String>,
    pub strict_cors_mode: bool,
    pub swift_owner_headers: Vec<String>,
    pub expose_info: bool,
    pub disallowed_sections: Vec<String>,
    /// Empty where nobody may ask for the administrator's `/info`.
    pub admin_key: String,
    /// The account of the expirer's queue, and the seconds that one of its containers spans.
    pub expiring_objects_account: String,
    pub expiring_objects_container_divisor: u64,
    default_policy_options: PolicyOptions,
    policy_options: HashMap<u32, PolicyOptions>,
}

const OWNER_HEADERS: &str = "x-container-read, x-container-write, x-container-sync-key, x-container-sync-to, \
     x-account-meta-temp-url-key, x-account-meta-temp-url-key-2, x-container-meta-temp-url-key, \
     x-container-meta-temp-url-key-2, x-account-access-control";

/// How many containers of the expirer's queue share one span of time.
pub const EXPIRER_CONTAINERS_PER_SPAN: u64 = 100;

impl ProxyConfig {
    /// Reads `app`, the options of `[app:proxy-server]` of the file `ini`, and the sections of the policies.
    pub fn read(ini: &Ini, app: &Options, policies: &Policies) -> Result<Self, ConfigError> {
        let mut config = Self::from_options(app)?;
        for section in ini.sections() {
            let Some(index) = section.strip_prefix("proxy-server:policy:") else { continue };
            let known = index.trim().parse().ok().filter(|i| policies.by_index(*i).is_some());
            let index = known.ok_or_else(|| ConfigError::UnknownPolicy {
                path: ini.path().display().to_string(),
                section: section.to_owned(),
            })?;
            let options = PolicyOptions::read(&ini.daemon(section)?, Some(app), config.conn_timeout)?;
            config.policy_options.insert(index, options);
        }
        Ok(config)
    }

    /// Reads the options of `[app:proxy-server]` alone.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        // the pipeline gives them to dlo
        for option in OLD_DLO_OPTIONS {
            o.str(option);
        }
        let node_timeout = o.seconds("node_timeout", 10.0)?;
        let conn_timeout = o.seconds("conn_timeout", 0.5)?;
        Ok(Self {
            swift_dir: o.str_or("swift_dir", "/etc/swift").into(),
            node_timeout,
            recoverable_node_timeout: o.seconds("recoverable_node_timeout", node_timeout.as_secs_f64())?,
            conn_timeout,
            post_quorum_timeout: o.seconds("post_quorum_timeout", 0.5)?,
            client_timeout: o.seconds("client_timeout", 60.0)?,
            object_chunk_size: at_least_1(o, "object_chunk_size", 65536)?,
            client_chunk_size: at_least_1(o, "client_chunk_size", 65536)?,
            trans_id_suffix: o.str_or("trans_id_suffix", ""),
            error_suppression_interval: o.seconds("error_suppression_interval", 60.0)?,
            error_suppression_limit: o.int("error_suppression_limit", 10)?,
            recheck_account_existence: o.int("recheck_account_existence", 60)?,
            recheck_container_existence: o.int("recheck_container_existence", 60)?,
            recheck_updating_shard_ranges: o.int("recheck_updating_shard_ranges", 3600)?,
            recheck_listing_shard_ranges: o.int("recheck_listing_shard_ranges", 600)?,
            account_existence_skip_cache_pct: o.percent("account_existence_skip_cache_pct", 0.0)?,
            container_existence_skip_cache_pct: o.percent("container_existence_skip_cache_pct", 0.0)?,
            container_updating_shard_ranges_skip_cache_pct: o
                .percent("container_updating_shard_ranges_skip_cache_pct", 0.0)?,
            container_listing_shard_ranges_skip_cache_pct: o
                .percent("container_listing_shard_ranges_skip_cache_pct", 0.0)?,
            namespace_cache_tokens_per_session: o.int("namespace_cache_tokens_per_session", 3)?,
            namespace_avg_backend_fetch_time: o.seconds("namespace_avg_backend_fetch_time", 0.3)?,
            request_node_count: NodeCount::from_options(o, "request_node_count")?,
            timing_expiry: o.seconds("timing_expiry", 300.0)?,
            allow_account_management: o.bool("allow_account_management", false),
            account_autocreate: o.bool("account_autocreate", false),
            max_containers_per_account: match o.str("max_containers_per_account") {
                Some("") => 0,
                _ => o.int("max_containers_per_account", 0)?,
            },
            max_containers_whitelist: o.list("max_containers_whitelist", ""),
            deny_host_headers: o.list("deny_host_headers", ""),
            allow_open_expired: o.bool("allow_open_expired", false),
            write_legacy_ec_crc: o.bool("write_legacy_ec_crc", false),
            log_handoffs: o.bool("log_handoffs", true),
            cors_allow_origin: o.list("cors_allow_origin", ""),
            cors_expose_headers: o.list("cors_expose_headers", ""),
            strict_cors_mode: o.bool("strict_cors_mode", true),
            swift_owner_headers: o.list("swift_owner_headers", OWNER_HEADERS),
            expose_info: o.bool("expose_info", true),
            disallowed_sections: o
                .list("disallowed_sections", "swift.auto_create_account_prefix, swift.valid_api_versions"),
            admin_key: o.str_or("admin_key", ""),
            expiring_objects_account: o
                .str("expiring_objects_account_name")
                .map_or_else(|| ".expiring_objects".to_owned(), |name| format!(".{name}")),
            expiring_objects_container_divisor: expirer_divisor(o)?,
            default_policy_options: PolicyOptions::read(o, None, conn_timeout)?,
            policy_options: HashMap::new(),
        })
    }

    /// The options of a policy; of none, for accounts and containers.
    pub fn policy_options(&self, policy_index: Option<u32>) -> &PolicyOptions {
        policy_index.and_then(|i| self.policy_options.get(&i)).unwrap_or(&self.default_policy_options)
    }

    /// Whether anybody wants to know how fast nodes connect.
    pub fn sorts_by_timing(&self) -> bool {
        std::iter::once(&self.default_policy_options)
            .chain(self.policy_options.values())
            .any(|options| options.sorting_method == SortingMethod::Timing)
    }

    /// A line for each combination of options that cannot be meant.
    pub fn warnings(&self) -> Vec<String> {
        let all = std::iter::once(("(default)".to_owned(), &self.default_policy_options))
            .chain(self.policy_options.iter().map(|(index, options)| (format!("policy {index}"), options)));
        all.filter(|(_, o)| !o.read_affinity.is_empty() && o.sorting_method != SortingMethod::Affinity)
            .map(|(label, _)| {
                format!(
                    "sorting_method is not 'affinity'; {label} read_affinity setting will have no effect."
                )
            })
            .collect()
    }
}

impl PolicyOptions {
    /// Reads `own`; what it does not say is as `base` has it.
    fn read(own: &Options, base: Option<&Options>, conn_timeout: Duration) -> Result<Self, OptionError> {
        let holder = |option: &str| match base {
            Some(base) if own.str(option).is_none() => base,
            _ => own,
        };
        let sorting = "is none of shuffle, timing, affinity";
        let text = |option: &str| holder(option).str(option).unwrap_or_default().to_owned();
        let of = |o: &str| holder(o);
        Ok(Self {
            sorting_method: of("sorting_method").parsed(
                "sorting_method",
                SortingMethod::Shuffle,
                sorting,
                |t| match t.to_lowercase().as_str() {
                    "shuffle" => Some(SortingMethod::Shuffle),
                    "timing" => Some(SortingMethod::Timing),
                    "affinity" => Some(SortingMethod::Affinity),
                    _ => None,
                },
            )?,
            read_affinity: ReadAffinity::parse(&text("read_affinity"))
                .map_err(|e| of("read_affinity").error("read_affinity", e.to_string()))?,
            write_affinity: WriteAffinity::parse(&text("write_affinity"))
                .map_err(|e| of("write_affinity").error("write_affinity", e.to_string()))?,
            write_affinity_node_count: NodeCount::from_options(
                of("write_affinity_node_count"),
                "write_affinity_node_count",
            )?,
            write_affinity_handoff_delete_count: match text("write_affinity_handoff_delete_count").as_str() {
                "" => None,
                auto if auto.eq_ignore_ascii_case("auto") => None,
                _ => {
                    let option = "write_affinity_handoff_delete_count";
                    Some(of(option).int(option, 0)?)
                }
            },
            rebalance_missing_suppression_count: of("rebalance_missing_suppression_count")
                .int("rebalance_missing_suppression_count", 1)?,
            concurrent_gets: of("concurrent_gets").bool("concurrent_gets", false),
            concurrency_timeout: of("concurrency_timeout")
                .seconds("concurrency_timeout", conn_timeout.as_secs_f64())?,
            concurrent_ec_extra_requests: of("concurrent_ec_extra_requests")
                .int("concurrent_ec_extra_requests", 0)?,
        })
    }
}

fn at_least_1(o: &Options, option: &str, default: usize) -> Result<usize, OptionError> {
    let value = o.int(option, default)?;
    if value == 0 { Err(o.error(option, "must be above 0")) } else { Ok(value) }
}

fn expirer_divisor(o: &Options) -> Result<u64, OptionError> {
    let option = "expiring_objects_container_divisor";
    let divisor = o.int(option, 86_400)?;
    let too_small = divisor <= EXPIRER_CONTAINERS_PER_SPAN;
    if too_small { Err(o.error(option, "must be greater than 100 (86400 is usual)")) } else { Ok(divisor) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::affinity::Location;

    fn read(text: &str) -> Result<ProxyConfig, ConfigError> {
        let ini =
            Ini::parse("proxy-server.conf", &format!("[app:proxy-server]\nuse = egg:swift#proxy\n{text}"))?;
        let policies = Policies::from_ini(&Ini::parse("swift.conf", "[storage-policy:0]\nname = gold\n")?);
        ProxyConfig::read(&ini, &ini.paste("app:proxy-server")?, &policies.expect("one policy"))
    }

    #[test]
    fn defaults_are_swifts() {
        let config = read("").unwrap();
        assert_eq!(config.node_timeout, Duration::from_secs(10));
        assert_eq!(config.recoverable_node_timeout, Duration::from_secs(10));
        assert_eq!(config.conn_timeout, Duration::from_millis(500));
        assert_eq!(config.request_node_count.for_replicas(3), 6);
        assert_eq!(config.swift_owner_headers.len(), 9);
        let options = config.policy_options(None);
        assert_eq!(options.sorting_method, SortingMethod::Shuffle);
        assert_eq!(options.concurrency_timeout, config.conn_timeout);
        assert_eq!(options.write_affinity_handoff_delete_count, None);
    }

    #[test]
    fn a_policy_may_differ() {
        let config = read(
            "sorting_method = affinity\nread_affinity = r1=1\n[proxy-server:policy:0]\nsorting_method = timing\n",
        )
        .unwrap();
        assert_eq!(config.policy_options(None).sorting_method, SortingMethod::Affinity);
        let gold = config.policy_options(Some(0));
        assert_eq!(
            (gold.sorting_method, gold.read_affinity.sort_key(Location { region: 1, zone: 1 })),
            (SortingMethod::Timing, 1)
        );
        assert!(config.sorts_by_timing());
        assert_eq!(config.warnings().len(), 1);
    }

    #[test]
    fn what_cannot_be_right_is_refused_by_name() {
        for (bad, named) in [
            ("node_timeout = 3x", "node_timeout"),
            ("request_node_count = 2 * zones", "request_node_count"),
            ("sorting_method = fastest", "sorting_method"),
            ("write_affinity = 1", "write_affinity"),
            ("object_chunk_size = 0", "object_chunk_size"),
            ("expiring_objects_container_divisor = 100", "expiring_objects_container_divisor"),
            ("[proxy-server:policy:7]\nsorting_method = timing", "proxy-server:policy:7"),
        ] {
            let error = read(bad).expect_err(bad).to_string();
            assert!(error.contains("proxy-server.conf") && error.contains(named), "{error}");
        }
    }
}
