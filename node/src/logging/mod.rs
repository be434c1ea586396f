//! Where log lines go: Swift's format to syslog for `swift-*` commands, JSON on stdout in pods.

mod swift_format;
mod syslog;

use std::fmt;
use std::io::Write;
use swift_format::SwiftLayer;
use swiftlet_types::conf::{OptionError, Options};
use syslog::Syslog;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// The target of the proxy's access log.
const ACCESS: &str = "proxy-access";

/// Swift's options for logging.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// `log_name`: what each line starts with.
    pub name: String,
    /// `log_level`
    pub level: LevelFilter,
    /// `log_facility`, as syslog numbers it.
    facility: u8,
    /// `log_address`
    address: String,
    /// `log_udp_host` and `log_udp_port`
    udp: Option<(String, u16)>,
    /// `log_max_line_length` in bytes; 0: no limit.
    max_line: usize,
}

impl LogOptions {
    /// Reads them; `name` is the default of `log_name`.
    pub fn from_options(o: &Options, name: &str) -> Result<Self, OptionError> {
        Self::read(o, &["log_"], name)
    }

    /// Those of the access log, as its filter's `section` has them: `access_log_…`, where that is not said `log_…`.
    /// Its lines are never cut, as in Swift. `server` is what the rest of its log does.
    pub fn of_access_log(section: &Options, server: &Self) -> Result<Self, OptionError> {
        let own = Self::read(section, &["access_log_", "log_"], &server.name)?;
        Ok(Self { address: server.address.clone(), max_line: 0, ..own })
    }

    /// Reads the options whose names begin with the first of `prefixes` that says something.
    fn read(o: &Options, prefixes: &[&str], name: &str) -> Result<Self, OptionError> {
        let named = |suffix: &str| {
            let mut names = prefixes.iter().map(|prefix| format!("{prefix}{suffix}"));
            let is_said = |name: &String| o.str(name).is_some_and(|value| !value.is_empty());
            names.clone().find(is_said).or_else(|| names.next_back()).unwrap_or_default()
        };
        let level_option = named("level");
        let level = match o.str_or(&level_option, "INFO").to_ascii_uppercase().as_str() {
            "DEBUG" => LevelFilter::DEBUG,
            "INFO" | "NOTICE" => LevelFilter::INFO,
            "WARN" | "WARNING" => LevelFilter::WARN,
            "ERROR" | "CRITICAL" => LevelFilter::ERROR,
            _ => {
                return Err(
                    o.error(&level_option, "is none of DEBUG, INFO, NOTICE, WARNING, ERROR, CRITICAL")
                );
            }
        };
        let facility = o.str_or(&named("facility"), "LOG_LOCAL0");
        let udp = match o.str(&named("udp_host")).filter(|host| !host.is_empty()).map(str::to_owned) {
            Some(host) => Some((host, o.int(&named("udp_port"), 514)?)),
            None => None,
        };
        Ok(Self {
            name: o.str_or(&named("name"), name),
            level,
            // An unknown name means LOCAL0, as in Swift.
            facility: syslog::facility(&facility).unwrap_or(16),
            address: o.str_or("log_address", "/dev/log"),
            udp,
            max_line: o.int("log_max_line_length", 0)?,
        })
    }

    /// What takes lines: syslog, and stderr too where `verbose`.
    fn sink(&self, verbose: bool) -> impl Fn(Level, &str) + Send + Sync + use<> {
        let syslog = Syslog::new(self.facility, &self.address, self.udp.clone());
        let max_line = self.max_line;
        move |level, line| {
            let end =
                if max_line > 0 { line.floor_char_boundary(max_line.min(line.len())) } else { line.len() };
            syslog.send(level, &line[..end]);
            if verbose {
                // Nobody may be there to read it.
                let _ = writeln!(std::io::stderr(), "{line}");
            }
        }
    }
}

/// Sends log lines to syslog in Swift's format, and to stderr too where `verbose`: those of the access log as
/// `access` says, where that says anything.
pub fn to_syslog(options: &LogOptions, access: Option<&LogOptions>, verbose: bool) {
    // A process sets this up once; a second time (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(syslog_layer(options, access, verbose)).try_init();
}

fn syslog_layer<S>(options: &LogOptions, access: Option<&LogOptions>, verbose: bool) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let divided = access.is_some();
    let others = wanted(options.level, move |target| !divided || target != ACCESS);
    // A list: a layer that is `None` would turn the other one off with it.
    let mut layers = vec![SwiftLayer::new(&options.name, options.sink(verbose)).with_filter(others).boxed()];
    layers.extend(access.map(|access| {
        let own = wanted(access.level, |target| target == ACCESS);
        SwiftLayer::new(&access.name, access.sink(verbose)).with_filter(own).boxed()
    }));
    layers
}

/// Lines up to `level` of the targets that `is_ours` names. Requests' spans, which are `INFO`, pass at any level: they hold
/// the transaction id.
fn wanted(level: LevelFilter, is_ours: impl Fn(&str) -> bool) -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    let wanted = move |metadata: &Metadata<'_>| {
        metadata.is_span() || (*metadata.level() <= level && is_ours(metadata.target()))
    };
    filter_fn(wanted).with_max_level_hint(level.max(LevelFilter::INFO))
}

/// Writes log lines as JSON to stdout; `RUST_LOG` chooses which.
pub fn to_stdout_as_json() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let json = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stdout);
    let _ = tracing_subscriber::registry().with(json.with_filter(filter)).try_init();
}

/// Writes log lines for a person to stderr; `RUST_LOG` chooses which.
pub fn to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let text = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let _ = tracing_subscriber::registry().with(text.with_filter(filter)).try_init();
}

/// Writes the bare messages of log lines up to `level` to `writer`, as Swift's tools do that need no configuration.
pub fn plain_to(level: LevelFilter, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let plain = tracing_subscriber::fmt::layer().without_time().with_level(false).with_target(false);
    let plain = plain.with_ansi(false).with_writer(writer);
    let _ = tracing_subscriber::registry().with(plain.with_filter(level)).try_init();
}

/// Collects an event's message and other fields as Swift would write them: the message, then `key: value`.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}: {value:?}"),
        };
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => {
                use fmt::Write as _;
                let _ = write!(self.fields, " {name}: {value}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::time::Duration;

    fn section(options: &[(&str, &str)]) -> Options {
        let section = Options::new("proxy-server.conf", "filter:proxy-logging");
        options.iter().fold(section, |section, (option, value)| section.with(option, value))
    }

    /// A socket that takes log lines, and its port.
    fn listen() -> (UdpSocket, String) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let port = socket.local_addr().unwrap().port().to_string();
        (socket, port)
    }

    /// The only line that came.
    fn received(socket: UdpSocket) -> String {
        let mut buffer = [0; 100];
        let length = socket.recv(&mut buffer).unwrap();
        socket.set_nonblocking(true).unwrap();
        assert!(socket.recv(&mut [0; 100]).is_err(), "one line only");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn who_has_no_access_log_logs_too() {
        let (socket, port) = listen();
        let options = [("log_udp_host", "127.0.0.1"), ("log_udp_port", &*port)];
        let options = LogOptions::from_options(&section(&options), "account-replicator").unwrap();
        let subscriber = tracing_subscriber::registry().with(syslog_layer(&options, None, false));
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("too much detail");
            tracing::info!("Replication run OVER");
        });
        assert_eq!(received(socket), "<134>account-replicator: Replication run OVER");
    }

    #[test]
    fn the_access_log_goes_where_its_own_options_say() {
        let ((server, server_port), (access, access_port)) = (listen(), listen());
        let options =
            [("log_udp_host", "127.0.0.1"), ("log_udp_port", &server_port), ("log_level", "WARNING")];
        let options = LogOptions::from_options(&section(&options), "proxy-server").unwrap();
        let own = [
            ("log_udp_host", "127.0.0.1"),
            ("access_log_udp_port", &access_port),
            ("access_log_facility", "LOG_LOCAL1"),
            ("access_log_name", "access"),
        ];
        let own = LogOptions::of_access_log(&section(&own), &options).unwrap();
        let subscriber = tracing_subscriber::registry().with(syslog_layer(&options, Some(&own), false));
        tracing::subscriber::with_default(subscriber, || {
            let _request = tracing::info_span!("request", txn = "tx1").entered();
            tracing::info!("too much detail");
            tracing::info!(target: ACCESS, "GET /");
            tracing::error!("broken");
        });
        assert_eq!(received(access), "<142>access: GET / (txn: tx1)");
        assert_eq!(received(server), "<131>proxy-server: broken (txn: tx1)", "whatever the level");
    }

    #[test]
    fn the_access_log_has_options_of_its_own() {
        let server = [("log_address", "/run/log"), ("log_max_line_length", "80"), ("log_level", "WARNING")];
        let server = LogOptions::from_options(&section(&server), "proxy-server").unwrap();
        let read = |options: &[(&str, &str)]| LogOptions::of_access_log(&section(options), &server);
        let own = read(&[
            ("log_facility", "LOG_LOCAL3"),
            ("access_log_facility", "LOG_LOCAL1"),
            ("access_log_name", "access"),
            ("access_log_level", "ERROR"),
            ("log_level", "DEBUG"),
            ("access_log_udp_host", "logs"),
            ("log_udp_port", "5140"),
        ]);
        let own = own.unwrap();
        assert_eq!((own.name.as_str(), own.facility, own.level), ("access", 17, LevelFilter::ERROR));
        assert_eq!((own.udp, own.address.as_str()), (Some(("logs".into(), 5140)), "/run/log"));
        let fallen_back = read(&[("log_facility", "LOG_LOCAL3"), ("access_log_facility", "")]).unwrap();
        assert_eq!((fallen_back.name.as_str(), fallen_back.facility), ("proxy-server", 19));
        assert_eq!((fallen_back.level, fallen_back.max_line), (LevelFilter::INFO, 0));
        let error = read(&[("access_log_level", "LOUD")]).unwrap_err().to_string();
        assert!(error.contains("[filter:proxy-logging] access_log_level"), "{error}");
    }
}
