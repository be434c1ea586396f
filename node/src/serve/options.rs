//! Swift's options for the HTTP side of a server.

use super::trans_id;
use crate::http::{Budget, Limits, ServerOptions};
use std::time::Duration;
use swiftlet_types::Constraints;
use swiftlet_types::conf::{OptionError, Options};

/// Reads `client_timeout`, `keepalive_timeout`, `max_clients` and `require_proxy_protocol`.
pub fn http_options(
    o: &Options,
    constraints: &Constraints,
    budget: Budget,
) -> Result<ServerOptions, OptionError> {
    let (line, header) = (constraints.max_request_line, constraints.max_header_size);
    let keepalive = o.str("keepalive_timeout").filter(|text| !text.is_empty()).is_some();
    Ok(ServerOptions {
        limits: Limits::from_constraints(line, header, constraints.max_header_count()),
        client_timeout: o.seconds("client_timeout", 60.0)?,
        keepalive_timeout: if keepalive { Some(o.seconds("keepalive_timeout", 0.0)?) } else { None },
        max_clients: o.int("max_clients", 1024)?,
        require_proxy_protocol: o.bool("require_proxy_protocol", false),
        budget,
        new_trans_id: trans_id::plain,
    })
}

/// How many processes serve (`workers`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// None but the one that was started (`0`).
    InProcess,
    /// So many children with one thread each.
    Children(usize),
    /// One child with a thread for each processor (`auto`; Swift starts a child for each instead).
    Auto,
}

impl Workers {
    /// Reads `workers`.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        match o.str("workers") {
            None | Some("auto") => Ok(Self::Auto),
            Some(_) => match o.int("workers", 0_i64)? {
                count @ 1.. => Ok(Self::Children(count.min(1024) as usize)),
                _ => Ok(Self::InProcess),
            },
        }
    }
}

/// How long a stop waits for running requests where nothing else is said: not at all in Swift's own words
/// (workers finish them without limit), but a pod is killed 30 s after it was asked to stop.
pub const POD_GRACE: Duration = Duration::from_secs(25);

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().fold(Options::new("f", "DEFAULT"), |o, (k, v)| o.with(k, v))
    }

    #[test]
    fn defaults_are_swifts() {
        let read = http_options(&options(&[]), &Constraints::default(), Budget::default()).unwrap();
        assert_eq!((read.max_clients, read.client_timeout), (1024, Duration::from_secs(60)));
        assert_eq!((read.keepalive_timeout, read.limits), (None, Limits::default()));
        let given = options(&[("keepalive_timeout", "0"), ("client_timeout", "1.5")]);
        let read = http_options(&given, &Constraints::default(), Budget::default()).unwrap();
        assert_eq!(
            (read.keepalive_timeout, read.client_timeout),
            (Some(Duration::ZERO), Duration::from_millis(1500))
        );
    }

    #[test]
    fn workers() {
        let read = |text| Workers::from_options(&options(&[("workers", text)]));
        assert_eq!(Workers::from_options(&options(&[])).unwrap(), Workers::Auto);
        assert_eq!(read("auto").unwrap(), Workers::Auto);
        assert_eq!(read("0").unwrap(), Workers::InProcess);
        assert_eq!(read("3").unwrap(), Workers::Children(3));
        assert!(read("many").unwrap_err().to_string().contains("workers"));
    }
}
