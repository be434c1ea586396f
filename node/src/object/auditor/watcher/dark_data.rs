//! `swift#dark_data`: finds objects that no container lists.
//!
//! An object counts as dark only when every server of its container says that it does not list it, and, where the
//! container is sharded, every server of each shard that its name may be in: one that does not answer leaves it unknown.

use super::{SeenObject, Watcher, Wish};
use crate::direct_client::DirectClient;
use crate::http::Headers;
use crate::object::auditor::plan::Scan;
use async_trait::async_trait;
use std::collections::HashSet;
use std::time::Duration;
use swiftlet_storage::object::ObjectPath;
use swiftlet_types::Timestamp;
use swiftlet_types::conf::{OptionError, Options};
use swiftlet_types::names::quote_component;

/// How many containers are asked about one object: shards of shards are few, and an answer may not lead on for ever.
const MAX_CONTAINERS: usize = 64;
const TICKS_PER_SECOND: u64 = 100_000;

/// The options of `[object-auditor:watcher:swift#dark_data]`.
#[derive(Debug, Clone)]
pub(super) struct DarkDataConfig {
    action: Action,
    grace_age: Duration,
}

/// What is done with dark objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Log,
    Delete,
    Quarantine,
}

impl DarkDataConfig {
    /// Reads them. An unknown `action` is the one that changes nothing, as in Swift.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        let action = match o.str("action") {
            Some("delete") => Action::Delete,
            Some("quarantine") => Action::Quarantine,
            Some("log") | None => Action::Log,
            Some(other) => {
                let why = "Dark data action {action} unknown, defaults to action = 'log'";
                tracing::warn!("{}", why.replace("{action}", &format!("'{other}'")));
                Action::Log
            }
        };
        Ok(Self { action, grace_age: Duration::from_secs(o.int("grace_age", 604_800)?) })
    }
}

/// The watcher of one scan.
pub(super) struct DarkData {
    config: DarkDataConfig,
    containers: DirectClient,
    scan: Scan,
    unknown: u64,
    ok: u64,
    dark: u64,
}

/// What is known of an object's place in its container.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Listed,
    NotListed,
    Unknown,
}

impl DarkData {
    pub fn new(config: DarkDataConfig, containers: DirectClient) -> Self {
        Self { config, containers, scan: Scan::All, unknown: 0, ok: 0, dark: 0 }
    }

    fn is_young(&self, object: &SeenObject) -> bool {
        let grace = self.config.grace_age.as_secs().saturating_mul(TICKS_PER_SECOND);
        object.timestamp.ticks().saturating_add(grace) >= Timestamp::now().ticks()
    }

    fn wish(&self, object: &SeenObject) -> Wish {
        let name = &object.name;
        match self.config.action {
            Action::Log => {
                say(format_args!("reporting dark data {name}"));
                Wish::Keep
            }
            Action::Quarantine => {
                say(format_args!("quarantining dark data {name}"));
                Wish::Quarantine
            }
            Action::Delete => {
                say(format_args!("deleting dark data {}", object.at.dir.display()));
                Wish::Delete
            }
        }
    }

    /// Asks the object's container, and the shards it leads to.
    async fn standing(&self, path: ObjectPath) -> Standing {
        let object = path.object;
        let mut waiting = vec![(path.account, path.container)];
        let (mut asked, mut is_unsure) = (HashSet::new(), false);
        while let Some(container) = waiting.pop() {
            // one that was asked already is a root to which a shard points back: its own rows are all that is left
            let record_type = if asked.insert(container.clone()) { "auto" } else { "object" };
            if asked.len() > MAX_CONTAINERS {
                return Standing::Unknown;
            }
            let found = self.ask(&container, &object, record_type).await;
            if found.is_listed {
                return Standing::Listed;
            }
            is_unsure |= found.is_unsure;
            waiting.extend(found.shards);
        }
        if is_unsure { Standing::Unknown } else { Standing::NotListed }
    }

    async fn ask(
        &self,
        (account, container): &(String, String),
        object: &str,
        record_type: &'static str,
    ) -> Found {
        let mut headers = Headers::new();
        headers.set("X-Backend-Record-Type", record_type);
        let name = quote_component(object);
        // servers list objects by the first two of these, and shard ranges by the others
        let query = format!("prefix={name}&limit=1&includes={name}&states=listing");
        let mut found = Found::default();
        let mut is_asked = false;
        let heed = |listing| {
            is_asked = true;
            found.heed(listing, object);
            found.is_listed
        };
        self.containers.listings((account, container), &query, &headers, heed).await;
        found.is_unsure |= !is_asked;
        found
    }
}

/// What a container's servers say of an object.
#[derive(Default)]
struct Found {
    is_listed: bool,
    is_unsure: bool,
    shards: HashSet<(String, String)>,
}

impl Found {
    fn heed(&mut self, listing: Option<crate::direct_client::ServerListing>, object: &str) {
        let Some(listing) = listing else {
            self.is_unsure = true;
            return;
        };
        let first = listing.rows.first().and_then(|row| row.get("name")?.as_str());
        match (listing.headers.get_str("X-Backend-Record-Type"), first) {
            (Some("shard"), Some(shard)) => match shard.split_once('/') {
                Some((account, container)) => {
                    self.shards.insert((account.to_owned(), container.to_owned()));
                }
                None => self.is_unsure = true,
            },
            (Some("shard"), None) => {}
            (_, first) => self.is_listed = first == Some(object),
        }
    }
}

#[async_trait]
impl Watcher for DarkData {
    fn start(&mut self, scan: Scan) {
        self.scan = scan;
    }

    async fn see_object(&mut self, object: &SeenObject) -> Wish {
        // sizes are looked at too often for container servers to be asked each time
        if self.scan == Scan::ZeroByte {
            return Wish::Keep;
        }
        if self.is_young(object) {
            self.ok += 1;
            return Wish::Keep;
        }
        let standing = match ObjectPath::from_name(&object.name) {
            Some(path) => self.standing(path).await,
            None => Standing::Unknown,
        };
        match standing {
            Standing::Unknown => self.unknown += 1,
            Standing::Listed => self.ok += 1,
            Standing::NotListed => {
                self.dark += 1;
                return self.wish(object);
            }
        }
        Wish::Keep
    }

    fn end(&mut self) {
        if self.scan == Scan::All {
            say(format_args!("total unknown {} ok {} dark {}", self.unknown, self.ok, self.dark));
        }
    }
}

fn say(what: std::fmt::Arguments<'_>) {
    tracing::info!("[audit-watcher swift#dark_data] {what}");
}

#[cfg(test)]
mod tests;
