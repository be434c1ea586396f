//! Sends figures by statsd under Swift's names, off the way of requests: lines wait in a bounded queue for a thread,
//! and are lost where that cannot follow, as datagrams are anyway.

use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use swiftlet_types::conf::{OptionError, Options};

/// Lines that wait.
const QUEUE: usize = 4096;
/// How long a name stays resolved.
const RESOLVED_FOR: Duration = Duration::from_secs(60);

/// A sender of figures.
#[derive(Debug)]
pub struct Statsd {
    queue: SyncSender<String>,
    /// What every name begins with, its last dot included.
    prefix: String,
    default_sample_rate: f64,
    sample_rate_factor: f64,
}

impl Statsd {
    /// Reads `log_statsd_host` and its companions; `None` where there is no host. Each option may begin with any of
    /// `prefixes` (`log_`), the first winning. `server` begins the names behind the configured prefix.
    pub fn from_options(o: &Options, prefixes: &[&str], server: &str) -> Result<Option<Self>, OptionError> {
        let option = |name: &str| {
            let names = prefixes.iter().map(|prefix| format!("{prefix}statsd_{name}"));
            // Every spelling is asked for, so that none is called unknown.
            let given: Vec<String> = names.filter(|name| o.str(name).is_some()).collect();
            given.into_iter().next().unwrap_or_else(|| format!("log_statsd_{name}"))
        };
        let port = o.int(&option("port"), 8125_u16)?;
        let default_sample_rate = share(o, &option("default_sample_rate"))?;
        let sample_rate_factor = share(o, &option("sample_rate_factor"))?;
        let base = o.str_or(&option("metric_prefix"), "");
        let emits = o.bool("statsd_emit_legacy", true);
        let host = o.str_or(&option("host"), "");
        if host.is_empty() || !emits {
            return Ok(None);
        }
        let prefix = if base.is_empty() { format!("{server}.") } else { format!("{base}.{server}.") };
        let (queue, lines) = sync_channel(QUEUE);
        let sending = std::thread::Builder::new().name("statsd".to_owned());
        match sending.spawn(move || send_all(&lines, &host, port)) {
            Ok(_) => Ok(Some(Self { queue, prefix, default_sample_rate, sample_rate_factor })),
            Err(error) => Err(o.error(&option("host"), format!("cannot be sent to: {error}"))),
        }
    }

    /// How long something took; `sample_rate` where it is not the default one.
    pub fn timing(&self, metric: impl Display, took: Duration, sample_rate: Option<f64>) {
        let ms = (took.as_secs_f64() * 1e7).round() / 1e4;
        self.send(metric, format_args!("{ms:?}|ms"), sample_rate);
    }

    /// Adds `n` to a counter.
    pub fn count(&self, metric: impl Display, n: u64) {
        self.send(metric, format_args!("{n}|c"), None);
    }

    fn send(&self, metric: impl Display, value: std::fmt::Arguments<'_>, sample_rate: Option<f64>) {
        let rate = sample_rate.unwrap_or(self.default_sample_rate) * self.sample_rate_factor;
        if rate < 1.0 && rand::random::<f64>() >= rate {
            return;
        }
        let prefix = &self.prefix;
        let line = if rate < 1.0 {
            format!("{prefix}{metric}:{value}|@{rate}")
        } else {
            format!("{prefix}{metric}:{value}")
        };
        // A full queue drops the line: see above.
        let _ = self.queue.try_send(line);
    }
}

/// A number from 0 to 1.
fn share(o: &Options, option: &str) -> Result<f64, OptionError> {
    o.parsed(option, 1.0, "is not a number from 0 to 1", |text| {
        text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate))
    })
}

/// Sends what comes through `lines` until nobody is left to send.
fn send_all(lines: &Receiver<String>, host: &str, port: u16) {
    let mut open: Option<(UdpSocket, Instant)> = None;
    for line in lines {
        if open.as_ref().is_none_or(|(_, at)| at.elapsed() > RESOLVED_FOR) {
            open = match connect(host, port) {
                Ok(socket) => Some((socket, Instant::now())),
                Err(error) => {
                    tracing::warn!("statsd at {host}:{port}: {error}");
                    std::thread::sleep(Duration::from_secs(1));
                    continue;
                }
            };
        }
        if let Some((socket, _)) = &open {
            // Nobody may listen; the next line is tried all the same.
            let _ = socket.send(line.as_bytes());
        }
    }
}

/// A socket to the host, by IPv4 where it has that.
fn connect(host: &str, port: u16) -> io::Result<UdpSocket> {
    let mut found: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    let target = *found.first().ok_or(io::ErrorKind::NotFound)?;
    let any: SocketAddr = match target {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(target)?;
    Ok(socket)
}
