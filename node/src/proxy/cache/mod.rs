//! The cache that requests share: memcached in Swift's own key space, so that Python proxies can share it, or
//! memory of this process where no memcached is configured.

mod local;
pub mod memcached;

pub use local::LocalCache;
pub use memcached::Memcached;
