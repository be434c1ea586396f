//! The options of memcached, from the cache filter's section on top of `memcache.conf`.

use std::path::Path;
use std::time::Duration;
use swiftlet_types::conf::{ConfError, Ini, OptionError, Options as Section};

/// How to reach and treat the memcached servers. Defaults are Swift's.
#[derive(Debug, Clone)]
pub struct Options {
    /// `host[:port]` each; none: no memcached is configured.
    pub servers: Vec<String>,
    /// Connections to each server at once.
    pub max_connections: usize,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long to wait for a free connection.
    pub pool_timeout: Duration,
    /// How long a command may take.
    pub io_timeout: Duration,
    /// How many servers are asked before giving up.
    pub tries: usize,
    /// When to leave a server alone.
    pub error_limit: ErrorLimit,
    /// TLS, where it is switched on.
    pub tls: Option<TlsFiles>,
    /// Warn of values of at least so many bytes; `None`: never.
    pub item_size_warning_bytes: Option<usize>,
}

/// More than `count` errors in `interval` leave a server alone for `interval`; zero switches it off.
#[derive(Debug, Clone)]
pub struct ErrorLimit {
    /// `error_suppression_interval`
    pub interval: Duration,
    /// `error_suppression_limit`
    pub count: f64,
}

/// PEM files for TLS to memcached.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Whom to trust.
    pub authorities: String,
    /// Our certificate and its key, where the server wants one.
    pub identity: Option<(String, String)>,
}

impl Options {
    /// Reads the filter's section and, where that lacks servers or the number of connections, the file
    /// `memcache.conf` in its `swift_dir`. The second value names that file's unknown options.
    pub fn read(filter: &Section) -> Result<(Self, Vec<String>), ConfError> {
        let servers_given = filter.str("memcache_servers").is_some_and(|servers| !servers.is_empty());
        let connections_option =
            ["memcache_max_connections", "max_connections"].into_iter().find(|o| filter.str(o).is_some());
        let connections = connections_option.map_or(Ok(0), |option| filter.int(option, 0_i64))?;
        let swift_dir = filter.str_or("swift_dir", "/etc/swift");
        let base = match servers_given && connections > 0 {
            true => None,
            false => memcache_conf(&Path::new(&swift_dir).join("memcache.conf"))?,
        };
        let options = Self::from_sections(&Layers { filter, base: base.as_ref() }, connections)?;
        Ok((options, base.map(|base| base.warnings()).unwrap_or_default()))
    }

    fn from_sections(layers: &Layers<'_>, connections: i64) -> Result<Self, OptionError> {
        let seconds = |option, default| layers.of(option).seconds(option, default);
        let connections = match connections {
            ..=0 => layers.base.map_or(Ok(2), |base| base.int("memcache_max_connections", 2_i64))?,
            given => given,
        };
        let warning: i64 = layers.of("item_size_warning_threshold").int("item_size_warning_threshold", -1)?;
        Ok(Self {
            servers: dedup(layers.of("memcache_servers").list("memcache_servers", "")),
            max_connections: usize::try_from(connections).ok().filter(|n| *n > 0).unwrap_or(2),
            connect_timeout: seconds("connect_timeout", 0.3)?,
            pool_timeout: seconds("pool_timeout", 1.0)?,
            io_timeout: seconds("io_timeout", 2.0)?,
            tries: layers.of("tries").int("tries", 3_usize)?.max(1),
            error_limit: ErrorLimit {
                interval: seconds("error_suppression_interval", 60.0)?,
                count: layers.of("error_suppression_limit").float("error_suppression_limit", 10.0)?,
            },
            tls: tls_files(layers)?,
            item_size_warning_bytes: usize::try_from(warning).ok(),
        })
    }
}

/// The filter's section on top of `[memcache]`.
struct Layers<'a> {
    filter: &'a Section,
    base: Option<&'a Section>,
}

impl<'a> Layers<'a> {
    /// The section whose value of `option` counts.
    fn of(&self, option: &str) -> &'a Section {
        let in_filter = self.filter.str(option).is_some();
        match self.base {
            // Asked in any case: an option that the filter overrides is no unknown one.
            Some(base) if base.str(option).is_some() && !in_filter => base,
            _ => self.filter,
        }
    }
}

fn memcache_conf(path: &Path) -> Result<Option<Section>, ConfError> {
    if !path.exists() {
        return Ok(None);
    }
    match Ini::read(path)?.daemon("memcache") {
        Err(ConfError::NoSection { .. }) => Ok(None),
        section => section.map(Some),
    }
}

fn tls_files(layers: &Layers<'_>) -> Result<Option<TlsFiles>, OptionError> {
    let text = |option| layers.of(option).str(option).map(str::to_owned).filter(|text| !text.is_empty());
    let (authorities, certificate, key) = (text("tls_cafile"), text("tls_certfile"), text("tls_keyfile"));
    let enabled = layers.of("tls_enabled");
    if !enabled.bool("tls_enabled", false) {
        return Ok(None);
    }
    let authorities = authorities
        .ok_or_else(|| enabled.error("tls_enabled", "needs tls_cafile, the authorities to trust"))?;
    let identity = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ => return Err(enabled.error("tls_enabled", "needs both tls_certfile and tls_keyfile, or neither")),
    };
    Ok(Some(TlsFiles { authorities, identity }))
}

fn dedup(mut servers: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    servers.retain(|server| seen.insert(server.clone()));
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Section {
        Ini::parse("proxy-server.conf", text).unwrap().paste("filter:cache").unwrap()
    }

    #[test]
    fn the_filter_wins_over_memcache_conf() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(
            dir.path().join("memcache.conf"),
            "[memcache]\nmemcache_servers = a, b:1,a\nmemcache_max_connections = 7\nio_timeout = 9\ntries = 1\nx = 1\n",
        )
        .unwrap();
        let swift_dir = dir.path().display();
        let section =
            filter(&format!("[DEFAULT]\nswift_dir = {swift_dir}\n[filter:cache]\nio_timeout = 0.5\n"));
        let (options, warnings) = Options::read(&section).unwrap();
        assert_eq!(options.servers, ["a", "b:1"]);
        assert_eq!((options.max_connections, options.tries), (7, 1));
        assert_eq!(options.io_timeout, Duration::from_millis(500));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].ends_with("memcache.conf [memcache] x: no such option, ignored"), "{warnings:?}");

        let both = "[filter:cache]\nmemcache_servers = c\nmemcache_max_connections = 3\n";
        let (options, _) =
            Options::read(&filter(&format!("[DEFAULT]\nswift_dir = {swift_dir}\n{both}"))).unwrap();
        assert_eq!((options.servers, options.max_connections), (vec!["c".to_owned()], 3));
        assert_eq!(options.tries, 3, "memcache.conf is not read where the filter says both");
    }

    #[test]
    fn without_servers_there_is_no_memcached_and_bad_values_are_named() {
        let (options, _) = Options::read(&filter("[DEFAULT]\nswift_dir=/nowhere\n[filter:cache]\n")).unwrap();
        assert!(options.servers.is_empty());
        let bad = |text: &str| {
            let section = filter(&format!("[DEFAULT]\nswift_dir=/nowhere\n[filter:cache]\n{text}\n"));
            Options::read(&section).unwrap_err().to_string()
        };
        assert_eq!(
            bad("io_timeout = soon"),
            "proxy-server.conf [filter:cache] io_timeout: \"soon\" is not a number of seconds"
        );
        assert!(bad("tls_enabled = yes").contains("needs tls_cafile"));
    }
}
