//! The values: what answers to HEADs say, and their JSON as Swift keeps it in memcached.

use crate::http::Headers;
use crate::proxy::meta::ServerKind;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use swiftlet_types::Policies;

/// Metadata by lower-case name without its prefix.
type Meta = BTreeMap<String, String>;

/// What is known of an account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountInfo {
    /// The status that a HEAD of it was answered with.
    pub status: u16,
    /// How many containers it has.
    #[serde(with = "count")]
    pub container_count: u64,
    /// How many objects they hold.
    #[serde(with = "count")]
    pub total_object_count: u64,
    /// How many bytes those are.
    #[serde(with = "count")]
    pub bytes: u64,
    /// The same by the index of the storage policy.
    pub storage_policies: BTreeMap<String, PolicyUsage>,
    /// User metadata.
    pub meta: Meta,
    /// System metadata.
    pub sysmeta: Meta,
    /// Whether it is stored, rather than assumed because it would be made when first written to.
    pub account_really_exists: bool,
}

/// What an account uses of one storage policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names say all there is
pub struct PolicyUsage {
    pub container_count: u64,
    pub object_count: u64,
    pub bytes: u64,
}

/// What is known of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerInfo {
    /// The status that a HEAD of it was answered with.
    pub status: u16,
    /// Who may read and list it.
    pub read_acl: Option<String>,
    /// Who may write to it.
    pub write_acl: Option<String>,
    /// Where it is synchronized to.
    pub sync_to: Option<String>,
    /// The secret of that.
    pub sync_key: Option<String>,
    /// How many objects it has.
    #[serde(with = "count")]
    pub object_count: u64,
    /// How many bytes those are.
    #[serde(with = "count")]
    pub bytes: u64,
    /// Where old versions go (`X-Versions-Location`).
    pub versions: Option<String>,
    /// The index of its storage policy.
    #[serde(with = "count")]
    pub storage_policy: u64,
    /// What it says of other sites' scripts.
    pub cors: Cors,
    /// User metadata.
    pub meta: Meta,
    /// System metadata.
    pub sysmeta: Meta,
    /// `unsharded`, `sharding`, `sharded` or `collapsed`.
    pub sharding_state: Option<String>,
    /// Internal timestamps.
    pub created_at: Option<String>,
    /// When it was last PUT.
    pub put_timestamp: Option<String>,
    /// When it was last deleted.
    pub delete_timestamp: Option<String>,
    /// When it last came to be or ceased to be.
    pub status_changed_at: Option<String>,
}

/// A container's `X-Container-Meta-Access-Control-…`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cors {
    /// Origins between spaces, or `*`.
    pub allow_origin: Option<String>,
    /// Names of response headers between spaces.
    pub expose_headers: Option<String>,
    /// For how many seconds a preflight's answer holds.
    pub max_age: Option<String>,
}

impl AccountInfo {
    /// Nothing but a status.
    pub fn with_status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// What an answer says.
    pub fn from_headers(status: u16, headers: &Headers, policies: &Policies) -> Self {
        let (meta, sysmeta) = metadata(ServerKind::Account, headers);
        let usage = policies.iter().map(|policy| {
            let of =
                |what: &str| number(headers, &format!("x-account-storage-policy-{}-{what}", policy.name()));
            let (container_count, object_count) = (of("container-count"), of("object-count"));
            (policy.index.to_string(), PolicyUsage { container_count, object_count, bytes: of("bytes-used") })
        });
        Self {
            status,
            container_count: number(headers, "x-account-container-count"),
            total_object_count: number(headers, "x-account-object-count"),
            bytes: number(headers, "x-account-bytes-used"),
            storage_policies: usage.collect(),
            meta,
            sysmeta,
            account_really_exists: status / 100 == 2
                && !crate::proxy::meta::is_true(headers, "x-backend-fake-account-listing"),
        }
    }
}

impl ContainerInfo {
    /// Nothing but a status.
    pub fn with_status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// Whether the container is there.
    pub fn exists(&self) -> bool {
        self.status / 100 == 2
    }

    /// The index of its storage policy.
    pub fn policy_index(&self) -> u32 {
        u32::try_from(self.storage_policy).unwrap_or(u32::MAX)
    }

    /// What an answer says.
    pub fn from_headers(status: u16, headers: &Headers) -> Self {
        let (meta, sysmeta) = metadata(ServerKind::Container, headers);
        let text = |name: &str| headers.get(name).map(|v| String::from_utf8_lossy(v).into_owned());
        let cors = Cors {
            allow_origin: meta.get("access-control-allow-origin").cloned(),
            expose_headers: meta.get("access-control-expose-headers").cloned(),
            max_age: meta.get("access-control-max-age").cloned(),
        };
        Self {
            status,
            read_acl: text("x-container-read"),
            write_acl: text("x-container-write"),
            sync_to: text("x-container-sync-to"),
            sync_key: text("x-container-sync-key"),
            object_count: number(headers, "x-container-object-count"),
            bytes: number(headers, "x-container-bytes-used"),
            versions: text("x-versions-location"),
            storage_policy: number(headers, "x-backend-storage-policy-index"),
            cors,
            meta,
            sysmeta,
            sharding_state: text("x-backend-sharding-state").or_else(|| Some("unsharded".to_owned())),
            created_at: text("x-backend-timestamp"),
            put_timestamp: text("x-backend-put-timestamp"),
            delete_timestamp: text("x-backend-delete-timestamp"),
            status_changed_at: text("x-backend-status-changed-at"),
        }
    }
}

fn metadata(kind: ServerKind, headers: &Headers) -> (Meta, Meta) {
    let (mut user, mut system) = (Meta::new(), Meta::new());
    for (name, value) in headers.iter() {
        let (into, bare) = match (kind.user_meta_name(name), kind.system_meta_name(name)) {
            (Some(bare), _) => (&mut user, bare),
            (_, Some(bare)) => (&mut system, bare),
            _ => continue,
        };
        let name = String::from_utf8_lossy(bare).to_lowercase();
        into.insert(name, String::from_utf8_lossy(value).into_owned());
    }
    (user, system)
}

fn number(headers: &Headers, name: &str) -> u64 {
    headers.get_str(name).and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// Counts are text in Swift's cache, and may be null.
mod count {
    use serde::de::{Deserializer, Error, Visitor};
    use serde::ser::Serializer;
    use std::fmt;

    pub fn serialize<S: Serializer>(n: &u64, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(n)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
        d.deserialize_any(Count)
    }

    struct Count;

    impl Visitor<'_> for Count {
        type Value = u64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a count, as a number or as text")
        }
        fn visit_u64<E: Error>(self, n: u64) -> Result<u64, E> {
            Ok(n)
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map_err(|_| E::custom("not a count"))
        }
        fn visit_unit<E: Error>(self) -> Result<u64, E> {
            Ok(0)
        }
    }
}
