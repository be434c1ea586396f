//! Account and container databases: Swift's SQLite files and their `.pending` files, read and written so that
//! Python Swift can use the same files at the same time.
//!
//! A [`Broker`] is one database for the length of one synchronous job. FORMAT.md tells what the files hold. No
//! HTTP, no runtime, and nothing remembered between jobs but open connections, each looked at before it is used
//! again.

mod account;
mod arrival;
mod broker;
mod chexor;
mod column;
mod connection;
mod container;
mod copy;
mod create;
mod error;
mod files;
mod integrity;
mod layout;
mod listing;
mod metadata;
mod pending;
mod reclaim;
mod removal;
mod salvage;
mod snapshot;
mod sync;

pub use account::{Account, AccountBroker, AccountInfo, AccountPolicyStat, ContainerEntry, ContainerRecord};
pub use broker::{Broker, BrokerOptions, Kind, Record};
pub use chexor::chexor;
pub use connection::{Connections, DB_TIMEOUT};
pub use container::{
    Container, ContainerBroker, ContainerInfo, ContainerPolicyStat, DbState, ObjectEntry, ObjectFilter,
    ObjectRecord, ShardQuery, ShardRange, ShardState, split_swift_bytes,
};
pub use error::DbError;
pub use layout::DbDir;
pub use listing::ListingQuery;
pub use metadata::{Metadata, MetadataEntry, MetadataLimits};
pub use pending::PENDING_CAP;
pub use removal::Removal;
pub use salvage::{Facts, Salvaged, SalvagedDb};
pub use snapshot::Snapshot;
pub use sync::{Direction, SyncPoint};

/// Rows handed out at once for replication, whatever is asked for.
const MAX_SYNC_ROWS: usize = 100_000;
