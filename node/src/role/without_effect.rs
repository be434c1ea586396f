//! Options of Swift's that are known and change nothing here, each with the reason: they ask for something that this
//! architecture has in another way, or has no need of. They give no warning, because files are taken over as they are.

use swiftlet_types::conf::Options;

/// Option, and why it has no effect.
const WITHOUT_EFFECT: [(&str, &str); 23] = [
    ("eventlet_debug", "there is no eventlet"),
    ("eventlet_tpool_num_threads", "disks have bounded pools of threads of their own, a pool a device"),
    ("splice", "bodies go through buffers that are reused; what splice(2) saves is spent on its pipes"),
    (
        "cooperative_period",
        "disks and sockets are worked on by different threads: no read starves a connection",
    ),
    ("network_chunk_size", "sockets are read as much as is there, up to a buffer"),
    ("disk_chunk_size", "disks are read 64 KiB at first and 1 MiB at a time from then on"),
    ("object_chunk_size", "bodies are passed on as they come"),
    ("client_chunk_size", "bodies are passed on as they come"),
    ("allow_versions", "deprecated in Swift itself: versioned_writes in the proxy keeps versions"),
    ("log_anonymization_method", "log_format has no anonymized fields"),
    ("log_anonymization_salt", "log_format has no anonymized fields"),
    ("db_preallocation", "SQLite's files grow by their pages; no file system of today gains by more"),
    ("db_query_logging", "statements are not logged; RUST_LOG=debug tells which operations run"),
    ("log_custom_handlers", "names Python functions"),
    ("log_headers", "headers are logged by proxy-logging's access_log_headers"),
    ("diskfile_module", "names Python classes"),
    ("ring_check_interval", "rings are looked at every 15 s, which is what Swift does by default"),
    ("bind_timeout", "read where the socket is bound"),
    ("recon_lock_path", "recon's files are replaced as a whole, and locked by themselves"),
    ("slowdown", "an old name for a rate; the daemon's own `…_per_second` is read"),
    ("stats_interval", "figures are always up to date at /metrics"),
    ("statsd_label_mode", "labels are Prometheus' at /metrics; statsd has Swift's classic names"),
    ("storage_domain", "tells S3 hosts apart, which s3api does"),
];

/// Marks those of `options` as known.
pub(super) fn know(options: &Options) {
    for (option, _) in WITHOUT_EFFECT {
        options.str(option);
    }
    options.with_prefix("statsd_user_label_").for_each(drop);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_options_are_not_called_unknown() {
        let options = Options::new("f", "app:object-server").with("splice", "yes").with("slpice", "yes");
        know(&options);
        assert_eq!(options.unknown(), ["slpice"]);
    }

    #[test]
    fn each_has_its_reason_once() {
        let mut names: Vec<&str> = WITHOUT_EFFECT.iter().map(|(option, _)| *option).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), WITHOUT_EFFECT.len());
        assert!(WITHOUT_EFFECT.iter().all(|(_, why)| !why.is_empty()));
    }
}
