//! The options of `[object-expirer]`.

use super::super::config::expirer_queue_of;
use crate::daemon::{HowToRun, Sharing};
use crate::internal_client::ClientFile;
use std::collections::HashMap;
use std::time::Duration;
use swiftlet_types::conf::{OptionError, Options};
use swiftlet_types::names::unquote;

/// How the expirer works.
#[derive(Debug, Clone)]
pub struct ExpirerConfig {
    /// From the beginning of one pass to that of the next, at most.
    pub interval: Duration,
    /// How often a pass tells how far it came.
    pub report_interval: Duration,
    /// Deletions under way at once.
    pub concurrency: usize,
    /// Deletions begun a second.
    pub tasks_per_second: f64,
    /// How long a task is tried whose object cannot be deleted.
    pub reclaim_age: Duration,
    /// Tasks held to be put in an order that spares containers.
    pub round_robin_task_cache_size: usize,
    /// The queue's account.
    pub account: String,
    /// How many seconds of expiry share its containers.
    pub divisor: u64,
    /// Whether there is anything to do for this node.
    pub dequeue_from_legacy: bool,
    /// How it is told which tasks are this process's.
    pub sharing: Sharing,
    /// What is deleted later than it expires.
    pub delays: Delays,
}

/// How long objects are kept behind their time, by account and container.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delays(HashMap<(String, Option<String>), Duration>);

impl ExpirerConfig {
    /// Reads them; `how` may override which share is this process's.
    pub fn from_options(o: &Options, how: &HowToRun) -> Result<Self, OptionError> {
        let (account, divisor) = expirer_queue_of(o)?;
        let at_least_1 = |option: &str, default: usize| match o.int(option, default)? {
            0 => Err(o.error(option, "must be at least 1")),
            count => Ok(count),
        };
        Ok(Self {
            interval: o.seconds("interval", 300.0)?,
            report_interval: o.seconds("report_interval", 300.0)?,
            concurrency: at_least_1("concurrency", 1)?,
            tasks_per_second: o.float("tasks_per_second", 50.0)?,
            reclaim_age: o.seconds("reclaim_age", 604_800.0)?,
            round_robin_task_cache_size: at_least_1("round_robin_task_cache_size", 100_000)?,
            account,
            divisor,
            // read in any case, so that it is known
            dequeue_from_legacy: o.bool("dequeue_from_legacy", false) | has_own_file(o),
            sharing: Sharing::from_options(o, how)?,
            delays: Delays::from_options(o)?,
        })
    }

    /// Where the pipeline of its client is described: its own file holds one where it has that to itself.
    pub fn client_file(o: &Options) -> ClientFile {
        match ClientFile::from_options(o) {
            ClientFile::Usual if has_own_file(o) => ClientFile::At(o.path().to_owned()),
            file => file,
        }
    }
}

/// Whether the expirer's section is in a file of its own, as of old: told by the file's path, as Swift does.
fn has_own_file(o: &Options) -> bool {
    o.path().to_string_lossy().contains("expirer")
}

impl Delays {
    /// Reads each `delay_reaping_<account>` and `delay_reaping_<account>/<container>`, names percent-encoded.
    fn from_options(o: &Options) -> Result<Self, OptionError> {
        let mut delays = HashMap::new();
        for (quoted, _) in o.with_prefix("delay_reaping_") {
            let option = format!("delay_reaping_{quoted}");
            let no_name = || o.error(&option, "is not of an account, or of an account/container");
            let name = String::from_utf8(unquote(quoted)).map_err(|_| no_name())?;
            let parts: Vec<&str> = name.split('/').collect();
            let key = match parts[..] {
                [account] if !account.is_empty() => (account.to_owned(), None),
                [account, container] if !account.is_empty() && !container.is_empty() => {
                    (account.to_owned(), Some(container.to_owned()))
                }
                _ => return Err(no_name()),
            };
            delays.insert(key, o.seconds(&option, 0.0)?);
        }
        Ok(Self(delays))
    }

    /// How long objects of that container are kept.
    pub fn of(&self, account: &str, container: &str) -> Duration {
        let own = self.0.get(&(account.to_owned(), Some(container.to_owned())));
        own.or_else(|| self.0.get(&(account.to_owned(), None))).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        let section = Options::new("object-server.conf", "object-expirer");
        pairs.iter().fold(section, |section, (option, value)| section.with(option, value))
    }

    fn config(pairs: &[(&str, &str)]) -> Result<ExpirerConfig, String> {
        ExpirerConfig::from_options(&options(pairs), &HowToRun::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_of_its_own_holds_the_pipeline_and_means_the_queue() {
        assert!(!config(&[]).unwrap().dequeue_from_legacy);
        assert!(config(&[("dequeue_from_legacy", "yes")]).unwrap().dequeue_from_legacy);
        assert_eq!(ExpirerConfig::client_file(&options(&[])), ClientFile::Usual);
        let own = Options::new("/etc/swift/object-expirer.conf", "object-expirer");
        assert!(ExpirerConfig::from_options(&own, &HowToRun::default()).unwrap().dequeue_from_legacy);
        assert_eq!(ExpirerConfig::client_file(&own), ClientFile::At("/etc/swift/object-expirer.conf".into()));
        let named = own.with("internal_client_conf_path", "/x");
        assert_eq!(ExpirerConfig::client_file(&named), ClientFile::At("/x".into()));
    }

    #[test]
    fn the_nearest_delay_counts() {
        let delays = config(&[
            ("delay_reaping_a%20b", "2.5"),
            ("delay_reaping_a%20b/c", "1"),
            ("delay_reaping_AUTH_Test", "7"),
        ]);
        let delays = delays.unwrap().delays;
        assert_eq!(delays.of("a b", "c"), Duration::from_secs(1));
        assert_eq!(delays.of("a b", "d"), Duration::from_millis(2500));
        assert_eq!(delays.of("AUTH_Test", "d"), Duration::from_secs(7));
        assert_eq!(delays.of("x", "c"), Duration::ZERO);
        for bad in ["/a", "a/", "a/b/c", ""] {
            let error = config(&[(&format!("delay_reaping_{bad}"), "1")]).unwrap_err();
            assert!(error.contains("is not of an account"), "{error}");
        }
        assert!(config(&[("delay_reaping_a", "-1")]).unwrap_err().contains("is not a number of seconds"));
    }
}
