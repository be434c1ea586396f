//! How large a message head may be.

/// Bounds on a message head, checked while it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A request line of this many bytes or more, its line end included, is refused with 414
    /// (`max_request_line`).
    pub max_request_line: usize,
    /// A header line of this many bytes or more, its line end included, is refused with 400
    /// (`max_header_size`).
    pub max_header_line: usize,
    /// All header lines together may have at most this many bytes.
    pub max_head_size: usize,
    /// The most header lines a message may have.
    pub max_header_count: usize,
}

impl Limits {
    /// The limits that follow from `[swift-constraints]`: `max_request_line` and `max_header_size` in bytes,
    /// and `max_header_count` (`max_meta_count` + 36 + `extra_header_count`). Swift's HTTP layer takes 1.6
    /// times as many header lines (the empty one counts), so that its servers get to refuse them.
    pub fn from_constraints(
        max_request_line: usize,
        max_header_size: usize,
        max_header_count: usize,
    ) -> Self {
        Self {
            max_request_line,
            max_header_line: max_header_size,
            max_header_count: max_header_count * 8 / 5 - 1,
            ..Self::default()
        }
    }
}

impl Default for Limits {
    /// Swift's defaults.
    fn default() -> Self {
        Self { max_request_line: 8192, max_header_line: 8192, max_head_size: 64 << 10, max_header_count: 200 }
    }
}
