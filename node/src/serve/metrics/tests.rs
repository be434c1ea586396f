use super::table::{PREFIX, TABLE};
use super::*;
use crate::daemon::Daemon;
use crate::http::{Method, Request, Response, Service};
use async_trait::async_trait;
use prometheus_client::registry::Unit;
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::Duration;
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

async fn page(requests: Arc<RequestMetrics>, daemons: &DaemonMetrics) -> String {
    let endpoint = MetricsEndpoint::new(Arc::new(Nothing), requests, daemons.of("object-server"));
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
    let page = page(requests, &daemons).await;
    for figure in TABLE {
        let unit = match &figure.unit {
            Some(Unit::Bytes) => "_bytes",
            Some(_) => "_seconds",
            None => "",
        };
        let name = format!("{PREFIX}_{}{unit}", figure.name);
        let line = page.lines().find(|line| line.starts_with(&name) && line.contains('{')).expect(&name);
        let labels = ["server"].iter().chain(figure.labels);
        assert!(labels.clone().all(|label| line.contains(&format!("{label}=\""))), "{line}");
        assert!(page.contains(&format!("# HELP {name} {}", figure.help)), "{name}");
        assert!(!figure.statsd.contains(PREFIX));
    }
    let counted = "swiftlet_requests_total{server=\"object-server\",resource=\"object\",method=\"GET\",status=\"200\"} 1";
    assert!(page.contains(counted) && page.ends_with("# EOF\n"), "{page}");
}

#[tokio::test]
async fn what_clients_make_up_adds_no_labels() {
    let (requests, daemons) = (Arc::new(RequestMetrics::new("object-server")), DaemonMetrics::default());
    for i in 0..100 {
        let made_up =
            Request::new(Method::Other(format!("M{i}").into()), format!("/{i}/{i}/{i}/{i}/{i}/{i}"));
        requests.observe(&Asked::of(&made_up).answered(&Response::new(405), Duration::ZERO));
    }
    let page = page(requests, &daemons).await;
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
