//! The `backend_ratelimit` filter of storage servers: so many requests a second for each device, and for each method
//! of each device; what is beyond is answered 529 at once. Rates come from the filter's section and from a file of
//! their own, which is read again while the server runs.

use super::Service;
use super::metrics::{Statsd, bounded_method};
use crate::http::{Request, Response};
use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use swiftlet_types::conf::{ConfError, Ini, OptionError, Options};
use swiftlet_types::names::split_path;

/// The section of the file.
const SECTION: &str = "backend_ratelimit";
/// The methods that are limited.
const METHODS: [&str; 7] = ["GET", "HEAD", "PUT", "POST", "DELETE", "UPDATE", "REPLICATE"];
/// Beyond so many devices and methods, those that have been idle are forgotten: paths can name any device.
const REMEMBERED: usize = 4096;

/// The filter.
pub struct BackendRateLimit {
    inner: Arc<dyn Service>,
    rates: Arc<RwLock<Rates>>,
    file: Arc<RatesFile>,
    reload_interval: Duration,
    reloaded: Mutex<Instant>,
    limiters: Mutex<Limiters>,
    statsd: Option<Statsd>,
}

/// How much is allowed.
#[derive(Debug, Clone, PartialEq, Default)]
struct Rates {
    /// Requests a second for a device, whatever the method; 0: no limit.
    any: f64,
    /// The same for each of [`METHODS`].
    by_method: [f64; METHODS.len()],
    /// How much of the past a burst may catch up with.
    buffer_s: f64,
}

/// Where rates are read from.
struct RatesFile {
    path: PathBuf,
    /// Whether it is missed when it is not there.
    expected: Mutex<bool>,
    /// The filter's own options, which hold where the file says nothing.
    section: BTreeMap<String, String>,
}

/// When the next request of a device and method is due, in seconds since [`Limiters::begun`].
struct Limiters {
    begun: Instant,
    due: HashMap<(Box<[u8]>, Option<usize>), f64>,
}

impl BackendRateLimit {
    /// Reads the options of the filter's section, and the file they name.
    pub fn from_options(
        inner: Arc<dyn Service>,
        options: &Options,
        server: &str,
    ) -> Result<Self, OptionError> {
        let configured = options.str("backend_ratelimit_conf_path").map(PathBuf::from);
        let swift_dir = options.str_or("swift_dir", "/etc/swift");
        let file = RatesFile {
            expected: Mutex::new(configured.is_some()),
            path: configured.unwrap_or_else(|| Path::new(&swift_dir).join("backend-ratelimit.conf")),
            section: options.iter().map(|(option, value)| (option.to_owned(), value.to_owned())).collect(),
        };
        let rates = RwLock::new(Rates::from_options(options)?);
        file.load_into(&rates);
        Ok(Self {
            inner,
            rates: Arc::new(rates),
            file: Arc::new(file),
            reload_interval: options.seconds("config_reload_interval", 60.0)?,
            reloaded: Mutex::new(Instant::now()),
            limiters: Mutex::new(Limiters { begun: Instant::now(), due: HashMap::new() }),
            statsd: Statsd::from_options(options, &["log_"], &options.str_or("log_name", server))?,
        })
    }

    /// Reads the file again when it is time; requests do not wait for it.
    fn reload(&self) {
        if self.reload_interval.is_zero() {
            return;
        }
        let mut reloaded = self.reloaded.lock();
        if reloaded.elapsed() >= self.reload_interval {
            *reloaded = Instant::now();
            let (file, rates) = (self.file.clone(), self.rates.clone());
            tokio::task::spawn_blocking(move || file.load_into(&rates));
        }
    }

    fn is_allowed(&self, request: &Request) -> bool {
        let method = bounded_method(&request.method);
        let Some(method) = METHODS.iter().position(|limited| *limited == method) else { return true };
        let rates = self.rates.read();
        if !rates.limit_anything() {
            return true;
        }
        let Some(device) = device_of(&request.path) else { return true };
        let mut limiters = self.limiters.lock();
        limiters.is_allowed(device, None, rates.any, rates.buffer_s)
            && limiters.is_allowed(device, Some(method), rates.by_method[method], rates.buffer_s)
    }
}

#[async_trait]
impl Service for BackendRateLimit {
    async fn call(&self, request: Request) -> Response {
        self.reload();
        if self.is_allowed(&request) {
            return self.inner.call(request).await;
        }
        if let Some(statsd) = &self.statsd {
            statsd.count("backend.ratelimit", 1);
        }
        Response::standard(529)
    }
}

impl Rates {
    fn from_options(o: &Options) -> Result<Self, OptionError> {
        let number = |option: &str, default: f64| {
            o.parsed(option, default, "is not a number from 0 on", |text| {
                text.parse().ok().filter(|rate: &f64| rate.is_finite() && *rate >= 0.0)
            })
        };
        let mut by_method = [0.0; METHODS.len()];
        for (rate, method) in by_method.iter_mut().zip(METHODS) {
            *rate = number(&format!("{}_requests_per_device_per_second", method.to_ascii_lowercase()), 0.0)?;
        }
        let any = number("requests_per_device_per_second", 0.0)?;
        Ok(Self { any, by_method, buffer_s: number("requests_per_device_rate_buffer", 1.0)? })
    }

    fn limit_anything(&self) -> bool {
        self.any > 0.0 || self.by_method.iter().any(|rate| *rate > 0.0)
    }
}

impl RatesFile {
    /// Puts what the file says, over the section's options, into `rates`; a file that cannot be used changes nothing.
    fn load_into(&self, rates: &RwLock<Rates>) {
        let path = self.path.display();
        let mut expected = self.expected.lock();
        match Ini::read(&self.path).and_then(|ini| ini.daemon(SECTION)) {
            Ok(options) => match self.over_section(&options) {
                Ok(new) if new != *rates.read() => {
                    *rates.write() = new;
                    tracing::info!("Loaded config file {path}, config changed");
                }
                Ok(_) if !*expected => tracing::info!("Loaded new config file {path}, config unchanged"),
                Ok(_) => tracing::debug!("Loaded existing config file {path}, config unchanged"),
                Err(error) => tracing::warn!("Invalid config file {path}, config unchanged: {error}"),
            },
            Err(ConfError::Read { error, .. }) => {
                if std::mem::replace(&mut *expected, false) {
                    tracing::warn!("Failed to load config file, config unchanged: {path}: {error}");
                }
                return;
            }
            Err(error) => tracing::warn!("Invalid config file {path}, config unchanged: {error}"),
        }
        *expected = true;
    }

    fn over_section(&self, file: &Options) -> Result<Rates, OptionError> {
        let section = self.section.iter().map(|(option, value)| (option.as_str(), value.as_str()));
        let merged = Options::new(&self.path, SECTION);
        Rates::from_options(&section.chain(file.iter()).fold(merged, |all, (o, value)| all.with(o, value)))
    }
}

impl Limiters {
    /// Whether one more request of `device` may pass at `rate` a second. A device that was idle may catch up with
    /// `buffer_s` of it at once.
    fn is_allowed(&mut self, device: &[u8], method: Option<usize>, rate: f64, buffer_s: f64) -> bool {
        if rate <= 0.0 {
            return true;
        }
        let now = self.begun.elapsed().as_secs_f64();
        let earliest = now - buffer_s;
        if self.due.len() >= REMEMBERED {
            // One that has been idle is as good as new.
            self.due.retain(|_, due| *due > earliest);
        }
        let due = self.due.entry((device.into(), method)).or_insert(earliest);
        *due = due.max(earliest);
        let allowed = now >= *due;
        if allowed {
            *due += 1.0 / rate;
        }
        allowed
    }
}

/// The device of `/<device>/<partition>…`.
fn device_of(path: &[u8]) -> Option<&[u8]> {
    let segments = split_path(path, 2, 3, true)?;
    let partition = std::str::from_utf8(segments.get(1)?).ok()?;
    partition.parse::<u32>().is_ok().then(|| segments[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Method;

    struct Nothing;

    #[async_trait]
    impl Service for Nothing {
        async fn call(&self, _: Request) -> Response {
            Response::new(204)
        }
    }

    fn filter(folder: &Path, options: &[(&str, &str)]) -> BackendRateLimit {
        let section = Options::new("object-server.conf", "filter:backend_ratelimit");
        let section = section.with("swift_dir", &folder.display().to_string());
        let section = options.iter().fold(section, |section, (option, value)| section.with(option, value));
        let filter = BackendRateLimit::from_options(Arc::new(Nothing), &section, "object-server").unwrap();
        let unknown: Vec<String> = section.unknown();
        assert_eq!(unknown, [""; 0]);
        filter
    }

    /// How many of `count` requests at once pass.
    async fn passing(filter: &BackendRateLimit, method: Method, path: &str, count: usize) -> usize {
        let mut passed = 0;
        for _ in 0..count {
            let answer = filter.call(Request::new(method.clone(), path.to_owned())).await;
            assert!([204, 529].contains(&answer.status));
            passed += usize::from(answer.status == 204);
        }
        passed
    }

    #[tokio::test]
    async fn each_device_and_method_has_a_rate() {
        let folder = tempfile::tempdir().unwrap();
        let rates = [("requests_per_device_per_second", "10"), ("put_requests_per_device_per_second", "2")];
        let filter = filter(folder.path(), &rates);
        // A rate of n lets n pass at once after a rest of one second, which is the buffer, and the one that is due.
        assert_eq!(passing(&filter, Method::Get, "/sda1/7/a/c/o", 40).await, 11);
        assert_eq!(passing(&filter, Method::Put, "/sdb1/7/a/c/o", 5).await, 3);
        assert_eq!(passing(&filter, Method::Options, "/sda1/7/a/c/o", 20).await, 20);
        assert_eq!(passing(&filter, Method::Get, "/recon/mem", 20).await, 20);
        let mut refused = filter.call(Request::new(Method::Get, "/sda1/7/a")).await;
        assert_eq!(refused.status, 529);
        let body = refused.body.read_all(1000).await.unwrap();
        assert!(body.starts_with(b"<html><h1>Too Many Backend Requests</h1>"));
    }

    #[tokio::test]
    async fn the_file_wins_and_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("backend-ratelimit.conf");
        let write = |rate: &str| {
            std::fs::write(&file, format!("[backend_ratelimit]\nrequests_per_device_per_second = {rate}\n"))
        };
        write("1").unwrap();
        let options = [("requests_per_device_per_second", "0"), ("config_reload_interval", "0.01")];
        let filter = filter(folder.path(), &options);
        assert_eq!(filter.rates.read().any, 1.0);
        for (rate, then) in [("none", 1.0), ("5", 5.0)] {
            write(rate).unwrap();
            filter.file.load_into(&filter.rates);
            assert_eq!(filter.rates.read().any, then, "{rate}");
        }
        write("7").unwrap();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            filter.call(Request::new(Method::Get, "/sda1/7/a")).await;
            if filter.rates.read().any == 7.0 {
                return;
            }
        }
        panic!("the file is not read again");
    }

    #[test]
    fn devices_that_paths_make_up_are_forgotten() {
        let mut limiters = Limiters { begun: Instant::now() - Duration::from_secs(100), due: HashMap::new() };
        for i in 0..3 * REMEMBERED {
            limiters.is_allowed(i.to_string().as_bytes(), None, 1e9, 0.0);
        }
        assert!(limiters.due.len() <= REMEMBERED);
    }
}
