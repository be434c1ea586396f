//! What a symlink is made of: the fields that clients see, and those that object servers keep.

/// The object a symlink stands for, `container/object`, percent-encoded.
pub const TARGET: &str = "X-Symlink-Target";
/// The account of the target, percent-encoded, where it is another.
pub const TARGET_ACCOUNT: &str = "X-Symlink-Target-Account";
/// The ETag that the target of a static symlink must have.
pub const TARGET_ETAG: &str = "X-Symlink-Target-Etag";
/// The size of a static symlink's target, in bytes.
pub const TARGET_BYTES: &str = "X-Symlink-Target-Bytes";

/// [`TARGET`], as it is kept.
pub const KEPT_TARGET: &str = "X-Object-Sysmeta-Symlink-Target";
/// [`TARGET_ACCOUNT`], as it is kept.
pub const KEPT_TARGET_ACCOUNT: &str = "X-Object-Sysmeta-Symlink-Target-Account";
/// [`TARGET_ETAG`], as it is kept.
pub const KEPT_TARGET_ETAG: &str = "X-Object-Sysmeta-Symlink-Target-Etag";
/// [`TARGET_BYTES`], as it is kept.
pub const KEPT_TARGET_BYTES: &str = "X-Object-Sysmeta-Symlink-Target-Bytes";
/// Kept on a symlink that does not count against the limit of links to follow.
pub const EXTENDS_LOOP: &str = "X-Object-Sysmeta-Symloop-Extend";
/// Kept on a symlink that a middleware made and that may lead into the reserved name space.
pub const ALLOWS_RESERVED: &str = "X-Object-Sysmeta-Allow-Reserved-Names";

/// What a filter wants a container's listing to say as an object's ETag.
pub const LISTED_ETAG: &str = "X-Object-Sysmeta-Container-Update-Override-Etag";
/// The ETag of nothing.
pub const EMPTY_ETAG: &str = "d41d8cd98f00b204e9800998ecf8427e";
