//! Names of nodes, looked up off the async workers and believed for a while.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Names remembered at most; rings have fewer.
const MAX_NAMES: usize = 16 << 10;
/// How long a lookup may take where nothing is known yet, as when a cluster starts and all look up everybody.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// How long one may take where an address was known.
const PATIENCE: Duration = Duration::from_millis(250);

/// Looks names up and remembers the answers.
pub(super) struct Resolver {
    known: Mutex<HashMap<Box<str>, Known>>,
    ttl: Duration,
}

struct Known {
    address: IpAddr,
    until: Instant,
}

impl Resolver {
    pub(super) fn new(ttl: Duration) -> Self {
        Self { known: Mutex::default(), ttl }
    }

    /// The address of `host`. While the name service fails or is slow, the last address that it gave holds good.
    pub(super) async fn resolve(&self, host: &str) -> io::Result<IpAddr> {
        if let Ok(address) = host.parse() {
            return Ok(address);
        }
        let last_good = match self.known.lock().get(host) {
            Some(known) if known.until > Instant::now() => return Ok(known.address),
            known => known.map(|k| k.address),
        };
        // Tokio asks the system's resolver on a thread of its own.
        let patience = if last_good.is_some() { PATIENCE } else { FIRST_PATIENCE };
        let looked_up = timeout(patience, tokio::net::lookup_host((host, 0))).await;
        let found =
            looked_up.unwrap_or_else(|slow| Err(slow.into())).map(|mut all| all.next().map(|a| a.ip()));
        let address = match (found, last_good) {
            (Ok(Some(address)), _) | (Ok(None) | Err(_), Some(address)) => address,
            (Ok(None), None) => {
                return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
            }
            (Err(error), None) => return Err(error),
        };
        let mut known = self.known.lock();
        if known.len() >= MAX_NAMES {
            known.clear();
        }
        known.insert(host.into(), Known { address, until: Instant::now() + self.ttl });
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_needs_no_lookup_and_a_name_gets_one() {
        let resolver = Resolver::new(Duration::from_secs(60));
        assert_eq!(resolver.resolve("127.0.0.9").await.unwrap(), IpAddr::from([127, 0, 0, 9]));
        assert!(resolver.known.lock().is_empty());
        assert!(resolver.resolve("localhost").await.unwrap().is_loopback());
        assert!(resolver.known.lock().contains_key("localhost"));
    }

    #[tokio::test]
    async fn the_last_good_address_outlives_a_failing_name_service() {
        let resolver = Resolver::new(Duration::from_secs(60));
        let name = "no-such-node.invalid";
        assert!(resolver.resolve(name).await.is_err());
        let address = IpAddr::from([10, 9, 8, 7]);
        resolver.known.lock().insert(name.into(), Known { address, until: Instant::now() });
        assert_eq!(resolver.resolve(name).await.unwrap(), address);
    }
}
