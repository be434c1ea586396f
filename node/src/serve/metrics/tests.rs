use super::table::{Figure, PREFIX, TABLE};
use super::{node_table, *};
use crate::daemon::Daemon;
use crate::http::{Method, Request, Response, Service};
use async_trait::async_trait;
use prometheus_client::registry::Unit;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;
use swiftlet_types::Policies;
use swiftlet_types::conf::Options;

struct Nothing;

#[async_trait]
impl Service for Nothing {
    async fn call(&self, _: Request) -> Response {
        Response::new(404)
    }
}

#[async_trait]
impl Daemon for Nothing {
    fn name(&self) -> &'static str {
        "object-updater"
    }
    fn interval(&self) -> Duration {
        Duration::ZERO
    }
    async fn pass(&self) {}
}

async fn page(
    requests: Arc<RequestMetrics>,
    daemons: &DaemonMetrics,
    more: Option<Arc<dyn Figures>>,
) -> String {
    let endpoint = MetricsEndpoint::new(Arc::new(Nothing), requests, daemons.of("object-server"), more);
    assert_eq!(endpoint.call(Request::new(Method::Get, "/metrics/")).await.status, 404);
    let mut answer = endpoint.call(Request::new(Method::Get, "/metrics")).await;
    String::from_utf8(answer.body.read_all(1 << 20).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn the_page_shows_every_figure_of_the_table() {
    let (requests, daemons) = (Arc::new(RequestMetrics::new("object-server")), DaemonMetrics::default());
    let asked = Asked::of(&Request::new(Method::Get, "/sda/7/a/c/o"));
    let mut seen = asked.answered(&Response::new(200).with_body("12345"), Duration::from_millis(3));
    (seen.first_byte, seen.received_bytes) = (Some(Duration::from_millis(1)), 7);
    requests.observe(&seen);
    Measured::new(Box::new(Nothing), daemons.of("object-server")).pass().await;
    let clocks = ClockMetrics::default();
    clocks.set([("10.0.0.1:6200".to_owned(), -0.25)].into());
    let page = page(requests, &daemons, Some(Arc::new(clocks))).await;
    are_shown(&page, TABLE);
    let counted = "swiftlet_requests_total{server=\"object-server\",resource=\"object\",method=\"GET\",status=\"200\"} 1";
    assert!(page.contains(counted) && page.ends_with("# EOF\n"), "{page}");
    let offset = "swiftlet_clock_offset_seconds{server=\"proxy-server\",node=\"10.0.0.1:6200\"} -0.25";
    assert!(page.contains(offset), "{page}");
}

fn are_shown(page: &str, figures: impl IntoIterator<Item = Figure>) {
    for figure in figures {
        let unit = match &figure.unit {
            Some(Unit::Bytes) => "_bytes",
            Some(_) => "_seconds",
            None => "",
        };
        let name = format!("{PREFIX}_{}{unit}", figure.name);
        let begins = ["", "_total", "_count"].map(|kind| format!("{name}{kind}{{"));
        let is_its = |line: &&str| begins.iter().any(|begin| line.starts_with(begin));
        let line = page.lines().find(is_its).unwrap_or_else(|| panic!("{name}: {page}"));
        let labels = ["server"].iter().chain(figure.labels);
        assert!(labels.clone().all(|label| line.contains(&format!("{label}=\""))), "{line}");
        assert!(page.contains(&format!("# HELP {name} {}", figure.help)), "{name}");
        assert!(!figure.statsd.contains(PREFIX));
    }
}

/// Shape of a line of METRICS.md: `| name | labels | meaning |`.
#[test]
fn the_page_about_figures_has_them_all() {
    let page = include_str!("../../../METRICS.md");
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("| `swiftlet_")).collect();
    let figures: Vec<Figure> = TABLE.into_iter().chain(node_table::TABLE).collect();
    assert_eq!(lines.len(), figures.len());
    for (figure, line) in figures.iter().zip(lines) {
        let unit = match &figure.unit {
            Some(Unit::Bytes) => "_bytes",
            Some(_) => "_seconds",
            None => "",
        };
        let labels = figure.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
        let expected = format!("| `{PREFIX}_{}{unit}` | {labels} | {} |", figure.name, figure.help);
        assert_eq!(line.replace("_total`", "`"), expected);
    }
}

/// What the daemons of a node have left, and its devices, as the server of this kind shows them.
async fn node_page(root: &std::path::Path, server: &'static str) -> String {
    let options = Options::new("f", "filter:recon")
        .with("devices", &root.join("srv").display().to_string())
        .with("recon_cache_path", &root.display().to_string())
        .with("swift_dir", &root.display().to_string())
        .with("mount_check", "false");
    let recon = crate::serve::recon::Answers::new(&options, &Policies::default());
    let more = Arc::new(NodeMetrics::new(server, recon));
    page(Arc::new(RequestMetrics::new(server)), &DaemonMetrics::default(), Some(more)).await
}

#[tokio::test]
async fn what_recon_tells_is_shown() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("srv/sda/quarantined/objects-1/a")).unwrap();
    std::fs::create_dir_all(root.path().join("srv/sdb/quarantined/containers/c")).unwrap();
    let leave = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
    let object = r#"{"async_pending": 3, "async_pending_last": 1700000000.5,
        "replication_stats": {"success": 4, "start": 1, "failure_nodes": {"10.0.0.1": {"sda": 1}}},
        "object_replication_time": 0.5, "object_replication_last": 1700000001,
        "object_reconstruction_time": 2, "object_reconstruction_last": 1700000002,
        "object_auditor_stats_ALL": {"sda": {"passes": 1, "bytes_processed": 10}, "sdb": {"passes": 2}},
        "object_auditor_stats_ZBF": {"passes": 5, "errors": 0, "quarantined": 1, "bytes_processed": 0},
        "object_updater_sweep": 1.5, "object_updater_last": 1700000003,
        "object_updater_stats": {"failures_oldest_timestamp_age": 60, "failures_account_container_count": 2},
        "object_expiration_pass": 7.5, "expired_last_pass": 8}"#;
    leave("object.recon", object);
    leave("container.recon", r#"{"container_auditor_pass_completed": 9.5, "container_audits_passed": 2}"#);
    leave("object.ring.gz", "");
    leave("drive.recon", r#"{"drive_audit_errors": {"sda": 2}}"#);
    leave("relinker.recon", r#"{"devices": {"sda": {"parts_done": 1, "total_parts": 4}}}"#);
    let page = node_page(root.path(), "object-server").await;
    let shown =
        |page: &str, line: &str| assert!(page.contains(&format!("swiftlet_{line}\n")), "{line}: {page}");
    for line in [
        r#"async_pendings{server="object-server"} 3.0"#,
        r#"replication_last_pass{server="object-server",outcome="success"} 4.0"#,
        r#"replication_last_pass_duration_seconds{server="object-server"} 30.0"#,
        r#"reconstruction_last_pass_duration_seconds{server="object-server"} 120.0"#,
        r#"audited{server="object-server",scan="ALL",outcome="passed"} 3.0"#,
        r#"audited_bytes{server="object-server",scan="ALL"} 10.0"#,
        r#"quarantined{server="object-server",kind="objects",policy="1"} 1.0"#,
        r#"quarantined{server="object-server",kind="containers",policy=""} 1.0"#,
        r#"device_mounted{server="object-server",device="sdb"} 1.0"#,
        r#"drive_errors{server="object-server",device="sda"} 2.0"#,
        r#"ring_info{server="object-server",ring="object",md5="d41d8cd98f00b204e9800998ecf8427e"} 1.0"#,
        r#"relinker_partitions{server="object-server",device="sda",state="total"} 4.0"#,
    ] {
        shown(&page, line);
    }
    assert!(!page.contains("outcome=\"start\""), "{page}");
    are_shown(
        &page,
        node_table::TABLE.into_iter().filter(|figure| figure.name != "audit_last_pass_duration"),
    );
    let page = node_page(root.path(), "container-server").await;
    shown(&page, r#"audit_last_pass_duration_seconds{server="container-server"} 9.5"#);
    shown(&page, r#"audited{server="container-server",scan="ALL",outcome="passed"} 2.0"#);
    assert!(!page.contains("device_size"), "{page}");
}

#[tokio::test]
async fn a_node_without_daemons_or_devices_shows_nothing_of_them() {
    let page = node_page(std::path::Path::new("/nowhere"), "object-server").await;
    let figures: Vec<_> = page.lines().filter(|line| line.starts_with("swiftlet_")).collect();
    assert!(figures.is_empty(), "{figures:?}");
}

#[tokio::test]
async fn what_clients_make_up_adds_no_labels() {
    let (requests, daemons) = (Arc::new(RequestMetrics::new("object-server")), DaemonMetrics::default());
    for i in 0..100 {
        let made_up =
            Request::new(Method::Other(format!("M{i}").into()), format!("/{i}/{i}/{i}/{i}/{i}/{i}"));
        requests.observe(&Asked::of(&made_up).answered(&Response::new(405), Duration::ZERO));
    }
    let page = page(requests, &daemons, None).await;
    assert_eq!(page.lines().filter(|line| line.starts_with("swiftlet_requests_total")).count(), 1, "{page}");
    assert!(page.contains("method=\"OTHER\""), "{page}");
}

/// What arrives at a socket whose port `options` name, once `send` was done.
fn sent(options: &[(&str, &str)], send: impl Fn(&Statsd)) -> Vec<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let section = Options::new("f", "app:object-server").with("log_statsd_host", "127.0.0.1");
    let section = section.with("log_statsd_port", &port);
    let section = options.iter().fold(section, |section, (option, value)| section.with(option, value));
    let statsd = Statsd::from_options(&section, &["access_log_", "log_"], "object-server").unwrap();
    if let Some(statsd) = &statsd {
        send(statsd);
    }
    let mut lines = Vec::new();
    let mut line = [0; 512];
    while let Ok(length) = socket.recv(&mut line) {
        lines.push(String::from_utf8_lossy(&line[..length]).into_owned());
    }
    lines
}

#[test]
fn statsd_lines_are_swifts() {
    let lines = sent(&[("access_log_statsd_metric_prefix", "node1")], |statsd| {
        statsd.timing("PUT.timing", Duration::from_micros(12_345), None);
        statsd.count("object.GET.200.xfer", 7);
    });
    assert_eq!(
        lines,
        ["node1.object-server.PUT.timing:12.345|ms", "node1.object-server.object.GET.200.xfer:7|c"]
    );
    assert_eq!(sent(&[("statsd_emit_legacy", "no")], |statsd| statsd.count("x", 1)), [""; 0]);
}

#[test]
fn statsd_samples() {
    let lines = sent(&[("log_statsd_sample_rate_factor", "0.5")], |statsd| {
        (0..400).for_each(|_| statsd.timing("HEAD.timing", Duration::from_millis(1), Some(0.8)));
    });
    assert!((80..240).contains(&lines.len()), "{}", lines.len());
    assert_eq!(lines[0], "object-server.HEAD.timing:1.0|ms|@0.4");
    let bad = Options::new("f", "s").with("log_statsd_default_sample_rate", "2");
    assert!(Statsd::from_options(&bad, &["log_"], "s").is_err());
}
