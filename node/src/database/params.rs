//! The query string of a listing.

use super::answer::refuse;
use crate::http::Response;
use swiftlet_storage::db::ListingQuery;
use swiftlet_types::conf::is_true;
use swiftlet_types::names::query_pairs;

/// The parameters of a query string; of one that comes twice, the last counts.
#[derive(Debug)]
pub struct Params {
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Params {
    /// Reads `query`, which has no `?`.
    pub fn of(query: &[u8]) -> Self {
        Self { pairs: query_pairs(query).collect() }
    }

    /// The value of `name`; one that is not UTF-8 is answered with 400.
    pub fn get(&self, name: &str) -> Result<Option<&str>, Response> {
        let Some((_, value)) = self.pairs.iter().rev().find(|(n, _)| n == name.as_bytes()) else {
            return Ok(None);
        };
        let invalid = |_| Response::plain(400, format!("\"{name}\" parameter not valid UTF-8"));
        std::str::from_utf8(value).map(Some).map_err(invalid)
    }

    /// The value of `name`; empty where there is none.
    pub fn text(&self, name: &str) -> Result<String, Response> {
        Ok(self.get(name)?.unwrap_or_default().to_owned())
    }

    /// Whether `name` says yes.
    pub fn flag(&self, name: &str) -> Result<bool, Response> {
        Ok(self.get(name)?.is_some_and(is_true))
    }

    /// The listing that is asked for, of at most `max` entries (more is answered with 412).
    pub fn listing(&self, max: usize, allow_reserved: bool) -> Result<ListingQuery, Response> {
        Ok(ListingQuery {
            limit: self.limit(max)?,
            marker: self.text("marker")?,
            end_marker: self.text("end_marker")?,
            prefix: self.text("prefix")?,
            delimiter: self.text("delimiter")?,
            path: None,
            reverse: self.flag("reverse")?,
            allow_reserved,
        })
    }

    fn limit(&self, max: usize) -> Result<usize, Response> {
        match self.get("limit")? {
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => digits
                .parse()
                .ok()
                .filter(|limit| *limit <= max)
                .ok_or_else(|| refuse(412, format!("Maximum limit is {max}"))),
            _ => Ok(max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_limits_hold() {
        let params = Params::of(b"prefix=a&prefix=b%20c&reverse=on&limit=7&marker");
        let query = params.listing(10, false).unwrap();
        assert_eq!((query.prefix.as_str(), query.limit, query.reverse), ("b c", 7, true));
        let status =
            |query: &[u8]| Params::of(query).listing(10, false).map(|q| q.limit).map_err(|r| r.status);
        assert_eq!(status(b"limit=x"), Ok(10));
        assert_eq!(status(b"limit=11"), Err(412));
        assert_eq!(status(b"limit=99999999999999999999999"), Err(412));
        assert_eq!(status(b"prefix=%ff"), Err(400));
    }
}
