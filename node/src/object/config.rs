//! The options of `[app:object-server]`.

use super::stored_headers::AllowedHeaders;
use std::time::Duration;
use swiftlet_storage::device::{Devices, Reserve};
use swiftlet_storage::object::{Layouts, StoreConfig};
use swiftlet_types::HashConf;
use swiftlet_types::conf::{OptionError, Options};

/// Swift's own option names, defaults and meanings.
#[derive(Debug, Clone)]
pub struct ObjectServerConfig {
    /// How long a connection to a container server may take to be made.
    pub conn_timeout: Duration,
    /// How long a container server may take to answer.
    pub node_timeout: Duration,
    /// How long an answer waits for its container updates.
    pub container_update_timeout: Duration,
    /// How long an upload may take.
    pub max_upload_time: Duration,
    /// PUT and DELETE take at least this long.
    pub slow: Duration,
    /// A DELETE that takes longer is told in the log; `None`: none is.
    pub slow_delete_log_threshold: Option<Duration>,
    /// Whether what an authenticated client reads stays in the page cache.
    pub keep_cache_private: bool,
    /// The same for manifests of static large objects.
    pub keep_cache_slo_manifest: bool,
    /// Which share of whole reads checks the ETag, from 0 to 1.
    pub etag_validate_share: f64,
    /// Which header fields objects keep.
    pub allowed_headers: AllowedHeaders,
    /// The account of the queue of objects to expire.
    pub expirer_account: String,
    /// How many seconds of expiry share the containers of that queue.
    pub expirer_divisor: u64,
    /// Whether the verbs of replicators are answered.
    pub replication_server: bool,
    /// How much replication is taken at once.
    pub replication: ReplicationConfig,
}

/// What an object server takes of other nodes' replicators.
#[derive(Debug, Clone)]
pub struct ReplicationConfig {
    /// SSYNC requests at once, in each process; 0: any number.
    pub concurrency: usize,
    /// The same on each device; 0: any number.
    pub concurrency_per_device: usize,
    /// How long one waits for others about the same partition or device.
    pub lock_timeout: Duration,
    /// How many subrequests may fail before it matters how many did not.
    pub failure_threshold: u64,
    /// From then on, how many may fail for one that does not.
    pub failure_ratio: f64,
}

impl ReplicationConfig {
    fn from_options(o: &Options) -> Result<Self, OptionError> {
        // The name it had at first: one, or any number.
        let default = usize::from(o.bool("replication_one_per_device", true));
        Ok(Self {
            concurrency: o.int("replication_concurrency", 4)?,
            concurrency_per_device: o.int("replication_concurrency_per_device", default)?,
            lock_timeout: Duration::from_secs(o.int("replication_lock_timeout", 15)?),
            failure_threshold: o.int("replication_failure_threshold", 100)?,
            failure_ratio: o.float("replication_failure_ratio", 1.0)?,
        })
    }
}

/// Containers of the expirer's queue that share one divisor.
pub(super) const EXPIRER_CONTAINERS: u64 = 100;

impl ObjectServerConfig {
    /// Reads them.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        let percent: f64 = o.float("etag_validate_pct", 100.0)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(o.error("etag_validate_pct", "is not a percentage"));
        }
        let (expirer_account, expirer_divisor) = expirer_queue_of(o)?;
        Ok(Self {
            conn_timeout: o.seconds("conn_timeout", 0.5)?,
            node_timeout: o.seconds("node_timeout", 3.0)?,
            container_update_timeout: o.seconds("container_update_timeout", 1.0)?,
            max_upload_time: o.seconds("max_upload_time", 86_400.0)?,
            slow: o.seconds("slow", 0.0)?,
            slow_delete_log_threshold: slow_delete_log_threshold(o)?,
            keep_cache_private: o.bool("keep_cache_private", false),
            keep_cache_slo_manifest: o.bool("keep_cache_slo_manifest", false),
            etag_validate_share: percent / 100.0,
            allowed_headers: AllowedHeaders::new(o.list("allowed_headers", AllowedHeaders::DEFAULT)),
            expirer_account,
            expirer_divisor,
            replication_server: o.bool("replication_server", true),
            replication: ReplicationConfig::from_options(o)?,
        })
    }
}

/// The account of the queue of objects to expire, and how many seconds of expiry share its containers.
pub(super) fn expirer_queue_of(o: &Options) -> Result<(String, u64), OptionError> {
    let divisor = o.int("expiring_objects_container_divisor", 86_400)?;
    if divisor <= EXPIRER_CONTAINERS {
        return Err(o.error("expiring_objects_container_divisor", "must be greater than 100"));
    }
    Ok((format!(".{}", o.str_or("expiring_objects_account_name", "expiring_objects")), divisor))
}

/// `slow_delete_log_threshold_seconds`, where -1 stands for none.
fn slow_delete_log_threshold(o: &Options) -> Result<Option<Duration>, OptionError> {
    const OPTION: &str = "slow_delete_log_threshold_seconds";
    match o.float(OPTION, 120.0)? {
        -1.0 => Ok(None),
        _ => o.seconds(OPTION, 120.0).map(Some),
    }
}

/// The store's share of the same section.
pub fn store_config(o: &Options, hash: HashConf) -> Result<StoreConfig, OptionError> {
    let devices = Devices::new(o.str_or("devices", "/srv/node"), o.bool("mount_check", true));
    let reserve: Reserve = o
        .str_or("fallocate_reserve", "1%")
        .parse()
        .map_err(|why: String| o.error("fallocate_reserve", why))?;
    let mut layouts = Layouts::default();
    layouts.commit_window = o.seconds("commit_window", layouts.commit_window.as_secs_f64())?;
    let mb_per_sync: u64 = o.int("mb_per_sync", 512)?;
    Ok(StoreConfig {
        reserve,
        preallocate: !o.bool("disable_fallocate", false),
        bytes_per_sync: mb_per_sync << 20,
        keep_cache_bytes: o.int("keep_cache_size", 5_242_880)?,
        reclaim_age: Duration::from_secs(o.int("reclaim_age", 604_800)?),
        layouts,
        ..StoreConfig::new(hash, devices)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_swifts() {
        let options = Options::new("object-server.conf", "app:object-server");
        let config = ObjectServerConfig::from_options(&options).unwrap();
        assert_eq!(config.node_timeout, Duration::from_secs(3));
        assert_eq!(config.slow_delete_log_threshold, Some(Duration::from_secs(120)));
        assert_eq!(config.expirer_account, ".expiring_objects");
        let store = store_config(&options, HashConf::default()).unwrap();
        assert_eq!(store.bytes_per_sync, 512 << 20);
        assert_eq!(store.reserve, Reserve::Percent(1.0));
    }

    #[test]
    fn slow_deletes_may_be_left_out_of_the_log() {
        let threshold = |text| {
            let options = Options::new("object-server.conf", "app:object-server");
            slow_delete_log_threshold(&options.with("slow_delete_log_threshold_seconds", text))
        };
        assert_eq!(threshold("-1"), Ok(None));
        assert_eq!(threshold("0.5"), Ok(Some(Duration::from_millis(500))));
        assert!(threshold("-2").is_err());
    }

    #[test]
    fn what_cannot_be_right_is_named() {
        let options = Options::new("object-server.conf", "app:object-server");
        let error = store_config(&options.clone().with("fallocate_reserve", "lots"), HashConf::default())
            .unwrap_err();
        assert!(error.to_string().contains("fallocate_reserve"), "{error}");
        assert!(ObjectServerConfig::from_options(&options.clone().with("etag_validate_pct", "101")).is_err());
        assert!(
            ObjectServerConfig::from_options(&options.with("expiring_objects_container_divisor", "100"))
                .is_err()
        );
    }
}
