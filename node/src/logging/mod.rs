//! Where log lines go: Swift's format to syslog for `swift-*` commands, JSON on stdout in pods.

mod swift_format;
mod syslog;

use std::fmt;
use std::io::Write;
use swift_format::SwiftLayer;
use swiftlet_types::conf::{OptionError, Options};
use syslog::Syslog;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

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
        let level = match o.str_or("log_level", "INFO").to_ascii_uppercase().as_str() {
            "DEBUG" => LevelFilter::DEBUG,
            "INFO" | "NOTICE" => LevelFilter::INFO,
            "WARN" | "WARNING" => LevelFilter::WARN,
            "ERROR" | "CRITICAL" => LevelFilter::ERROR,
            _ => return Err(o.error("log_level", "is none of DEBUG, INFO, NOTICE, WARNING, ERROR, CRITICAL")),
        };
        let facility = o.str_or("log_facility", "LOG_LOCAL0");
        let udp = match o.str("log_udp_host").filter(|host| !host.is_empty()).map(str::to_owned) {
            Some(host) => Some((host, o.int("log_udp_port", 514)?)),
            None => None,
        };
        Ok(Self {
            name: o.str_or("log_name", name),
            level,
            // An unknown name means LOCAL0, as in Swift.
            facility: syslog::facility(&facility).unwrap_or(16),
            address: o.str_or("log_address", "/dev/log"),
            udp,
            max_line: o.int("log_max_line_length", 0)?,
        })
    }
}

/// Sends log lines to syslog in Swift's format, and to stderr too where `verbose`.
pub fn to_syslog(options: &LogOptions, verbose: bool) {
    let syslog = Syslog::new(options.facility, &options.address, options.udp.clone());
    let max_line = options.max_line;
    let layer = SwiftLayer::new(&options.name, move |level: Level, line: &str| {
        let end = if max_line > 0 { line.floor_char_boundary(max_line.min(line.len())) } else { line.len() };
        syslog.send(level, &line[..end]);
        if verbose {
            // Nobody may be there to read it.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    });
    // A process sets this up once; a second time (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(layer.with_filter(options.level)).try_init();
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
