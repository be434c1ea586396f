//! The limits of `[swift-constraints]`.

use crate::conf::{OptionError, Options};

/// What a request may hold. Sizes in bytes, limits in items.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // Swift's own option names
pub struct Constraints {
    pub max_file_size: u64,
    pub max_meta_name_length: usize,
    pub max_meta_value_length: usize,
    pub max_meta_count: usize,
    pub max_meta_overall_size: usize,
    pub max_header_size: usize,
    pub max_request_line: usize,
    pub extra_header_count: usize,
    pub max_object_name_length: usize,
    pub max_account_name_length: usize,
    pub max_container_name_length: usize,
    pub container_listing_limit: usize,
    pub account_listing_limit: usize,
    pub valid_api_versions: Vec<String>,
    pub auto_create_account_prefix: String,
}

impl Constraints {
    /// Reads the options of `[swift-constraints]`.
    pub fn from_options(o: &Options) -> Result<Self, OptionError> {
        let extra: i64 = o.int("extra_header_count", 0)?;
        Ok(Self {
            max_file_size: o.int("max_file_size", 5_368_709_122)?,
            max_meta_name_length: o.int("max_meta_name_length", 128)?,
            max_meta_value_length: o.int("max_meta_value_length", 256)?,
            max_meta_count: o.int("max_meta_count", 90)?,
            max_meta_overall_size: o.int("max_meta_overall_size", 4096)?,
            max_header_size: o.int("max_header_size", 8192)?,
            max_request_line: o.int("max_request_line", 8192)?,
            extra_header_count: usize::try_from(extra).unwrap_or(0),
            max_object_name_length: o.int("max_object_name_length", 1024)?,
            max_account_name_length: o.int("max_account_name_length", 256)?,
            max_container_name_length: o.int("max_container_name_length", 256)?,
            container_listing_limit: o.int("container_listing_limit", 10_000)?,
            account_listing_limit: o.int("account_listing_limit", 10_000)?,
            valid_api_versions: o.list("valid_api_versions", "v1,v1.0"),
            auto_create_account_prefix: o.str_or("auto_create_account_prefix", "."),
        })
    }

    /// How many header fields a request may have: metadata, and 36 for HTTP's and Swift's own.
    pub fn max_header_count(&self) -> usize {
        self.max_meta_count + 36 + self.extra_header_count
    }
}

impl Default for Constraints {
    fn default() -> Self {
        Self::from_options(&Options::new("swift.conf", "swift-constraints")).expect("no option, no error")
    }
}
